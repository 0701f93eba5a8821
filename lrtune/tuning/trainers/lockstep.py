"""Train one population per replicate, all in lockstep, epoch by epoch.

Groups of replicates may train in separate processes; `merge` makes one result of theirs.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import Epoch, train
from lrtune.training.population import Population
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.record.schema import DivergedAt
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.objective import Scorers
from lrtune.tuning.trainers.preparation import Prepared
from lrtune.tuning.trainers.protocol import Prune

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LockstepResult:
    """The outcome of K settings on R replicates.

    Attributes
    ----------
    losses : ndarray of shape (R, K, n_epochs)
        Validation loss at the end of each epoch, in the target's unit; NaN if it was not reached.
    epochs : ndarray of shape (R, K)
        Epochs trained; fractional if training stopped within one.
    diverged : dict of int to DivergedAt
        Place of the first divergence, by setting.
    pruned : set of int
        Settings that the pruner halted.
    scores : dict of int to ndarray of shape (R,)
        Accuracy or R² at the last epoch of the settings that trained to the end.
    metrics : dict of int to dict of str to ndarray of shape (R,)
        Scores of the user's scorers for the same settings.
    seconds : float
    """

    losses: Array
    epochs: Array
    diverged: dict[int, DivergedAt]
    pruned: set[int]
    scores: dict[int, Array]
    metrics: dict[int, dict[str, Array]]
    seconds: float


def merge(parts: Sequence[LockstepResult]) -> LockstepResult:
    """Merge the results of disjoint groups of replicates, as if they had run together.

    The groups are in the order of the replicates, and trained the same settings without a pruner.
    """
    losses = np.concatenate([part.losses for part in parts])
    epochs = np.concatenate([part.epochs for part in parts])
    diverged: dict[int, DivergedAt] = {}
    first = 0
    for part in parts:
        for setting, in_part in part.diverged.items():
            at = replace(in_part, replicate=first + in_part.replicate)
            earliest = diverged.setdefault(setting, at)
            if (at.epoch, at.replicate) < (earliest.epoch, earliest.replicate):
                diverged[setting] = at
        first += len(part.losses)
    for setting, at in diverged.items():  # together, all replicates would have stopped there
        for index in range(len(losses)):
            if index != at.replicate - 1:
                n_done = at.epoch if index < at.replicate - 1 else at.epoch - 1
                epochs[index, setting] = min(epochs[index, setting], n_done)
                losses[index, setting, n_done:] = np.nan
    return LockstepResult(
        losses,
        epochs,
        diverged,
        set().union(*(part.pruned for part in parts)),
        _concatenate([part.scores for part in parts], diverged),
        {
            setting: _concatenate([part.metrics[setting] for part in parts], ())
            for setting in parts[0].metrics
            if setting not in diverged
        },
        sum(part.seconds for part in parts),
    )


def _concatenate(parts: Sequence[dict[Any, Array]], without: Container[Any]) -> dict[Any, Array]:
    return {
        key: np.concatenate([part[key] for part in parts])
        for key in parts[0]
        if key not in without and all(key in part for part in parts)
    }


class Lockstep:
    """One population per replicate, all trained in lockstep.

    A setting that diverges on one replicate is dropped from all of them. The settings differ in
    their schedules alone; `indices` are their indices in the call of `prune`.
    """

    def __init__(
        self,
        replicates: Sequence[Prepared],
        settings: Sequence[Setting],
        indices: Sequence[int],
        scorers: Scorers | None,
        prune: Prune | None,
    ) -> None:
        self.replicates = replicates
        self.settings = settings
        self.indices = indices
        self.scorers = scorers
        self.prune = prune
        self.n_epochs: int = replicates[0].model.max_iter
        shape = (len(replicates), len(settings))
        self.losses = np.full((*shape, self.n_epochs), np.nan)
        self.epochs_done = np.zeros(shape)
        self.diverged: dict[int, DivergedAt] = {}
        self.pruned: set[int] = set()

    def run(self) -> LockstepResult:
        started = time.perf_counter()
        self.populations: list[Population] = []
        self.trainings: list[Iterator[Epoch]] = []
        self.steps_per_epoch: list[int] = []
        self.schedules = _schedules(self.replicates[0], self.settings)
        for replicate in self.replicates:
            population, training, steps = _start(replicate, self.schedules)
            self.populations.append(population)
            self.trainings.append(training)
            self.steps_per_epoch.append(steps)
        for epoch in range(self.n_epochs):
            for index in range(len(self.replicates)):
                if len(self.populations[index]):
                    self._advance(index, epoch)
            if self.prune is not None and epoch + 1 < self.n_epochs:
                self._compete(self.prune, epoch)
        scores, metrics = self._scores(), self._metrics()
        return LockstepResult(
            self.losses,
            self.epochs_done,
            self.diverged,
            self.pruned,
            scores,
            metrics,
            time.perf_counter() - started,
        )

    def _scores(self) -> dict[int, Array]:
        """Return the scores ``(R,)`` of the settings that trained to the end on every replicate."""
        survivors = self.populations[0].settings.tolist()
        if not survivors:
            return {}
        scores = [
            replicate.model.score_outputs(
                population.outputs(replicate.validation.X), replicate.validation.y
            )
            for replicate, population in zip(self.replicates, self.populations, strict=True)
        ]
        return dict(zip(survivors, np.transpose(scores), strict=True))

    def _metrics(self) -> dict[int, dict[str, Array]]:
        """Return the scores ``(R,)`` of the user's scorers for the same settings, by name.

        They are those that every replicate has.
        """
        if self.scorers is None:
            return {}
        metrics: dict[int, dict[str, Array]] = {}
        for position, index in enumerate(self.populations[0].settings.tolist()):
            by_replicate = []
            for replicate, population in zip(self.replicates, self.populations, strict=True):
                parameters = population.parameters[position].copy()
                fitted = replicate.fitted(self.settings[index], population.network, parameters)
                by_replicate.append(self.scorers(fitted, *replicate.held_out_rows()))
            metrics[index] = {
                name: np.array([scores[name] for scores in by_replicate])
                for name in by_replicate[0]
                if all(name in scores for scores in by_replicate)
            }
        return metrics

    def _advance(self, index: int, epoch: int) -> None:
        """Train one replicate for one epoch; drop settings that diverge from all replicates."""
        population, replicate = self.populations[index], self.replicates[index]
        ended = next(self.trainings[index], None)
        if ended is not None and ended.validation_loss is not None:
            loss = ended.validation_loss * replicate.model.loss_unit
            self.losses[index, ended.settings, epoch] = loss
            self.epochs_done[index, ended.settings] = epoch + 1
        newly_diverged = [each for each in population.diverged if each not in self.diverged]
        for setting in newly_diverged:
            at = population.diverged[setting]
            loss = float(at.loss) * float(replicate.model.loss_unit)
            finite_loss = loss if np.isfinite(loss) else None
            self.diverged[setting] = DivergedAt(index + 1, epoch + 1, at.step, finite_loss)
            self.epochs_done[index, setting] = at.step / self.steps_per_epoch[index]
        self._drop(newly_diverged)

    def _compete(self, prune: Prune, epoch: int) -> None:
        """Drop the settings that the pruner halts, unless their schedule is not comparable yet."""
        means = self.losses[:, :, epoch].mean(axis=0)
        losers = [
            setting
            for setting in self.populations[0].settings.tolist()
            if prune(self.indices[setting], epoch + 1, float(means[setting]))
            and self.schedules[setting].is_comparable(epoch + 1)
        ]
        self.pruned.update(losers)
        self._drop(losers)

    def _drop(self, settings: list[int]) -> None:
        if settings:
            for population in self.populations:
                population.keep(~np.isin(population.settings, settings))


def _schedules(replicate: Prepared, settings: Sequence[Setting]) -> list[Schedule]:
    model = copy(replicate.model)
    return [model.set_params(**setting.schedule_params).schedule() for setting in settings]


def _start(
    replicate: Prepared, schedules: Sequence[Schedule]
) -> tuple[Population, Iterator[Epoch], int]:
    """Start a training; return the population, the iterator of its epochs, and steps per epoch."""
    streams = RandomStreams(replicate.seed)
    model = replicate.model
    population: Population = model.make_population(replicate.rows, len(schedules), streams.weights)
    rows, watched = replicate.rows, None
    if DECAYS[schedules[0].decay].feedback:  # as in a fit, which does not see the validation rows
        rows, watched = model.hold_out(rows, streams.split_seed)
    training = train(
        population,
        schedules,
        rows,
        epochs=range(model.max_iter),
        rng=streams.rows if model.shuffle else None,
        validation=replicate.validation,
        feedback_rows=watched,
    )
    return population, training, population.steps_per_epoch(len(rows))
