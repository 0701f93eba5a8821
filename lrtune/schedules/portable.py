"""Frozen dataclasses of strings and numbers, as dictionaries and JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from numbers import Integral, Real
from typing import Any, Self

from lrtune.exceptions import InvalidInputError

__all__ = ["Portable"]


class Portable:
    """Base of a dataclass whose fields are strings, numbers or None.

    Examples
    --------
    >>> from lrtune import Schedule
    >>> schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05)
    >>> Schedule.from_json(schedule.to_json()) == schedule
    True
    """

    def to_dict(self) -> dict[str, Any]:
        """All values by name; NumPy's numbers as Python's own."""
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return {name: _plain(getattr(self, name)) for name in names}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From what `to_dict` gave; what is left out has its default.

        Raises
        ------
        InvalidInputError
            If a name is not a field's, one without a default is missing, or a value is refused.
        """
        known = fields(cls)  # type: ignore[arg-type]
        names = [field.name for field in known]
        for name in values:
            if name not in names:
                raise InvalidInputError(
                    f"a {cls.__name__} has the fields {', '.join(names)}, but got {name!r}"
                )
        for field in known:
            if field.default is MISSING and field.name not in values:
                raise InvalidInputError(f"a {cls.__name__} must have {field.name}, but got none")
        return cls(**values)

    def to_json(self) -> str:
        """One JSON object, which `from_json` reads back into an equal value."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From what `to_json` gave, or ``lrtune export --to json``, whose "about" is passed over.

        Raises
        ------
        InvalidInputError
            If the text is not a JSON object, or as for `from_dict`.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInputError(f"a {cls.__name__} must be JSON, but: {error}") from error
        if not isinstance(values, dict):
            raise InvalidInputError(
                f"a {cls.__name__} must be a JSON object, but got {text.strip()[:40]!r}"
            )
        values.pop("about", None)
        return cls.from_dict(values)


def _plain(value: Any) -> Any:
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
