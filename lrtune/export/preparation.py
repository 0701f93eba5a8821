"""The preparation of the columns that a rate was tuned with, and source that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lrtune.tuning.record.schema import SearchFacts, Step


@dataclass(frozen=True)
class Preparation:
    """The transformers before the network, without which the rate is not the right one.

    >>> Preparation((Step("StandardScaler", "StandardScaler()"),)).source
    'StandardScaler()'
    >>> Preparation((Step("Pipeline", "Pipeline(…)", changed=True),), "y", "sklearn").source
    "lrtune.tables.dataset.load_dataset(DATA, target='y').preprocessing"
    """

    steps: tuple[Step, ...] = ()
    target: str | None = None
    """Target column, if ``lrtune search`` read the table."""
    preprocessor: str = ""
    """Key of the preprocessor that it used for the table."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Further options that reading the table took."""

    @classmethod
    def of(cls, facts: SearchFacts) -> Self:
        data = facts.data
        options = {**data.reading, "group": data.group, "time": data.time}
        given = {name: value for name, value in options.items() if value is not None}
        return cls(facts.trainer.steps, data.target, data.preprocessor, given)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the steps' classes."""
        return tuple(step.kind for step in self.steps)

    @property
    def is_scaled(self) -> bool:
        """Return True if the columns were standardised and nothing else."""
        return [(s.kind, s.changed) for s in self.steps] == [("StandardScaler", False)]

    @property
    def is_table(self) -> bool:
        """Return True if `lrtune.tables.dataset.load_dataset` returns the same preprocessing."""
        return bool(self.preprocessor) and bool(self.steps) and not self.is_scaled

    @property
    def dataset(self) -> str:
        """Return source that loads the table; DATA stands for its path."""
        options = {"target": self.target, **self.reading}
        if self.preprocessor != "sklearn":
            options["preprocessor"] = self.preprocessor
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"load_dataset(DATA, {given})"

    @property
    def source(self) -> str:
        """Return the source of the steps, for a pipeline."""
        if self.is_table:
            return f"lrtune.tables.dataset.{self.dataset}.preprocessing"
        return ", ".join(step.source for step in self.steps)

    def describe(self) -> str:
        """Return a sentence on how to prepare the columns; empty if there is nothing to do.

        >>> Preparation((Step("PowerTransformer", "PowerTransformer()"),)).describe()
        'behind PowerTransformer(): prepare the columns in the same way.'
        """
        if not self.steps:
            return ""
        if self.is_scaled:
            return "on columns of mean 0 and standard deviation 1: standardise yours as well."
        if self.is_table:
            return (
                "on standardised numbers, and categories as 0 and 1: prepare yours in the same way."
            )
        return f"behind {self.source}: prepare the columns in the same way."
