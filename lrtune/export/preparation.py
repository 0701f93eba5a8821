"""The columns' preparation that a rate was tuned behind, and how to have it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from lrtune.tuning.record.schema import SearchFacts, Step

__all__ = ["Preparation"]


@dataclass(frozen=True)
class Preparation:
    """How the columns were prepared that a rate was tuned for, without which it means little.

    Attributes
    ----------
    steps : tuple of Step
        The transformers before the network; empty if there were none.
    target : str or None
        Of a table that ``lrtune search`` read, the target's column.
    preprocessor : str
        Of such a table, the preprocessor that made numbers of its columns.

    Examples
    --------
    >>> Preparation((Step("StandardScaler", "StandardScaler()"),)).source
    'StandardScaler()'
    >>> Preparation((Step("Pipeline", "Pipeline(…)", changed=True),), "y", "sklearn").source
    "lrtune.tables.dataset.load_dataset(DATA, target='y').preprocessing"
    """

    steps: tuple[Step, ...] = ()
    target: str | None = None
    preprocessor: str = ""

    @classmethod
    def of(cls, facts: SearchFacts) -> Self:
        """Return the preparation of a search."""
        return cls(facts.trainer.steps, facts.data.target, facts.data.preprocessor)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes of the steps."""
        return tuple(step.kind for step in self.steps)

    @property
    def is_scaled(self) -> bool:
        """Return whether the columns were standardised, and that was all."""
        return [(s.kind, s.changed) for s in self.steps] == [("StandardScaler", False)]

    @property
    def is_table(self) -> bool:
        """Return whether `lrtune.tables.dataset.load_dataset` gives the preprocessing again."""
        return bool(self.preprocessor) and bool(self.steps) and not self.is_scaled

    @property
    def dataset(self) -> str:
        """Return source that loads the table; DATA stands for its path."""
        other = f", preprocessor={self.preprocessor!r}" if self.preprocessor != "sklearn" else ""
        return f"load_dataset(DATA, target={self.target!r}{other})"

    @property
    def source(self) -> str:
        """Return source of the steps, to put before the network in a pipeline."""
        if self.is_table:
            return f"lrtune.tables.dataset.{self.dataset}.preprocessing"
        return ", ".join(step.source for step in self.steps)

    def describe(self) -> str:
        """Return in words what to do before the network; empty if there is nothing to do.

        Examples
        --------
        >>> Preparation((Step("PowerTransformer", "PowerTransformer()"),)).describe()
        'behind PowerTransformer(): prepare the columns so as well.'
        """
        if not self.steps:
            return ""
        if self.is_scaled:
            return "on columns of mean 0 and standard deviation 1: standardise yours as well."
        if self.is_table:
            return "on standardised numbers, and categories as 0 and 1: prepare yours so as well."
        return f"behind {self.source}: prepare the columns so as well."
