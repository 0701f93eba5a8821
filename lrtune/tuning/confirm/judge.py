"""Trains the settings of a confirmation, and keeps account of the trainings."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from lrtune.schedules.decays import DECAYS
from lrtune.support.blas import one_blas_thread
from lrtune.tuning.confirm.budget import ConfirmationBudget
from lrtune.tuning.confirm.errors import Sample
from lrtune.tuning.confirm.result import Contender
from lrtune.tuning.record.trials import best_loss, last_loss
from lrtune.tuning.sampling.curve_features import Encoder, is_flat
from lrtune.tuning.sampling.loss_model import LossModel, Observation
from lrtune.tuning.sampling.schedule_sampler import mean_of_last, observe
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Outcome, Trainer, train_all
from lrtune.tuning.trainers.scale import is_dead

Array = npt.NDArray[Any]

LEAST_MEASURED = 2
"""Replicates on which a winner is measured first, as another one takes its place if it diverges or
dies, and for which a race that has to start again leaves trainings."""
APART = 0.2
"""Settings whose features all differ by less train alike."""
RATES_ABOVE = np.logspace(0, 1, 21)
"""Multiples of the recommended rate at which settings that diverged are looked for."""
TOO_LATE = "the time limit left too little time"
"""Why there is no confirmation, or no more of it."""


class UnconfirmedError(Exception):
    """Raised where the time limit or the number of trainings ends a confirmation."""


class Judge:
    """Trains settings, and counts trainings and epochs."""

    def __init__(
        self,
        trainer: Trainer,
        space: Space,
        trials: Sequence[FrozenTrial],
        budget: ConfirmationBudget,
        control: Control,
        *,
        simplify: bool,
    ) -> None:
        self.trainer = trainer
        self.space = space
        self.limit = budget.limit
        self.clock = budget.clock
        self.simplify = simplify
        self.epochs = 0.0
        self.trainings = 0
        self.encoder = Encoder(space.distributions(), trainer.epochs)
        self._observations = observe(trials)
        self._losses = [each.value for each in self._observations]
        if trainer.metric is not None:  # what is observed is minus the metric
            self._losses = [last_loss(trial) for trial in trials if observe([trial])]
        self._best = best_loss(trials)
        self._control = replace(control, best=self._best)

    @property
    def ideal(self) -> float | None:
        """Return minus the best possible value of the metric, if it has one."""
        objective = self.trainer.objective
        return None if objective is None or objective.best is None else -objective.best

    def model(self) -> LossModel:
        """Return the model of all losses so far: those of the search, and of the race."""
        with one_blas_thread():
            return LossModel.fit(self.encoder, self._observations)

    def outcomes(self, settings: Sequence[Setting], replicates: Sequence[int]) -> list[Outcome]:
        if self.trainings + len(settings) * len(replicates) > self.limit:
            raise UnconfirmedError("the trainings were used up")
        if not self.clock.allows(len(settings) * len(replicates)):
            raise UnconfirmedError(TOO_LATE)
        begun = time.monotonic()
        control = replace(self._control, metrics=True)
        outcomes = train_all(self.trainer, settings, replicates, control)
        epochs = sum(outcome.epochs for outcome in outcomes)
        self.epochs += epochs
        self.clock.count(epochs / self.trainer.epochs, time.monotonic() - begun)
        self.trainings += sum(outcome.trainings for outcome in outcomes)
        if len(outcomes) < len(settings):
            raise UnconfirmedError("the time limit passed")
        return outcomes

    def parts(self, replicates: list[int]) -> Iterator[list[int]]:
        """Yield the first replicates of a measurement, then the rest: if time is limited, in parts.

        So those that ended in time count.
        """
        rest = len(replicates) if math.isinf(self.clock.deadline) else LEAST_MEASURED
        start, end = 0, LEAST_MEASURED
        while start < len(replicates):
            yield replicates[start:end]
            start, end = end, end + rest

    def leaves_too_few(self, trainings: int) -> bool:
        """Return whether so many trainings would leave too few to measure a setting."""
        n_measured = 2 if self.trainer.default_setting(self.space) is not None else 1
        trainings += LEAST_MEASURED * n_measured
        return self.trainings + trainings > self.limit or not self.clock.allows(trainings)

    def race(
        self, racers: Sequence[Racer], replicates: Sequence[int]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return losses, or minus the metric, of shape (K, n), and a mask of those that died.

        They are inf where a setting diverged. The model is told of them.
        """
        settings = [racer.setting for racer in racers]
        outcomes = self.outcomes(settings, replicates)
        metric = self.trainer.metric
        n = len(replicates)
        values = np.array([outcome.values(n, metric) for outcome in outcomes])
        losses = np.array([outcome.values(n) for outcome in outcomes])
        for racer, outcome, row, ended in zip(racers, outcomes, values, losses, strict=True):
            is_curve = metric is None and outcome.is_complete
            read = mean_of_last(outcome.validation_curves) if is_curve else row
            for number, value in zip(replicates, read.tolist(), strict=True):
                self._observations.append(Observation(racer.params, value, (number,)))
            self._losses += (read if metric is None else ended).tolist()
        return values, self.died(losses)

    def ceiling(self, params: Mapping[str, Any]) -> float:
        """Return the rate from which on a setting like this one diverged or died; inf if none."""
        values = np.array([each.value for each in self._observations])
        failed = ~np.isfinite(values) | self.died(np.array(self._losses))
        if not failed.any():
            return math.inf
        rates = params["learning_rate_init"] * RATES_ABOVE
        settings = [{**params, "learning_rate_init": rate} for rate in rates.tolist()]
        points = self.encoder.features(settings).points[:, np.newaxis]
        others = [self._observations[index].params for index in np.flatnonzero(failed)]
        is_near = np.abs(points - self.encoder.features(others).points).max(axis=2) <= APART
        reached = is_near.any(axis=1)
        return float(rates[reached.argmax()]) if reached.any() else math.inf

    def died(self, losses: Array) -> npt.NDArray[np.bool_]:
        """Return a mask of the losses of trainings that did not learn, while others do."""
        return is_dead(losses, self.trainer.dead_loss(self.space), self._best)


