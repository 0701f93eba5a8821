"""Columns of a table: the kind and treatment of each, and their values joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.tables.number_format import NumberFormat
from lrtune.tables.wording import shortened

if TYPE_CHECKING:
    import pandas as pd

    from lrtune.tables.kinds import Kind

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
    date_formats: tuple[str, ...] = ()
    thousands: str = ""
    """Thousands separator of the numbers, or ""."""
    decimal: str = ""
    """Decimal mark of numbers written as text, or ""."""
    unit: str = ""
    """Unit, currency or "%" of the numbers, or ""."""
    gaps: tuple[str, ...] = ()
    """Texts or numbers that stand for missing values, such as -9999."""
    encoding: str = ""
    """A key of `lrtune.tables.transformers.TRANSFORMERS`, if it is not the kind."""
    why: str = ""
    """Why it is of this kind."""
    doubt: str = ""
    """What may be wrong about that; "" if nothing seems to be."""

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON values."""
        done = [list(pair) for pair in self.done]
        lists = {"date_formats": list(self.date_formats), "gaps": list(self.gaps)}
        return asdict(self) | {"done": done, **lists}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a column from what `to_dict` returned, here or in an earlier release."""
        values = dict(values)
        done = tuple((str(treatment), int(count)) for treatment, count in values["done"])
        date_format = values.pop("date_format", None)  # one format, in releases up to 0.1
        date_formats = values.get("date_formats", [date_format] if date_format else [])
        tuples = {"date_formats": tuple(date_formats), "gaps": tuple(values.get("gaps", ()))}
        return cls(**{**values, "done": done, **tuples})

    @property
    def number_format(self) -> NumberFormat:
        """Return how the numbers are written."""
        return NumberFormat(self.decimal, self.thousands, self.unit)

    @property
    def encoder(self) -> str:
        """Return the key of the column's transformer in `lrtune.tables.transformers`."""
        return self.encoding or self.kind

    @property
    def as_kind(self) -> Kind:
        """Return the kind with the formats of its values."""
        from lrtune.tables.kinds import Kind

        return Kind(self.kind, self.number_format, self.date_formats, self.why, self.doubt)

    def convert(self, values: pd.Series[Any]) -> pd.Series[Any]:
        """Convert values to the floats, dates or texts of this column's kind."""
        from lrtune.tables.kinds import convert, without_gaps

        return convert(without_gaps(values, self.gaps), self.as_kind)


def is_plain(columns: Sequence[Column]) -> bool:
    """Return True if the used columns are numbers or booleans that need only be standardised."""
    return all(c.encoder in ("number", "boolean") and not c.missing for c in columns if c.used)


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
