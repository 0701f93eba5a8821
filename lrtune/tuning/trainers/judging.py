"""Judging settings: train them in lockstep on every replicate and say what came of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs

from lrtune.schedules.decays import DECAYS
from lrtune.support.blas import one_blas_thread
from lrtune.support.processes import in_processes
from lrtune.training.population import population_size
from lrtune.tuning.space import Setting
from lrtune.tuning.trainers.lockstep import DivergedAt, Lockstep, Prune, Scorers, Trained, join
from lrtune.tuning.trainers.network import Prepared

__all__ = ["Outcome", "final_values", "judge"]

Array = npt.NDArray[Any]


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
    # a worker that has replicates of its own trains whole populations, which costs less
    n_parts = math.gcd(n_workers, len(replicates))
    chunks: list[list[int]] = []
    tasks: list[Lockstep] = []
    for (others, _), members in groups.items():
        configured = [replicate.configured(others) for replicate in replicates]
        size = min(_population_size(configured[0]), -(-len(members) * n_parts // n_workers))
        for chunk in _dealt(members, settings, size):
            chunks.append(chunk)
            stack = [settings[index] for index in chunk]
            for part in np.split(np.arange(len(replicates)), n_parts):
                own = [configured[replicate] for replicate in part]
                tasks.append(Lockstep(own, stack, chunk, scorers, prune))
    with one_blas_thread():
        if n_workers > 1 and len(tasks) > 1:
            parts = in_processes(_run, tasks, n_workers)
        else:
            parts = [task.run() for task in tasks]
    outcomes: dict[int, Outcome] = {}
    for number, chunk in enumerate(chunks):
        trained = join(parts[number * n_parts : (number + 1) * n_parts])
        outcomes.update(zip(chunk, _outcomes(trained, settings, chunk), strict=True))
    return [outcomes[index] for index in range(len(settings))]


def _dealt(members: list[int], settings: Sequence[Setting], size: int) -> list[list[int]]:
    """Settings in chunks of at most `size`, dealt out by rate.

    It is the high ones that diverge, and leave their population early.
    """
    n_chunks = -(-len(members) // size)
    by_rate = sorted(members, key=lambda index: settings[index].learning_rate_init)
    return [sorted(by_rate[first::n_chunks]) for first in range(n_chunks)]


def _run(task: Lockstep) -> Trained:
    with one_blas_thread():
        return task.run()


def _outcomes(
    trained: Trained, settings: Sequence[Setting], chunk: Sequence[int]
) -> Iterator[Outcome]:
    for position, index in enumerate(chunk):
        losses = trained.losses[:, position]
        finished = int(np.isfinite(losses).all(axis=0).sum())
        yield Outcome(
            settings[index],
            losses[:, :finished],
            trained.scores.get(position),
            float(trained.epochs[:, position].sum()),
            trained.diverged.get(position),
            position in trained.pruned,
            trained.metrics.get(position, {}),
            trained.seconds / len(chunk),
        )


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
