"""The audit of pruning: what became of the trials that a pruner halted, had they gone on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.blocks import Exploration
from lrtune.tuning.record.trials import DIVERGED, complete_trials
from lrtune.tuning.trainers.judging import final_values, judge

__all__ = ["BEST", "PruningAudit", "audit_pruning", "require_share"]

BEST = 0.1
"""Share of the trials that a pruner should not have lost."""


@dataclass(frozen=True)
class PruningAudit:
    """What finishing some of the pruned trials showed.

    Attributes
    ----------
    pruned : int
        Trials halted by competition.
    finished : int
        Of them, drawn at random and trained to the end after all.
    best_tenth : int
        How many trials are the best tenth of those known to the end.
    lost : int
        Of these, how many the pruner had halted.
    """

    pruned: int
    finished: int
    best_tenth: int
    lost: int


def audit_pruning(
    exploration: Exploration, trials: Sequence[FrozenTrial], *, share: float
) -> PruningAudit:
    """Train a random share of the pruned trials to the end, on the search's own replicates.

    Parameters
    ----------
    exploration : Exploration
        What was searched; its seed draws the trials to finish.
    trials : sequence of FrozenTrial
        The search's.
    share : float
        Share of the pruned trials to finish, above 0 and at most 1; at least one is.

    Raises
    ------
    InvalidInputError
        If `share` is out of its range.
    """
    require_share(share)
    pruned = [
        trial
        for trial in trials
        if trial.state == TrialState.PRUNED and not trial.user_attrs[DIVERGED]
    ]
    n_finished = math.ceil(share * len(pruned))
    rng = np.random.default_rng(exploration.seed)
    drawn = rng.choice(len(pruned), n_finished, replace=False) if pruned else np.array([], int)
    settings = [exploration.space.setting(pruned[index].params) for index in sorted(drawn.tolist())]
    objective, prepared = exploration.objective, exploration.prepared
    scorers = None if objective is None else objective.scorers
    metric = None if objective is None else objective.metric
    outcomes = judge(prepared, settings, scorers=scorers, n_jobs=exploration.n_jobs)
    halted = [float(final_values(outcome, len(prepared), metric).mean()) for outcome in outcomes]
    values = [(float(trial.value), False) for trial in complete_trials(trials)]  # type: ignore[arg-type]
    values += [(value, True) for value in halted if math.isfinite(value)]
    n_best = math.ceil(BEST * len(values))
    lost = sum(was_halted for _, was_halted in sorted(values)[:n_best])
    return PruningAudit(len(pruned), n_finished, n_best, lost)


def require_share(share: float) -> None:
    """Refuse a share that is not above 0 and at most 1."""
    if not 0 < share <= 1:
        raise InvalidInputError(
            f"the share of pruned trials to finish must be above 0 and at most 1, but got {share}"
        )
