"""The optimised quantity, in the user's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Measure:
    """The optimised quantity; the record holds minus its numbers where higher is better.

    Attributes
    ----------
    name : str
    maximize : bool
    """

    name: str = "loss"
    maximize: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return the measure that a command's options, or a request's fields, name."""
        return cls(options.get("metric", "loss"), options.get("direction") == "maximize")

    def show(self, value: float) -> str:
        """Return a recorded value as the user gave it.

        Examples
        --------
        >>> Measure("accuracy", maximize=True).show(-0.93)
        '0.93'
        """
        return f"{-value if self.maximize else value:.4g}"
