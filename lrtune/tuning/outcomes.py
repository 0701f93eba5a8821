"""Judging settings: train them in lockstep on every replicate and say what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed, effective_n_jobs

from lrtune.base import RandomStreams, one_blas_thread
from lrtune.training.lockstep import Epoch, train
from lrtune.training.population import Population, population_size
from lrtune.training.schedules import DECAYS, Schedule
from lrtune.tuning.preparation import Prepared
from lrtune.tuning.space import Setting

__all__ = ["DivergedAt", "Outcome", "final_values", "judge"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DivergedAt:
    """Where a trial diverged: replicate and epoch counted from 1, updates made before in all."""

    replicate: int
    epoch: int
    step: int
    loss: float | None
    """The loss there; None if it was not finite."""


@dataclass(frozen=True)
class Outcome:
    """What came of one setting.

    Attributes
    ----------
    setting : Setting
    validation_curves : ndarray of shape (R, E)
        Validation loss of each replicate at the end of each epoch, in the target's own unit; E
        is the number of epochs that all replicates finished.
    scores : ndarray of shape (R,) or None
        Accuracy or R² at the last epoch; None if the trial did not come so far.
    epochs : float
        Epochs trained, over all replicates; fractional where one was broken off.
    diverged : DivergedAt or None
        Where it diverged, if it did. It was then stopped on every replicate.
    pruned : bool
        Whether it was halted by competition.
    metrics : dict of str to ndarray of shape (R,)
        What the user's scorers said of it at the last epoch.
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


Scorers = Callable[[Any, Any, Any], Mapping[str, float]]
"""Called with a fitted estimator, X and y."""
Prune = Callable[[int, int, float], bool]
"""Called with a setting's index, the epoch (from 1) and its mean loss; whether to halt it."""


def judge(
    replicates: Sequence[Prepared],
    settings: Sequence[Setting],
    *,
    scorers: Scorers | None = None,
    prune: Prune | None = None,
    n_jobs: int | None = None,
) -> list[Outcome]:
    """Train settings on every replicate, in populations that fit the cache.

    The replicates advance together, epoch by epoch: a setting that diverges on one is dropped
    from all at once. Settings that differ in more than their schedule train in populations of
    their own. Outcomes depend neither on how the settings are cut into populations nor on
    `n_jobs`.

    Parameters
    ----------
    replicates : sequence of Prepared
    settings : sequence of Setting
    scorers : callable, optional
        Asked about every setting that trained to the end, on each replicate's validation rows.
    prune : callable, optional
        Asked about every setting after each epoch.
    n_jobs : int, optional
        Processes; with `prune`, which compares trials as they train, one.

    Returns
    -------
    list of Outcome
        In the order of `settings`.
    """
    groups: dict[tuple[tuple[tuple[str, Any], ...], bool], list[int]] = {}
    for index, setting in enumerate(settings):
        watches = DECAYS[setting.decay].feedback  # and so trains on fewer rows
        groups.setdefault((setting.others, watches), []).append(index)
    n_workers = 1 if prune is not None else effective_n_jobs(n_jobs)
    tasks: list[tuple[list[int], _Lockstep]] = []
    for (others, _), members in groups.items():
        configured = [replicate.configured(others) for replicate in replicates]
        size = min(_population_size(configured[0]), -(-len(members) // n_workers))
        for start in range(0, len(members), size):
            chunk = members[start : start + size]
            stack = [settings[index] for index in chunk]
            tasks.append((chunk, _Lockstep(configured, stack, chunk, scorers, prune)))
    with one_blas_thread():
        if n_workers > 1 and len(tasks) > 1:
            results = Parallel(n_jobs=n_workers)(delayed(_run)(task) for _, task in tasks)
        else:
            results = [_run(task) for _, task in tasks]
    outcomes = {
        index: outcome
        for (chunk, _), result in zip(tasks, results, strict=True)
        for index, outcome in zip(chunk, result, strict=True)
    }
    return [outcomes[index] for index in range(len(settings))]


def final_values(outcome: Outcome, n_replicates: int, metric: str | None = None) -> Array:
    """What counts of one setting, ``(R,)``: losses at the last epoch, or minus a metric.

    Infinite where the setting diverged, or where the metric has no number.
    """
    if outcome.diverged is not None:
        return np.full(n_replicates, np.inf)
    values = outcome.validation_curves[:, -1] if metric is None else -outcome.metrics[metric]
    return np.where(np.isnan(values), np.inf, values)


def _population_size(prepared: Prepared) -> int:
    network = prepared.model.make_population(prepared.rows, 1, np.random.default_rng(0)).network
    batch_size = min(prepared.model.batch_size, len(prepared.rows))
    return population_size(network, batch_size, prepared.rows.X.dtype)


def _run(task: _Lockstep) -> list[Outcome]:
    with one_blas_thread():
        return task.run()


class _Lockstep:
    """One population per replicate, advancing together."""

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

    def run(self) -> list[Outcome]:
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
        seconds = (time.perf_counter() - started) / len(self.settings)
        return [
            self._outcome(index, scores.get(index), metrics.get(index, {}), seconds)
            for index in range(len(self.settings))
        ]

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
            loss_there = at.loss if np.isfinite(at.loss) else None
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

    def _outcome(
        self, index: int, scores: Array | None, metrics: dict[str, Array], seconds: float
    ) -> Outcome:
        finished = int(np.isfinite(self.losses[:, index]).all(axis=0).sum())
        return Outcome(
            self.settings[index],
            self.losses[:, index, :finished],
            scores,
            float(self.epochs_done[:, index].sum()),
            self.diverged.get(index),
            index in self.pruned,
            metrics,
            seconds,
        )


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
        epochs=model.max_iter,
        rng=streams.rows,
        validation=replicate.validation,
        shuffle=model.shuffle,
        watched=watched,
    )
    return population, training, population.steps_per_epoch(len(rows))
