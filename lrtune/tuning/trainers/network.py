"""The trainer of lrtune's networks: many settings at once, in lockstep, on a table's replicates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import is_classifier

from lrtune.schedules.decays import DECAYS
from lrtune.support.blas import one_blas_thread
from lrtune.support.engines import active_cluster
from lrtune.support.processes import in_processes
from lrtune.training.population import population_size
from lrtune.tuning.record.schema import TrainerFacts, encode
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.description import (
    describe_estimator,
    hash_replicates,
    hash_table,
)
from lrtune.tuning.trainers.edges import find_range
from lrtune.tuning.trainers.lockstep import Lockstep, LockstepResult, merge
from lrtune.tuning.trainers.objective import Objective
from lrtune.tuning.trainers.preparation import (
    Prepared,
    check_space,
    default_setting,
    prepare,
    require_network,
)
from lrtune.tuning.trainers.protocol import DEFAULT_CONTROL, Control, Edges, Outcome
from lrtune.tuning.trainers.replicates import (
    Folds,
    Replicate,
    draw_replicates,
    make_replicates,
)
from lrtune.tuning.trainers.scale import LossScale
from lrtune.tuning.trainers.splitting import RowSplit, Task, make_split

Array = npt.NDArray[Any]

START_PAYS = 10.0
"""Seconds of training after which "auto" starts processes: so much would be lost at most by not
starting them at once, and a short search is spared their start."""


class NetworkTrainer:
    """Trains settings of one of lrtune's networks on replicates of a table.

    `replicates` are numbers 0, 1, … and stay prepared; `fresh` returns the replicate of any further
    number, which is prepared when it is needed. `objective` is optimised in place of the validation
    loss. Outcomes do not depend on the number of processes, `n_jobs`.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        replicates: Sequence[Replicate],
        *,
        fresh: Callable[[int], Replicate] | None = None,
        sample_weight: Array | None = None,
        objective: Objective | None = None,
        n_jobs: int | Literal["auto"] | None = None,
    ) -> None:
        self.estimator = estimator
        self.objective = objective
        self._table = (X, y, sample_weight)
        self._replicates = tuple(replicates)
        self._fresh = fresh
        self.folds: Folds | None = None
        self._n_jobs = n_jobs
        self._cluster = active_cluster(None if n_jobs == "auto" else n_jobs)
        self._seconds = 0.0
        self._kept = [self._prepare(replicate) for replicate in self._replicates]
        self._latest: dict[int, Prepared] = {}
        self._before: dict[int, Prepared] = {}
        self.epochs: int = require_network(estimator).max_iter
        self.metric = None if objective is None else objective.metric
        self.n_validation: int | None = len(self._kept[0].validation)

    @classmethod
    def on_random_splits(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        n_replicates: int,
        *,
        seed: int = 0,
        split: RowSplit | None = None,
        objective: Objective | None = None,
        n_jobs: int | Literal["auto"] | None = None,
    ) -> Self:
        """Return a trainer whose replicates split the table at random, stratified for classes.

        `split` is from `make_split`, if they are to split it otherwise.
        """
        task: Task = "classification" if is_classifier(estimator) else "regression"
        split = split or make_split(y, task=task)
        replicates = make_replicates(y, n_replicates, task=task, seed=seed, split=split)

        def fresh(number: int) -> Replicate:
            return next(draw_replicates(y, task=task, seed=seed, first=number, split=split))

        return cls(estimator, X, y, replicates, fresh=fresh, objective=objective, n_jobs=n_jobs)

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control = DEFAULT_CONTROL,
    ) -> Iterator[list[Outcome]]:
        """Train settings on replicates, in populations that fit the cache.

        The replicates advance together, epoch by epoch: a setting that diverges on one is dropped
        from all at once. Settings that differ in more than their schedule train in populations of
        their own. With a pruner, which compares settings as they train, one process does it all.
        """
        prune = control.prune
        prepared = self.prepared(replicates)
        scorers = self.objective.scorers if control.metrics and self.objective is not None else None
        n_workers = 1 if prune is not None else self._n_workers()
        # a process with replicates of its own trains whole populations, which costs less
        n_groups = math.gcd(n_workers, len(prepared))
        populations: list[list[int]] = []
        tasks: list[Lockstep] = []
        for others, members in _alike(settings):
            configured = [replicate.configured(others) for replicate in prepared]
            size = min(_population_size(configured[0]), -(-len(members) * n_groups // n_workers))
            for population in _deal(members, settings, size):
                populations.append(population)
                stack = [settings[index] for index in population]
                for group in np.split(np.arange(len(prepared)), n_groups):
                    own = [configured[index] for index in group]
                    tasks.append(Lockstep(own, stack, population, scorers, prune))
        begun = time.monotonic()
        with one_blas_thread():
            if self._cluster is not None and prune is None:
                results = [each for _, each in self._cluster.in_turn(_run, enumerate(tasks))]
            elif n_workers > 1 and len(tasks) > 1:
                results = in_processes(_run, tasks, n_workers)
            else:
                results = [task.run() for task in tasks]
        self._seconds += time.monotonic() - begun
        outcomes: dict[int, Outcome] = {}
        for number, population in enumerate(populations):
            merged = merge(results[number * n_groups : (number + 1) * n_groups])
            outcomes.update(zip(population, _outcomes(merged, settings, population), strict=True))
        yield [outcomes[index] for index in range(len(settings))]

    def _n_workers(self) -> int:
        """Return the number of workers; "auto" is one for each core once it trained a while."""
        if self._cluster is not None:
            return self._cluster.n_workers
        if self._n_jobs == "auto":
            return 1 if self._seconds < START_PAYS else int(effective_n_jobs(-1))
        return int(effective_n_jobs(self._n_jobs))

    def prepared(self, numbers: Sequence[int]) -> list[Prepared]:
        """Return prepared replicates; fresh ones are kept until two further calls need others."""
        latest = {}
        ready = {**self._before, **self._latest}
        for number in numbers:
            if number >= len(self._kept):
                latest[number] = ready.get(number) or self._prepare_fresh(number)
        if latest and latest.keys() != self._latest.keys():
            self._before, self._latest = self._latest, latest
        return [self._kept[n] if n < len(self._kept) else latest[n] for n in numbers]

    def _prepare_fresh(self, number: int) -> Prepared:
        assert self._fresh is not None  # noqa: S101
        return self._prepare(self._fresh(number))

    def _prepare(self, replicate: Replicate) -> Prepared:
        X, y, sample_weight = self._table
        return prepare(self.estimator, X, y, replicate, sample_weight)

    # --- facts ------------------------------------------------------------------------------------

    def facts(self) -> TrainerFacts:
        """Return the facts of the network, with the rate it trains at, and of the steps before."""
        network = require_network(self.estimator)
        facts = describe_estimator(self.estimator, loss=network._loss, epochs=network.max_iter)
        rate = {"learning_rate_init": encode(network.initial_rate())}
        weighted = self._table[2] is not None
        return replace(facts, parameters={**facts.parameters, **rate}, weighted=weighted)

    def hashes(self) -> tuple[str, str]:
        """Return a hash of the table, and one of the search's replicates."""
        return hash_table(*self._table), hash_replicates(self._replicates)

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the network does not accept the ends of the space."""
        check_space(self._kept[0], space)

    def default_setting(self, space: Space) -> Setting:
        """Return the setting that the estimator has before it is tuned."""
        return default_setting(self.estimator, space)

    def floor(self, setting: Setting) -> float:
        """Return the learning rate that a schedule never falls below."""
        return float(self._kept[0].configured(setting.others).model.min_learning_rate)

    def find_rates(
        self, space: Space, replicates: Sequence[int]
    ) -> tuple[tuple[float, float], Edges]:
        """Return the range of α₀ around the divergence edges, and the edges."""
        return find_range(self.prepared(replicates), space)

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:  # noqa: ARG002
        """Return the mean losses of the untrained network and of guessing."""
        prepared = self.prepared(replicates)
        initial, guess, naive = (
            float(np.mean([getattr(each, name) for each in prepared]))
            for name in ("initial_loss", "guess_loss", "naive_loss")
        )
        return LossScale(initial, cap=2 * guess, naive=naive)

    def dead_loss(self, space: Space) -> None:
        """Return None: the trials of a network are ranked by their loss alone."""


def _alike(
    settings: Sequence[Setting],
) -> Iterator[tuple[tuple[tuple[str, Any], ...], list[int]]]:
    """Yield further parameters, and the indices of the settings that share them and their rows."""
    groups: dict[tuple[tuple[tuple[str, Any], ...], bool], list[int]] = {}
    for index, setting in enumerate(settings):
        has_feedback = DECAYS[setting.decay].feedback  # such settings train on fewer rows
        groups.setdefault((setting.others, has_feedback), []).append(index)
    for (others, _), members in groups.items():
        yield others, members


def _deal(members: list[int], settings: Sequence[Setting], size: int) -> list[list[int]]:
    """Deal settings out by rate to populations of at most `size`.

    High rates diverge and leave early, so each population gets its share of them.
    """
    n_populations = -(-len(members) // size)
    by_rate = sorted(members, key=lambda index: settings[index].learning_rate_init)
    return [sorted(by_rate[first::n_populations]) for first in range(n_populations)]


def _run(task: Lockstep) -> LockstepResult:
    with one_blas_thread():
        return task.run()


def _outcomes(
    result: LockstepResult, settings: Sequence[Setting], population: Sequence[int]
) -> Iterator[Outcome]:
    for position, index in enumerate(population):
        losses = result.losses[:, position]
        n_finished = int(np.isfinite(losses).all(axis=0).sum())
        yield Outcome(
            settings[index],
            losses[:, :n_finished],
            result.scores.get(position),
            epochs=float(result.epochs[:, position].sum()),
            trainings=len(losses),
            diverged=result.diverged.get(position),
            pruned=position in result.pruned,
            metrics=result.metrics.get(position, {}),
            seconds=result.seconds / len(population),
        )


def _population_size(prepared: Prepared) -> int:
    network = prepared.model.make_population(prepared.rows, 1, np.random.default_rng(0)).network
    batch_size = min(prepared.model.batch_size, len(prepared.rows))
    return population_size(network, batch_size, prepared.rows.X.dtype)
