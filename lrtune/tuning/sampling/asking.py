"""Asking: a block of settings as a pure function of the seed and the trials before it.

The first block is quasi-random, the others come from TPE. With confirmation behind it, the sampler
decides little in the median: in studies/results/regret.md random, quasi-random and Gaussian-process
sampling end about as near to the best, random sampling with worse 90th percentiles on two of five
data sets. TPE is the default because it learns where the cliff is (studies/results/divergence.md),
so that fewer trials diverge, and, unlike Optuna's Gaussian process, needs no torch. α₀ and k are
drawn on logarithmic scales; with the number of epochs T held, log k and log(k·T) are the same but
for a constant, so the range of k alone carries T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from lrtune.tuning.record.storage import quiet_optuna
from lrtune.tuning.space import Space

__all__ = [
    "Asker",
    "BLOCK_SIZE",
    "ask_block",
    "keep_notes",
    "make_sampler",
    "telling",
]

BLOCK_SIZE = 16
"""Settings asked for at once."""
TOLD, TOLD_BEST = 128, 48
"""Finished trials that TPE is told of at most, and how many of them are the best ones."""


def make_sampler(seed: int, n_finished: int, worker: int = 0) -> BaseSampler:
    """The sampler of every block but the first: TPE."""
    return TPESampler(
        seed=_block_seed(seed, n_finished, worker),
        n_startup_trials=BLOCK_SIZE,
        multivariate=True,
        constant_liar=True,
    )


def _block_seed(seed: int, n_finished: int, worker: int = 0) -> int:
    own = [worker] if worker else []
    return int(np.random.SeedSequence([n_finished, seed, *own]).generate_state(1)[0])


def telling(finished: Sequence[FrozenTrial], seed: int) -> list[FrozenTrial]:
    """Of many finished trials, so many as TPE needs: the best, and a sample of the others.

    The time that TPE takes grows with the number of trials: 1.4 ms for one to ask after 64, 40 ms
    after 4,080. It models the best (at most 25) beside all others, and of these a sample will do.

    Parameters
    ----------
    finished : sequence of FrozenTrial
    seed : int
        Draws the sample.

    Returns
    -------
    list of FrozenTrial
        In the order in which they were; all of them, if they are no more than `TOLD`.
    """
    if len(finished) <= TOLD:
        return list(finished)

    losses = [
        trial.value if trial.state == TrialState.COMPLETE and trial.value is not None else np.inf
        for trial in finished
    ]
    ranked = sorted(range(len(finished)), key=losses.__getitem__)
    rng = np.random.default_rng(seed)
    sample = rng.choice(ranked[TOLD_BEST:], TOLD - TOLD_BEST, replace=False).tolist()
    return [finished[place] for place in sorted([*ranked[:TOLD_BEST], *sample])]


class _Shared(dict[str, Any]):
    """Distributions, which nobody changes: Optuna's copies of a trial may share them."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


def _gist(trial: FrozenTrial) -> FrozenTrial:
    """What TPE looks at in a finished trial, as Optuna copies whatever it is told of.

    Of the intermediate values that is the last one, in trials that were pruned.
    """
    gist = copy(trial)
    gist.user_attrs = {}
    gist.distributions = _Shared(trial.distributions)
    last = trial.last_step
    gist.intermediate_values = {} if last is None else {last: trial.intermediate_values[last]}
    return gist


def ask_block(
    finished: Sequence[FrozenTrial],
    space: Space,
    seed: int,
    *,
    default: Mapping[str, Any] | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    notes: dict[str, Any] | None = None,
    worker: int = 0,
) -> list[Trial]:
    """The next block of trials, a pure function of its arguments.

    Parameters
    ----------
    finished : sequence of FrozenTrial
        All trials of the blocks before.
    space : Space
    seed : int
        The search's seed.
    default : mapping, optional
        Parameters that the first trial of all tries.
    sampler, pruner : optional
        The user's own; a sampler that keeps a state of its own makes this function less than
        pure (`Asker` makes up for that).
    notes : dict, optional
        What such a sampler noted on the study of the block before; brought up to date.
    worker : int, default=0
        Who asks, if several do at once: each gets a block of its own.

    Returns
    -------
    list of optuna.Trial
        `BLOCK_SIZE` trials of a study in memory, each asked with those before it in mind
        (constant liar).

    Examples
    --------
    >>> space = Space.default(epochs=20, learning_rate_init=(0.01, 10.0))
    >>> first, again = ask_block([], space, seed=0), ask_block([], space, seed=0)
    >>> [trial.params for trial in first] == [trial.params for trial in again]
    True
    """
    with quiet_optuna():
        study = optuna.create_study(
            study_name="lrtune",  # HyperbandPruner draws its brackets by the name
            direction="minimize",
            sampler=sampler or make_sampler(seed, len(finished), worker),
            pruner=pruner or optuna.pruners.NopPruner(),
        )
    notes = {} if notes is None else notes
    for key, value in notes.items():
        study._storage.set_study_system_attr(study._study_id, key, value)
    if sampler is None and pruner is None:
        told = telling(finished, _block_seed(seed, len(finished), worker))
        finished = [_gist(trial) for trial in told]
    study.add_trials(finished)
    if sampler is None and not finished:
        first, *others = space.spread(BLOCK_SIZE, _block_seed(seed, 0, worker))
        known = {} if worker or default is None else default
        for params in ({**first, **known}, *others):
            study.enqueue_trial(params)
    distributions = space.distributions()
    block = [study.ask(fixed_distributions=distributions) for _ in range(BLOCK_SIZE)]
    notes.update(study._storage.get_study_system_attrs(study._study_id))
    return block


class Asker:
    """Asks block after block, of a copy of the user's sampler if there is one.

    Without one, the very first trial is the untuned default, if the space holds it.

    Such a sampler goes through its sequence from block to block. In a study that is gone on with
    it is asked for the earlier blocks first, so that it goes on where it was.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        default: Mapping[str, Any] | None,
        sampler: BaseSampler | None,
        pruner: BasePruner | None,
        worker: int = 0,
    ) -> None:
        self._space, self._seed, self._default = space, seed, default
        self._worker = worker
        self._sampler, self._pruner = deepcopy((sampler, pruner))
        self._notes: dict[str, Any] = {}
        self._asked = 0

    def ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        """The block that follows the finished blocks."""
        if self._sampler is not None:
            for known in range(self._asked, len(finished), BLOCK_SIZE):
                self._ask(finished[:known])
        self._asked = len(finished) + BLOCK_SIZE
        return self._ask(finished)

    def _ask(self, finished: Sequence[FrozenTrial]) -> list[Trial]:
        return ask_block(
            finished,
            self._space,
            self._seed,
            default=self._default,
            sampler=self._sampler,
            pruner=self._pruner,
            notes=self._notes,
            worker=self._worker,
        )


def keep_notes(asked: Sequence[Trial], trials: Sequence[FrozenTrial]) -> None:
    """Keep what a sampler or pruner of the user's noted on the trials, for the blocks to come."""
    known = asked[0].study.get_trials(deepcopy=False)
    for trial, finished in zip(asked, trials, strict=True):
        finished.system_attrs = {**known[trial.number].system_attrs, **finished.system_attrs}