@dataclass
class Racer:
    """A setting of the search that races, with its losses there."""

    trial: int
    params: dict[str, Any]
    setting: Setting
    search_loss: float
    status: str = "contending"
    losses: list[float] = field(default_factory=list)
    replicates: list[int] = field(default_factory=list)

    @property
    def raced(self) -> Sample:
        """Return its losses in the race."""
        return Sample(np.array(self.losses), self.replicates)

    @property
    def loss_on(self) -> dict[int, float]:
        """Return its losses in the race by replicate."""
        return dict(zip(self.replicates, self.losses, strict=True))

    @property
    def rate(self) -> float:
        return self.setting.learning_rate_init

    def simplify(self, encoder: Encoder, space: Space) -> None:
        """Make the setting constant, at its mean rate, if it is that in all but name."""
        curve = encoder.curve(self.params)
        follows_losses = DECAYS[self.setting.decay].feedback
        if is_flat(curve) and "constant" in encoder.decays and not follows_losses:
            rate = max(float(curve.mean()), space.rates[0])
            self.setting = replace(self.setting, learning_rate_init=rate, decay="constant")
            self.params = {**self.params, "learning_rate_init": rate, "decay": "constant"}

    @classmethod
    def of(cls, trial: FrozenTrial, space: Space) -> Self:
        value: float = trial.value  # type: ignore[assignment]
        return cls(trial.number, trial.params, space.setting(trial.params), float(value))

    def result(self) -> Contender:
        has_loss = self.losses and self.status != "diverged"
        loss = float(np.mean(self.losses)) if has_loss else None
        n = len(self.losses)
        return Contender(self.trial, self.setting, self.search_loss, loss, n, self.status)
