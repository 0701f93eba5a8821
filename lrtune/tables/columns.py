"""Columns of a table: what becomes of each, and rows in the form that is learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.kinds import KINDS, find_thousands

__all__ = ["Column", "conform", "gather", "is_plain", "listed", "notes_on", "text_columns"]

Array = npt.NDArray[Any]
Series = pd.Series


@dataclass(frozen=True)
class Column:
    """A column of a table, and what becomes of it.

    Attributes
    ----------
    name : str
    kind : str
        What it holds: a key of `lrtune.tables.kinds.KINDS`, or why it is left out.
    used : bool
        Whether the network learns from it.
    missing : int
        Missing values, counting those that could not be read.
    done : tuple of (str, int)
        What was done with it, and with how many of its values; 0 for all of them.
    date_format : str or None
        How dates are written.
    thousands : str
        What stands between the thousands of numbers.
    """

    name: str
    kind: str
    used: bool = True
    missing: int = 0
    done: tuple[tuple[str, int], ...] = ()
    date_format: str | None = None
    thousands: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values.

        Examples
        --------
        >>> column = Column("age", "number", missing=2)
        >>> Column.from_dict(column.to_dict()) == column
        True
        """
        return asdict(self) | {"done": [list(pair) for pair in self.done]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` made JSON of."""
        done = tuple((str(what), int(count)) for what, count in values["done"])
        return cls(**{**values, "done": done})

    def convert(self, values: Series[Any]) -> Series[Any]:
        """A column's values in the one form of its kind."""
        options: dict[str, str | None] = {}
        if self.kind == "date":
            options["date_format"] = self.date_format or None
        elif self.kind == "number":
            options["thousands"] = self._find_thousands(values)
        converted: Series[Any] = KINDS[self.kind](values, **options)
        return converted

    def _find_thousands(self, values: Series[Any]) -> str:
        """What separates them here; a table to predict for may be written in another way."""
        return find_thousands(values, sure=True) or self.thousands or find_thousands(values)


def is_plain(columns: Sequence[Column]) -> bool:
    """Whether the used columns are numbers without gaps.

    Examples
    --------
    >>> is_plain([Column("a", "number"), Column("b", "number", missing=1)])
    False
    """
    return all(c.kind in ("number", "boolean") and not c.missing for c in columns if c.used)


def gather(converted: Mapping[str, Series[Any]], columns: Sequence[Column]) -> Array | pd.DataFrame:
    """Converted columns side by side: contiguous floats if they are plain, else a DataFrame.

    Examples
    --------
    >>> gather({"a": pd.Series([1.0, 2.0])}, [Column("a", "number")]).shape
    (2, 1)
    """
    if not is_plain(columns):
        return pd.DataFrame(dict(converted)).reset_index(drop=True)
    series = list(converted.values())
    X = np.empty((len(series[0]), len(series)))
    for place, values in enumerate(series):
        X[:, place] = values
    return X


def conform(
    frame: pd.DataFrame, columns: Sequence[Column], *, source: str = "the table"
) -> Array | pd.DataFrame:
    """Rows to predict for, in the form that was learned from: columns by name, others ignored.

    Parameters
    ----------
    frame : DataFrame
        Best read with ``read_table(..., texts=text_columns(columns))``.
    columns : sequence of Column
        Of the table that was learned from.
    source : str
        As messages name it.

    Returns
    -------
    ndarray or DataFrame
        What the fitted pipeline takes.

    Raises
    ------
    InvalidInputError
        If a used column is missing, or has gaps where there was none to learn from.

    Examples
    --------
    >>> conform(pd.DataFrame({"b": [9, 9], "a": [1, 2]}), [Column("a", "number")])
    array([[1.],
           [2.]])
    """
    used = [column for column in columns if column.used]
    absent = [column.name for column in used if column.name not in frame.columns]
    if absent:
        raise InvalidInputError(
            f"rows to predict for must have the columns that were learned from, but {source} "
            f"lacks {listed(absent)}: it has {listed(list(frame.columns))}"
        )
    converted = {column.name: column.convert(frame[column.name]) for column in used}
    if is_plain(used):
        _require_complete(converted, source)
    return gather(converted, used)


def _require_complete(converted: Mapping[str, Series[Any]], source: str) -> None:
    for name, values in converted.items():
        if values.isna().any():
            raise InvalidInputError(
                f"columns must be complete, as they were to learn from, but column {name!r} of "
                f"{source} lacks {int(values.isna().sum())} of {len(values)} numbers: fill them "
                "in, or leave out these rows"
            )


def text_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Names of the columns to read as text, whatever a further file holds there.

    Examples
    --------
    >>> text_columns([Column("size", "category"), Column("age", "number")])
    ('size',)
    """
    return tuple(
        c.name for c in columns if c.used and (c.kind in ("category", "text") or c.thousands)
    )


def notes_on(columns: Sequence[Column]) -> tuple[str, ...]:
    """What was done with columns: a sentence for each thing done, naming the columns.

    Examples
    --------
    >>> notes_on([Column("a", "number", done=(("missing values filled in", 3),))])
    ("missing values filled in: 'a' (3)",)
    """
    done: dict[str, list[str]] = {}
    for column in columns:
        for what, count in column.done:
            done.setdefault(what, []).append(
                f"{column.name!r} ({count})" if count else repr(column.name)
            )
    return tuple(f"{what}: {_shown(names)}" for what, names in done.items())


def listed(names: Sequence[Any]) -> str:
    """Names as a message shows them.

    Examples
    --------
    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    return _shown([repr(str(name)) for name in names])


def _shown(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
