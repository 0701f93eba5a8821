"""The interface between the search and a trainer: settings and replicate numbers in, outcomes out.

A replicate is a number. The trainer derives everything random from it (split, initial weights,
shuffling), the same for every setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lrtune.tuning.record.schema import DivergedAt, TrainerFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.objective import Objective
from lrtune.tuning.trainers.replicates import Folds
from lrtune.tuning.trainers.scale import LossScale

Array = npt.NDArray[Any]

Prune = Callable[[int, int, float], bool]
"""Function of a setting's index, the epoch (from 1) and the mean loss; true to halt the setting."""
Edges = tuple[tuple[float, ...], ...]
"""Divergence edges by replicate, a row for each combination of the other parameters' ends."""


@dataclass(frozen=True)
class Control:
    """Instructions to a trainer.

    Attributes
    ----------
    metrics : bool
        Whether the outcomes hold the scores of the user's scorers.
    prune : callable or None
        Called for each setting after every epoch.
    best : float or None
        Lowest final loss so far, for trainers that judge divergence by it.
    deadline : float
        Time of ``time.monotonic()`` after which a trainer of long trainings begins none.
    on_training : callable or None
        Called with the seconds of each training that ends, by trainers of long trainings.
    """

    metrics: bool = False
    prune: Prune | None = None
    best: float | None = None
    deadline: float = math.inf
    on_training: Callable[[float], None] | None = None


DEFAULT_CONTROL = Control()


@dataclass(frozen=True)
class Outcome:
    """The outcome of training one setting on R replicates.

    Attributes
    ----------
    setting : Setting
    validation_curves : ndarray of shape (R, E)
        Validation loss of each replicate at the end of each epoch, in the target's unit; E is the
        number of epochs that all replicates finished. If the setting diverged, replicates that were
        not begun are left out.
    scores : ndarray of shape (R,) or None
        Accuracy or R² at the last epoch; None if it did not train to the end, or has no score.
    epochs : float
        Epochs trained, summed over the replicates; fractional if training stopped within one.
    diverged : DivergedAt or None
        Place of the divergence, which stops the setting on every replicate.
    pruned : bool
        True if the pruner halted it.
    failure : str or None
        The error that ended it, of a kind that the user lets pass.
    metrics : dict of str to ndarray of shape (R,)
        Scores of the user's scorers, or further metrics of the user's function, at the last epoch.
    seconds : float
        Wall time of its population, divided by the number of settings, or of its trainings.
    trainings : int
        Trainings begun.
    """

    setting: Setting
    validation_curves: Array
    scores: Array | None
    epochs: float
    diverged: DivergedAt | None = None
    pruned: bool = False
    failure: str | None = None
    metrics: dict[str, Array] = field(default_factory=dict)
    seconds: float = 0.0
    trainings: int = 0

    @property
    def is_complete(self) -> bool:
        """Return whether it trained to the end on every replicate."""
        return self.diverged is None and not self.pruned and self.failure is None

    def values(self, n_replicates: int, metric: str | None = None) -> Array:
        """Return the losses at the last epoch, or minus a metric, of shape (R,).

        They are infinite if the setting diverged or failed, or where the metric is NaN.
        """
        if self.diverged is not None or self.failure is not None:
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
    objective : Objective or None
        That metric, with the name that the user knows it by.
    n_validation : int or None
        Validation rows of a replicate; None if the trainer cannot know them.
    folds : Folds or None
        How the splits of replicates hang together; None if each draws its own, or has none.
    """

    epochs: int
    metric: str | None
    objective: Objective | None
    n_validation: int | None
    folds: Folds | None

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control = DEFAULT_CONTROL,
    ) -> Iterator[list[Outcome]]:
        """Train each setting on each replicate; yield outcomes in the order of the settings.

        Those that end together come together. There are fewer than settings if the deadline passes.
        """

    def facts(self) -> TrainerFacts:
        """Return the facts of what is trained."""

    def hashes(self) -> tuple[str, str]:
        """Return a hash of the data, and one of the search's replicates."""

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the trainer does not accept the ends of the space."""

    def find_rates(
        self, space: Space, replicates: Sequence[int]
    ) -> tuple[tuple[float, float], Edges]:
        """Return a range of α₀ to search, and the divergence edges if they were measured."""

    def default_setting(self, space: Space) -> Setting | None:
        """Return the untuned setting, if there is one."""

    def floor(self, setting: Setting) -> float:
        """Return the learning rate that a schedule never falls below."""

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:
        """Return the mean reference losses of replicates."""

    def dead_loss(self, space: Space) -> float | None:
        """Return the loss of a training that does not learn; None where none is told apart."""


def train_all(
    trainer: Trainer,
    settings: Sequence[Setting],
    replicates: Sequence[int],
    control: Control = DEFAULT_CONTROL,
) -> list[Outcome]:
    """Train, and return the outcomes in the order of the settings."""
    return list(chain.from_iterable(trainer.train(settings, replicates, control)))
