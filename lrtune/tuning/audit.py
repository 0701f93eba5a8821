"""The audit of pruning: train some of the pruned trials to the end, and count the good ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.blocks import Explorer
from lrtune.tuning.record.schema import PruningAudit
from lrtune.tuning.record.trials import complete_trials, status
from lrtune.tuning.trainers.protocol import Control, train_all

BEST = 0.1
"""Share of the trials, the best ones, that a pruner should not halt."""


def audit_pruning(
    explorer: Explorer, trials: Sequence[FrozenTrial], *, share: float
) -> PruningAudit:
    """Train a random share of the pruned trials to the end, on the search's replicates.

    The search's seed draws them, at least one if any was pruned.
    """
    pruned = [trial for trial in trials if status(trial) == "pruned"]
    n_finished = math.ceil(share * len(pruned))
    rng = np.random.default_rng(explorer.sampling.seed)
    sample = rng.choice(len(pruned), n_finished, replace=False).tolist() if pruned else []
    settings = [explorer.space.setting(pruned[index].params) for index in sorted(sample)]
    trainer, replicates = explorer.trainer, explorer.replicates_of(0)
    outcomes = train_all(trainer, settings, replicates, Control(metrics=True))
    pruned_values = [float(o.values(len(replicates), trainer.metric).mean()) for o in outcomes]
    values = [(float(trial.value), False) for trial in complete_trials(trials)]  # type: ignore[arg-type]
    values += [(value, True) for value in pruned_values if math.isfinite(value)]
    n_best = math.ceil(BEST * len(values))
    n_lost = sum(was_pruned for _, was_pruned in sorted(values)[:n_best])
    return PruningAudit(len(pruned), n_finished, n_best, n_lost)


def require_share(share: float) -> None:
    """Raise InvalidInputError unless the share is above 0 and at most 1."""
    if not 0 < share <= 1:
        raise InvalidInputError(
            f"`audit_share` must be above 0 and at most 1, but got {share}: give the share of the "
            "pruned trials to finish"
        )
