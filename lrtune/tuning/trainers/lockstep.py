"""Settings trained on several replicates that advance together, epoch by epoch.

What they give is put together from groups of replicates as well, so that these may train in
processes of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import Epoch, train
from lrtune.training.population import Population
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.space import Setting
from lrtune.tuning.trainers.network import Prepared

__all__ = ["DivergedAt", "Lockstep", "Trained", "join"]

Array = npt.NDArray[Any]

Scorers = Callable[[Any, Any, Any], Mapping[str, float]]
"""Called with a fitted estimator, X and y."""
Prune = Callable[[int, int, float], bool]
"""Called with a setting's index, the epoch (from 1) and its mean loss; whether to halt it."""


@dataclass(frozen=True)
class DivergedAt:
    """Where a trial diverged: replicate and epoch counted from 1, updates made before in all."""

    replicate: int
    epoch: int
    step: int
    loss: float | None
    """Of the batch there, in the target's own unit; None if it was not finite."""


@dataclass(frozen=True)
class Trained:
    """What came of K settings on R replicates.

    Attributes
    ----------
    losses : ndarray of shape (R, K, n_epochs)
        Validation loss at the end of each epoch, in the target's own unit; NaN where none was
        reached.
    epochs : ndarray of shape (R, K)
        Epochs trained; fractional where one was broken off.
    diverged : dict of int to DivergedAt
        By setting, where it diverged first.
    pruned : set of int
        The settings that competition halted.
    scores : dict of int to ndarray of shape (R,)
        Accuracy or R² at the last epoch, of the settings that trained to the end.
    metrics : dict of int to dict of str to ndarray of shape (R,)
        What the user's scorers said of them.
    seconds : float
        Time taken.
    """

    losses: Array
    epochs: Array
    diverged: dict[int, DivergedAt]
    pruned: set[int]
    scores: dict[int, Array]
    metrics: dict[int, dict[str, Array]]
    seconds: float


def join(parts: Sequence[Trained]) -> Trained:
    """What all replicates together would have given, from what groups of them gave apart.

    Parameters
    ----------
    parts : sequence of Trained
        Of the same settings, without pruning; in the order of the replicates.
    """
    losses = np.concatenate([part.losses for part in parts])
    epochs = np.concatenate([part.epochs for part in parts])
    diverged: dict[int, DivergedAt] = {}
    first = 0
    for part in parts:
        for setting, found in part.diverged.items():
            at = replace(found, replicate=first + found.replicate)
            known = diverged.setdefault(setting, at)
            if (at.epoch, at.replicate) < (known.epoch, known.replicate):
                diverged[setting] = at
        first += len(part.losses)
    for setting, at in diverged.items():  # which stops the other replicates
        for index in range(len(losses)):
            if index != at.replicate - 1:
                done = at.epoch if index < at.replicate - 1 else at.epoch - 1
                epochs[index, setting] = min(epochs[index, setting], done)
                losses[index, setting, done:] = np.nan
    return Trained(
        losses,
        epochs,
        diverged,
        set().union(*(part.pruned for part in parts)),
        _side_by_side([part.scores for part in parts], diverged),
        {
            setting: _side_by_side([part.metrics[setting] for part in parts], ())
            for setting in parts[0].metrics
            if setting not in diverged
        },
        sum(part.seconds for part in parts),
    )


def _side_by_side(parts: Sequence[dict[Any, Array]], without: Container[Any]) -> dict[Any, Array]:
    return {
        key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key not in without
    }


class Lockstep:
    """One population per replicate, advancing together.

    A setting that diverges on one replicate is dropped from all at once.

    Parameters
    ----------
    replicates : sequence of Prepared
    settings : sequence of Setting
        Alike in all but their schedules.
    indices : sequence of int
        What `prune` calls them.
    scorers, prune : callable or None
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

    def run(self) -> Trained:
        """Train to the end."""
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
        return Trained(
            self.losses,
            self.epochs_done,
            self.diverged,
            self.pruned,
            scores,
            metrics,
            time.perf_counter() - started,
        )

    def _scores(self) -> dict[int, Array]:
        """Scores ``(R,)`` of the settings that trained to the end on every replicate."""
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
        """What the user's scorers say of these settings, by metric, ``(R,)``."""
        if self.scorers is None:
            return {}
        found: dict[int, dict[str, Array]] = {}
        for position, index in enumerate(self.populations[0].settings.tolist()):
            told = []
            for replicate, population in zip(self.replicates, self.populations, strict=True):
                parameters = population.parameters[position].copy()
                fitted = replicate.fitted(self.settings[index], population.network, parameters)
                told.append(self.scorers(fitted, *replicate.held_out_rows()))
            found[index] = {name: np.array([scores[name] for scores in told]) for name in told[0]}
        return found

    def _advance(self, index: int, epoch: int) -> None:
        """Train one replicate for one epoch; drop what diverged there from all replicates."""
        population, replicate = self.populations[index], self.replicates[index]
        trained = next(self.trainings[index], None)
        if trained is not None and trained.validation_loss is not None:
            loss = trained.validation_loss * replicate.model.loss_unit
            self.losses[index, trained.settings, epoch] = loss
            self.epochs_done[index, trained.settings] = epoch + 1
        gone = [setting for setting in population.diverged if setting not in self.diverged]
        for setting in gone:
            at = population.diverged[setting]
            there = at.loss * replicate.model.loss_unit
            loss_there = there if np.isfinite(there) else None
            self.diverged[setting] = DivergedAt(index + 1, epoch + 1, at.step, loss_there)
            self.epochs_done[index, setting] = at.step / self.steps_per_epoch[index]
        self._drop(gone)

    def _compete(self, prune: Prune, epoch: int) -> None:
        """Drop the settings that the pruner wants halted, where their schedules let it judge."""
        means = self.losses[:, :, epoch].mean(axis=0)
        gone = [
            setting
            for setting in self.populations[0].settings.tolist()
            if prune(self.indices[setting], epoch + 1, float(means[setting]))
            and self.schedules[setting].is_comparable(epoch + 1)
        ]
        self.pruned.update(gone)
        self._drop(gone)

    def _drop(self, settings: list[int]) -> None:
        if settings:
            for population in self.populations:
                population.keep(~np.isin(population.settings, settings))


def _schedules(replicate: Prepared, settings: Sequence[Setting]) -> list[Schedule]:
    untuned = replicate.model.schedule()
    return [replace(untuned, **setting.own_params) for setting in settings]


def _start(
    replicate: Prepared, schedules: Sequence[Schedule]
) -> tuple[Population, Iterator[Epoch], int]:
    """A population, its training, and the steps of its epochs."""
    streams = RandomStreams(replicate.seed)
    model = replicate.model
    population: Population = model.make_population(replicate.rows, len(schedules), streams.weights)
    rows, watched = replicate.rows, None
    if DECAYS[schedules[0].decay].feedback:  # as in a fit, where the validation rows are unknown
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
