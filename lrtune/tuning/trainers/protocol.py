"""The seam between the search and whatever trains: settings and replicate numbers in, outcomes out.

A replicate is a number. The trainer turns it into everything random (split, initial weights,
shuffling); the same number means the same for every setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lrtune.tuning.record.schema import DivergedAt, TrainerFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space

__all__ = ["Outcome", "Trainer"]

Array = npt.NDArray[Any]

Prune = Callable[[int, int, float], bool]
"""Called with a setting's index, the epoch (from 1) and its mean loss; returns whether to halt."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of training one setting on R replicates.

    Attributes
    ----------
    setting : Setting
    validation_curves : ndarray of shape (R, E)
        Validation loss of each replicate at the end of each epoch, in the target's own unit; E
        is the number of epochs that all replicates finished.
    scores : ndarray of shape (R,) or None
        Accuracy or R² at the last epoch; None if it did not train to the end.
    epochs : float
        Epochs trained, over all replicates; fractional where one was broken off.
    diverged : DivergedAt or None
        It is then stopped on every replicate.
    pruned : bool
        Whether it was halted by competition.
    metrics : dict of str to ndarray of shape (R,)
        The user's metrics at the last epoch.
    seconds : float
        Its share of the time that its population took.
    """

    setting: Setting
    validation_curves: Array
    scores: Array | None
    epochs: float
    diverged: DivergedAt | None = None
    pruned: bool = False
    metrics: dict[str, Array] = field(default_factory=dict)
    seconds: float = 0.0

    def values(self, n_replicates: int, metric: str | None = None) -> Array:
        """Return the losses at the last epoch, or minus a metric, shape (R,).

        Infinite if the setting diverged, and where the metric has no number.
        """
        if self.diverged is not None:
            return np.full(n_replicates, np.inf)
        values = self.validation_curves[:, -1] if metric is None else -self.metrics[metric]
        return np.where(np.isnan(values), np.inf, values)


class Trainer(Protocol):
    """What the search knows of whatever trains.

    Attributes
    ----------
    epochs : int
        Of a training.
    metric : str or None
        The user's metric that is optimised in place of the loss.
    n_validation : int
        Validation rows of a replicate.
    """

    epochs: int
    metric: str | None
    n_validation: int

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        *,
        metrics: bool = False,
        prune: Prune | None = None,
    ) -> list[Outcome]:
        """Train each setting on each replicate, and ask `prune` about each after every epoch.

        Outcomes come in the order of the settings; with `metrics` they hold the user's.
        """

    def facts(self) -> TrainerFacts:
        """Describe what trains."""

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the space has ends that the trainer does not take."""

    def default_setting(self, space: Space) -> Setting:
        """Return the untuned setting."""

    def floor(self, setting: Setting) -> float:
        """Return the learning rate that a schedule never falls below."""

    def guess_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss of a prediction that ignores the input."""

    def naive_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss of the training rows' mean target, or class shares."""

    def initial_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss before training."""
