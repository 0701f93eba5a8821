"""The loop of a search: ask a block of settings → train it → record it, until the budget is spent.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed study goes on as an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from lrtune.exceptions import RecordLostError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Asker, keep_notes
from lrtune.tuning.space import Setting, Space
from lrtune.tuning.trainers.judging import judge
from lrtune.tuning.trainers.network import Prepared
from lrtune.tuning.trainers.scoring import Objective

__all__ = ["Exploration", "explore"]


@dataclass(frozen=True)
class Exploration:
    """What a search explores, and by which means.

    Attributes
    ----------
    prepared : sequence of Prepared
        What each setting is judged on.
    space : Space
    default : Setting
        The untuned one, tried first if the space holds it.
    seed : int
        Of the sampler.
    objective : Objective or None
        What is optimised, by default the validation loss.
    sampler, pruner : optional
        The user's own.
    n_jobs : int or None
    record : Record or None
        Where finished trials are pushed.
    worker : int
        Who explores: 0 for the search itself, another number for each that helps it.
    """

    prepared: Sequence[Prepared]
    space: Space
    default: Setting
    seed: int
    objective: Objective | None
    sampler: BaseSampler | None
    pruner: BasePruner | None
    n_jobs: int | None
    record: Record | None
    worker: int = 0


def explore(
    exploration: Exploration,
    finished: list[FrozenTrial],
    *,
    n_trials: int,
    deadline: float,
    on_block: Callable[[], None],
) -> RecordLostError | None:
    """Add trials to those finished, until there are so many.

    Trials that workers record meanwhile are taken in before each block. If the record is lost, the
    search itself goes on without it; a worker ends.

    Parameters
    ----------
    exploration : Exploration
    finished : list of FrozenTrial
        Trials of the study so far; grows.
    n_trials : int
    deadline : float
        By ``time.monotonic()``; no further block is begun after it.
    on_block : callable
        Called after each block.

    Returns
    -------
    RecordLostError or None
        Why trials are missing from the record, if some are.

    Raises
    ------
    RecordLostError
        If a worker loses the record.
    """
    asker = Asker(
        exploration.space,
        exploration.seed,
        exploration.space.drawn(exploration.default),
        exploration.sampler,
        exploration.pruner,
        exploration.worker,
    )
    notes = exploration.sampler is not None or exploration.pruner is not None
    lost = None
    while len(finished) < n_trials and not (finished and time.monotonic() > deadline):
        # the block that the next trial belongs to is asked whole; what is already done is skipped
        first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
        block = asker.ask(finished[:first])
        asked = block[len(finished) - first : n_trials - first]
        trials = _train(exploration, asked)
        if notes:
            keep_notes(asked, trials)
        try:
            _keep(trials, finished, None if lost else exploration.record, exploration.worker)
        except RecordLostError as error:
            if exploration.worker:
                raise
            lost = error
            _keep(trials, finished, None, 0)
        on_block()
    return lost


def _keep(
    trials: list[FrozenTrial], finished: list[FrozenTrial], record: Record | None, worker: int
) -> None:
    """Add trials to those finished, by way of the record if there is one."""
    if record is None:
        for trial in trials:
            trial.number = len(finished)
            finished.append(trial)
        return
    finished[:] = record.push(trials, known=finished, worker=worker)


def _train(exploration: Exploration, asked: Sequence[Trial]) -> list[FrozenTrial]:
    """Train the trials that were asked, and make finished trials of them."""

    def prune(index: int, epoch: int, loss: float) -> bool:
        asked[index].report(loss, epoch)
        return asked[index].should_prune()

    begun = datetime.now()
    objective, space = exploration.objective, exploration.space
    outcomes = judge(
        exploration.prepared,
        [space.setting(trial.params) for trial in asked],
        scorers=None if objective is None else objective.scorers,
        prune=None if exploration.pruner is None else prune,
        n_jobs=exploration.n_jobs,
    )
    metric, cap = None if objective is None else objective.metric, _cap(exploration.prepared)
    return [
        to_trial(trial.params, outcome, space, cap, begun, metric=metric)
        for trial, outcome in zip(asked, outcomes, strict=True)
    ]


def _cap(prepared: Sequence[Prepared]) -> float:
    """What a diverged trial's loss is told as: twice that of a guess."""
    return 2 * float(np.mean([replicate.guess_loss for replicate in prepared]))
