"""Kinds of columns that a user names; importing this module does not load pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrtune.exceptions import InvalidInputError
from lrtune.tables.number_format import is_placeholder
from lrtune.tables.wording import listed

if TYPE_CHECKING:
    import pandas as pd

    from lrtune.tables.kinds import Kind

KIND_NAMES = ("number", "category", "date", "text", "drop")
"""Kinds that a user can name; a date may name its format, as in date:%d/%m/%Y."""
GIVEN = "as given"
"""Why a column is of a kind that the user named."""


@dataclass(frozen=True)
class Overrides:
    """Kinds of columns by name, in place of those that their values suggest.

    >>> Overrides({"zip": "names"})
    Traceback (most recent call last):
        ...
    lrtune.exceptions.InvalidInputError: `columns` must name one of number, category, date, text, \
drop for a column, but got 'names' for 'zip'
    """

    kinds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in self.kinds.items():
            if kind not in KIND_NAMES and not kind.startswith("date:"):
                raise InvalidInputError(
                    f"`columns` must name one of {', '.join(KIND_NAMES)} for a column, but got "
                    f"{kind!r} for {name!r}"
                )

    def require_columns(self, columns: Sequence[str], source: str) -> None:
        """Raise if a column is not in the table."""
        absent = [name for name in self.kinds if name not in columns]
        if absent:
            raise InvalidInputError(
                f"`columns` must name columns of {source}, but got {listed(absent)}; its columns "
                f"are {listed(columns)}"
            )

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the columns that must be read as text."""
        return tuple(n for n, kind in self.kinds.items() if kind not in ("number", "drop"))

    def kind_of(self, name: str, values: pd.Series[Any], decimal: str = "") -> Kind | None:
        """Return the kind of a column that the user named, None if it was not.

        Raises
        ------
        InvalidInputError
            If no value is of that kind.
        """
        import pandas as pd

        from lrtune.tables.dates import as_dates, find_date_formats
        from lrtune.tables.kinds import Kind, find_numbers, is_boolean, text_counts

        kind = self.kinds.get(name)
        if kind is None or kind in ("category", "text", "drop"):
            return None if kind is None else Kind(kind, why=GIVEN)
        if kind == "number":
            if is_boolean(values):
                return Kind("boolean", why=GIVEN)
            if pd.api.types.is_numeric_dtype(values):
                return Kind("number", why=GIVEN)
            found = find_numbers(text_counts(values), decimal=decimal, share=1e-9)
            if found is not None:
                return Kind("number", found, why=GIVEN)
        elif pd.api.types.is_datetime64_any_dtype(values):
            return Kind("date", why=GIVEN)
        else:
            counts = {t: n for t, n in text_counts(values).items() if not is_placeholder(t)}
            given = kind.removeprefix("date").removeprefix(":")
            formats = (given,) if given else find_date_formats(counts)
            if formats and as_dates(pd.Series(list(counts), dtype=object), formats).notna().any():
                return Kind("date", dates=formats, why=GIVEN)
        raise InvalidInputError(
            f"`columns` names column {name!r} as {kind}, but it holds none, for example "
            f"{next(iter(text_counts(values)), '')!r}: name another kind, or a date's format, as "
            "in date:%d/%m/%Y"
        )


NO_OVERRIDES = Overrides()
