"""The interface between the search and a trainer: settings and replicate numbers in, outcomes out.

A replicate is a number. The trainer derives everything random from it (split, initial weights,
shuffling), the same for every setting.
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

Array = npt.NDArray[Any]

Prune = Callable[[int, int, float], bool]
"""Function of a setting's index, the epoch (from 1) and the mean loss; true to halt the setting."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of training one setting on R replicates.

    Attributes
    ----------
    setting : Setting
    validation_curves : ndarray of shape (R, E)
        Validation loss of each replicate at the end of each epoch, in the target's unit; E is the
        number of epochs that all replicates finished.
    scores : ndarray of shape (R,) or None
        Accuracy or R² at the last epoch; None if it did not train to the end.
    epochs : float
        Epochs trained, summed over the replicates; fractional if training stopped within one.
    diverged : DivergedAt or None
        Place of the divergence, which stops the setting on every replicate.
    pruned : bool
        True if the pruner halted it.
    metrics : dict of str to ndarray of shape (R,)
        Scores of the user's scorers at the last epoch.
    seconds : float
        Wall time of its population, divided by the number of settings.
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
        """Return the losses at the last epoch, or minus a metric, of shape (R,).

        They are infinite if the setting diverged, or where the metric is NaN.
        """
        if self.diverged is not None:
            return np.full(n_replicates, np.inf)
        values = self.validation_curves[:, -1] if metric is None else -self.metrics[metric]
        return np.where(np.isnan(values), np.inf, values)


class Trainer(Protocol):
    """The interface that the search, the race and the audit use.

    Attributes
    ----------
    epochs : int
        Epochs of a training.
    metric : str or None
        Name of the user's metric that is optimised in place of the loss.
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
        """Train each setting on each replicate; return outcomes in the order of the settings.

        `prune` is called for each setting after every epoch. With `metrics`, the outcomes hold the
        scores of the user's scorers.
        """

    def facts(self) -> TrainerFacts:
        """Return the facts of the estimator that is trained."""

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the trainer does not accept the ends of the space."""

    def default_setting(self, space: Space) -> Setting:
        """Return the untuned setting."""

    def floor(self, setting: Setting) -> float:
        """Return the learning rate that a schedule never falls below."""

    def guess_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss of guessing: equal class shares, or the validation mean."""

    def naive_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss of the training rows' mean target, or class shares."""

    def initial_loss(self, replicates: Sequence[int]) -> float:
        """Return the mean loss before training."""
