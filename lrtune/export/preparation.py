"""What stood before the network when its rate was tuned, and how to have it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from lrtune.tables.dataset import Dataset

__all__ = ["Preprocessing", "network_prefix"]

_PIPELINES_OWN = {"memory", "steps", "transform_input", "verbose"}


@dataclass(frozen=True)
class Preprocessing:
    """How the columns were prepared that a rate was tuned for, without which it means little.

    Attributes
    ----------
    steps : tuple of str
        What stood before the network in its pipeline, as it is written in Python; empty if nothing
        did.
    target : str or None
        Of a table that ``lrtune search`` read, the target's column.
    preprocessor : str
        Of such a table, what made numbers of its columns.

    Examples
    --------
    >>> Preprocessing(("StandardScaler()",)).source
    'StandardScaler()'
    >>> Preprocessing(("Pipeline(…)",), "y", "sklearn").source
    "lrtune.tables.dataset.load_dataset(DATA, target='y').preprocessing"
    """

    steps: tuple[str, ...] = ()
    target: str | None = None
    preprocessor: str = ""

    @classmethod
    def recorded(cls, configuration: Mapping[str, Any]) -> Self:
        """What a study's record says."""
        return cls(
            _steps(configuration),
            configuration.get("target"),
            configuration.get("preprocessor", ""),
        )

    @classmethod
    def of(cls, dataset: Dataset, preprocessor: str) -> Self:
        """What the command line puts before the network."""
        return cls((repr(dataset.preprocessing),), dataset.target, preprocessor)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the steps, as far as they can be told."""
        named = (step.partition("(")[0] for step in self.steps)
        return tuple(name if name.isidentifier() else "another step" for name in named)

    @property
    def is_scaled(self) -> bool:
        """Whether the columns were standardised, and that was all."""
        return self.steps == ("StandardScaler()",)

    @property
    def is_table(self) -> bool:
        """Whether `lrtune.tables.dataset.load_dataset` gives the preprocessing again."""
        return bool(self.preprocessor) and bool(self.steps) and not self.is_scaled

    @property
    def dataset(self) -> str:
        """Source of the table; DATA stands for its path."""
        other = f", preprocessor={self.preprocessor!r}" if self.preprocessor != "sklearn" else ""
        return f"load_dataset(DATA, target={self.target!r}{other})"

    @property
    def source(self) -> str:
        """Source of the steps, to be put before the network in a pipeline."""
        return (
            f"lrtune.tables.dataset.{self.dataset}.preprocessing"
            if self.is_table
            else ", ".join(self.steps)
        )

    def describe(self) -> str:
        """What to do before the network; empty if there is nothing to.

        Examples
        --------
        >>> Preprocessing(("PowerTransformer()",)).describe()
        'behind PowerTransformer(): prepare the columns so as well.'
        """
        if not self.steps:
            return ""
        if self.is_scaled:
            return "on columns of mean 0 and standard deviation 1: standardise yours as well."
        if self.is_table:
            return "on standardised numbers, and categories as 0 and 1: prepare yours so as well."
        return f"behind {self.source}: prepare the columns so as well."


def network_prefix(configuration: Mapping[str, Any]) -> str:
    """What the names of the network's parameters begin with in a study's record.

    Examples
    --------
    >>> network_prefix({"estimator": {"steps": [], "mlpclassifier__decay_rate": 0.1}})
    'mlpclassifier__'
    """
    recorded = configuration["estimator"]
    return next(str(n) for n in recorded if n.endswith("decay_rate")).removesuffix("decay_rate")


def _steps(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    recorded, prefix = configuration["estimator"], network_prefix(configuration)
    if "steps" not in recorded:
        return ()
    names = (name for name in recorded if "__" not in name and name not in _PIPELINES_OWN)
    before = (str(recorded[name]) for name in names if not prefix.startswith(f"{name}__"))
    lines = (" ".join(step.split()) for step in before if step not in ("passthrough", "None"))
    return tuple(line if line.isprintable() else ascii(line)[1:-1] for line in lines)
