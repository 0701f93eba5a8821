"""Columns of a table: the kind and treatment of each, and their values joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.tables.wording import shortened

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """A column of a table, and how it is treated."""

    name: str
    kind: str
    """A key of `lrtune.tables.kinds.KINDS`, or the reason why it is left out."""
    used: bool = True
    """True if the network is trained on it."""
    missing: int = 0
    """Number of missing values, including unreadable ones."""
    done: tuple[tuple[str, int], ...] = ()
    """Each treatment and the number of values that it applied to; 0 stands for all values."""
    date_format: str | None = None
    thousands: str = ""
    """Thousands separator of the numbers, or ""."""

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        return asdict(self) | {"done": [list(pair) for pair in self.done]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a column from what `to_dict` returned."""
        done = tuple((str(treatment), int(count)) for treatment, count in values["done"])
        return cls(**{**values, "done": done})

    def convert(self, values: pd.Series[Any]) -> pd.Series[Any]:
        """Convert values to the floats, dates or texts of this column's kind."""
        from lrtune.tables.kinds import KINDS

        options: dict[str, str | None] = {}
        if self.kind == "date":
            options["date_format"] = self.date_format or None
        elif self.kind == "number":
            options["thousands"] = self._find_thousands(values)
        converted: pd.Series[Any] = KINDS[self.kind](values, **options)
        return converted

    def _find_thousands(self, values: pd.Series[Any]) -> str:
        from lrtune.tables.kinds import find_thousands

        # a table to predict for may use another separator than the training table
        unambiguous = find_thousands(values, unambiguous=True)
        return unambiguous or self.thousands or find_thousands(values)


def is_plain(columns: Sequence[Column]) -> bool:
    """Return True if the used columns are all numbers or booleans without missing values."""
    return all(c.kind in ("number", "boolean") and not c.missing for c in columns if c.used)


def gather(
    converted: Mapping[str, pd.Series[Any]], columns: Sequence[Column]
) -> Array | pd.DataFrame:
    """Join converted columns: to an array of floats if they are plain, else to a DataFrame."""
    if not is_plain(columns):
        import pandas as pd

        return pd.DataFrame(dict(converted)).reset_index(drop=True)
    return np.ascontiguousarray(np.column_stack(list(converted.values())), dtype=np.float64)


def notes_on(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return a sentence on each treatment, naming the columns that it applied to.

    >>> notes_on([Column("a", "number", done=(("missing values filled in", 3),))])
    ("missing values filled in: 'a' (3)",)
    """
    names: dict[str, list[str]] = {}
    for column in columns:
        for treatment, count in column.done:
            name = f"{column.name!r} ({count})" if count else repr(column.name)
            names.setdefault(treatment, []).append(name)
    return tuple(f"{treatment}: {shortened(names[treatment])}" for treatment in names)
