"""Ask for blocks of settings: each a pure function of the seed and of the trials before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from lrtune.tuning.record.storage import quiet_optuna
from lrtune.tuning.sampling.loss_model import best_and_sample
from lrtune.tuning.sampling.schedule_sampler import REPLICATES, ScheduleSampler
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space

BLOCK_SIZE = 8
"""Settings per block."""
HISTORY = 512
"""Limit on the finished trials that the sampler gets: the best half, and a random sample."""


@dataclass(frozen=True)
class Sampling:
    """Options of the sampling.

    Attributes
    ----------
    seed : int
        Seed of lrtune's own sampler.
    sampler, pruner : optional
        The user's; by default `ScheduleSampler` and no competitive pruning.
    worker : int
        Worker id; 0 is the main process.
    """

    seed: int = 0
    sampler: BaseSampler | None = None
    pruner: BasePruner | None = None
    worker: int = 0


def _block_seed(seed: int, n_finished: int, worker: int = 0) -> int:
    workers = [worker] if worker else []
    return int(np.random.SeedSequence([n_finished, seed, *workers]).generate_state(1)[0])


def _subsample(finished: Sequence[FrozenTrial], seed: int) -> list[FrozenTrial]:
    """Return the trials, or of many the best half and a random sample, in their order."""
    losses = [
        trial.value if trial.state == TrialState.COMPLETE and trial.value is not None else np.inf
        for trial in finished
    ]
    return [finished[index] for index in best_and_sample(losses, HISTORY, seed)]


def _slim(trial: FrozenTrial) -> FrozenTrial:
    """Return a finished trial with what `ScheduleSampler` reads, as Optuna copies each deeply."""
    slim = copy(trial)
    slim.user_attrs = {REPLICATES: trial.user_attrs.get(REPLICATES, ())}
    slim.distributions = _Shared(trial.distributions)
    return slim


class _Shared(dict[str, Any]):
    """Distributions that Optuna's deep copies of a trial share, as nothing changes them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


def ask_block(
    finished: Sequence[FrozenTrial],
    space: Space,
    sampling: Sampling,
    *,
    epochs: float,
    default: Mapping[str, Any] | None = None,
    notes: dict[str, Any] | None = None,
) -> list[Trial]:
    """Return the next block of `BLOCK_SIZE` trials, a pure function of the arguments.

    `finished` are the trials of all earlier blocks; `default` are the parameters of the very first
    trial. `notes` are the study's system attributes, where the user's sampler or pruner may keep
    its state from block to block; they are updated. (`Asker` handles samplers that keep their state
    in themselves.)

    Examples
    --------
    >>> space = Space.default(epochs=20, learning_rate_init=(0.01, 10.0))
    >>> first, again = (ask_block([], space, Sampling(), epochs=20) for _ in range(2))
    >>> [trial.params for trial in first] == [trial.params for trial in again]
    True
    """
    seed, worker = sampling.seed, sampling.worker
    with quiet_optuna():
        study = optuna.create_study(
            study_name="lrtune",  # HyperbandPruner assigns its brackets by the name
            direction="minimize",
            sampler=sampling.sampler
            or ScheduleSampler(epochs=epochs, seed=_block_seed(seed, len(finished), worker)),
            pruner=sampling.pruner or optuna.pruners.NopPruner(),
        )
    notes = {} if notes is None else notes
    for key, value in notes.items():
        study._storage.set_study_system_attr(study._study_id, key, value)
    if sampling.sampler is None and sampling.pruner is None:
        history = _subsample(finished, _block_seed(seed, len(finished), worker))
        finished = [_slim(trial) for trial in history]
    study.add_trials(finished)
    if sampling.sampler is None and not finished:
        first, *others = space.spread(BLOCK_SIZE, _block_seed(seed, 0, worker))
        untuned = {} if worker or default is None else default
        for params in ({**first, **untuned}, *others):
            study.enqueue_trial(params)
    distributions = space.distributions()
    block = [study.ask(fixed_distributions=distributions) for _ in range(BLOCK_SIZE)]
    notes.update(study._storage.get_study_system_attrs(study._study_id))
    return block


class Asker:
    """Asks for block after block, from a copy of the user's sampler if there is one.

    The very first trial is the untuned default, if the space holds it and the sampler is lrtune's.
    A user's sampler may keep a state, so in a resumed study it is first asked for the earlier
    blocks again.
    """

    def __init__(
        self, space: Space, sampling: Sampling, default: Setting | None, epochs: float
    ) -> None:
        self._space, self._epochs = space, epochs
        self._default = None if default is None else space.params(default)
        sampler, pruner = deepcopy((sampling.sampler, sampling.pruner))
        self._sampling = replace(sampling, sampler=sampler, pruner=pruner)
        self._notes: dict[str, Any] = {}
        self._n_asked = 0

    def ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        """Return the block that follows the finished blocks."""
        if self._sampling.sampler is not None:
            for n_before in range(self._n_asked, len(finished), BLOCK_SIZE):
                self._ask(finished[:n_before])
        self._n_asked = len(finished) + BLOCK_SIZE
        return self._ask(finished)

    def _ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        return ask_block(
            finished,
            self._space,
            self._sampling,
            epochs=self._epochs,
            default=self._default,
            notes=self._notes,
        )


def keep_notes(block: Sequence[Trial], trials: Sequence[FrozenTrial]) -> None:
    """Copy system attributes, set by the user's sampler or pruner, to the finished trials."""
    working = block[0].study.get_trials(deepcopy=False)
    for trial, finished in zip(block, trials, strict=True):
        finished.system_attrs = {**working[trial.number].system_attrs, **finished.system_attrs}
