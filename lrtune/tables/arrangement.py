"""Columns that say how the rows of a table hang together: groups, or the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.inspection import describe_columns
from lrtune.tables.overrides import NO_OVERRIDES, Overrides
from lrtune.tables.targets import position_of
from lrtune.tables.wording import listed

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Arrangement:
    """A table without the column of groups or times, and what that column says of its rows."""

    frame: pd.DataFrame
    """The rows that have a group or a time, in the order of time."""
    groups: Array | None = None
    """Number of each row's group."""
    times: Array | None = None
    """Number of each row's time, in ascending order."""
    notes: tuple[str, ...] = ()

    def of_rows(self, rows: Array) -> tuple[Array | None, Array | None]:
        """Return the groups and the times of the rows that a mask selects."""
        return tuple(None if each is None else each[rows] for each in (self.groups, self.times))  # type: ignore[return-value]


def arrange(
    frame: pd.DataFrame,
    target: str,
    *,
    group: str | None = None,
    time: str | None = None,
    source: str = "the table",
    decimal: str = "",
    overrides: Overrides = NO_OVERRIDES,
) -> Arrangement:
    """Take the column of groups or of times out of a table, and sort its rows by time.

    `group` and `time` are names, or positions as `target` may be one. Rows without a group or a
    time are left out. Times are read by the table's decimal mark, and as
    the kind that `overrides` names.

    >>> frame = pd.DataFrame({"day": [3, 1, 2], "x": [5, 6, 7], "y": [0, 1, 0]})
    >>> arranged = arrange(frame, "y", time="day")
    >>> arranged.frame["x"].tolist(), arranged.times.tolist()
    ([6, 7, 5], [0, 1, 2])
    """
    if group is not None and time is not None:
        raise InvalidInputError(
            f"`group` and `time` each say which rows to validate with, but got {group!r} and "
            f"{time!r}: leave out one of them"
        )
    option, name = ("group", group) if time is None else ("time", time)
    if name is None:
        return Arrangement(frame)
    if name not in frame.columns:
        position = position_of(name, frame.shape[1])
        if position is None:
            raise InvalidInputError(
                f"`{option}` must be a column of {source}, or a position from 0 to "
                f"{frame.shape[1] - 1}, but got {name!r}; its columns are "
                f"{listed(list(frame.columns))}"
            )
        name = str(frame.columns[position])
    if name == target:
        raise InvalidInputError(
            f"`{option}` must be another column than the target, but got {name!r} for both: name "
            "another `target`"
        )
    present = frame[name].notna()
    if not present.any():
        raise InvalidInputError(
            f"`{option}` must be a column with values, but {name!r} of {source} has none: name "
            "another column"
        )
    notes = []
    if not present.all():
        notes.append(
            f"{option}: {int((~present).sum())} of {len(frame)} rows left out, as column {name!r} "
            "has no value there"
        )
    frame = frame[present]
    values, frame = frame[name], frame.drop(columns=name)
    if option == "group":
        codes, names = pd.factorize(values)
        together = (
            f"the rows of each of {len(names)} values of column {name!r} are trained on or "
            "validated with together"
        )
        if len(names) == len(codes):
            together = f"column {name!r} differs in every row, so that each is held out by itself"
        notes.append(f"group: {together}; it is not a feature")
        return Arrangement(frame, groups=codes, notes=tuple(notes))
    numbers = _times(values, source, decimal, overrides)
    order = np.argsort(numbers, kind="stable")
    notes.append(
        f"time: rows are validated with that are later, by column {name!r}, than those trained on; "
        "it is not a feature"
    )
    times = np.unique(numbers[order], return_inverse=True)[1]
    return Arrangement(frame.iloc[order], times=times, notes=tuple(notes))


def _times(values: pd.Series[Any], source: str, decimal: str, overrides: Overrides) -> Array:
    """Return numbers or dates as numbers; raise InvalidInputError if one cannot be read."""
    name = str(values.name)
    refusal = f"`time` must be a column of numbers or dates, but {name!r} of {source}"
    try:
        (column,), _ = describe_columns(
            values.to_frame(), encodes_texts=True, decimal=decimal, overrides=overrides
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{refusal} cannot order rows ({error})") from error
    if column.kind not in ("number", "date"):
        raise InvalidInputError(
            f"{refusal} holds {values.iloc[0]!r}: name another column, or write its times as in "
            "2024-05-31"
        )
    converted = column.convert(values)
    unreadable = values[converted.isna()]
    if len(unreadable):
        raise InvalidInputError(
            f"{refusal} holds {unreadable.iloc[0]!r}: correct it, or leave it empty, and its row "
            "is left out"
        )
    return converted.to_numpy()
