"""Importances of the parameters: functional analysis of variance over all trials.

Optuna's importances leave out trials that were stopped, so a parameter that makes trials diverge
seems to matter little. Here a diverged trial counts as a network that has learned nothing, and a
pruned one with its last loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial, create_trial

from lrtune.tuning.record.storage import quiet_optuna

RESAMPLES = 8
"""Bootstrap resamples of the trials, for the uncertainty of the shares."""
TREES = 16
"""Trees of the random forest that is fitted to each resample."""
MIN_TRIALS = 16
"""With fewer trials, no importances are computed."""
MAX_TRIALS = 256
"""Of more trials, this many are picked, evenly spaced."""


@dataclass(frozen=True)
class Importance:
    """A parameter's share of the loss's variance; mean and standard deviation over resamples."""

    parameter: str
    share: float
    error: float


def importances(
    trials: Sequence[FrozenTrial], losses: Sequence[float], *, seed: int = 0
) -> tuple[Importance, ...]:
    """Return each parameter's share of the loss's variance, the largest share first.

    It is empty with fewer than `MIN_TRIALS` trials, if all losses are equal, or if nothing varied.
    The method is functional ANOVA (Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for
    assessing hyperparameter importance") by Optuna, on resamples of all trials.
    """
    picked = np.unique(np.linspace(0, len(trials) - 1, min(len(trials), MAX_TRIALS)).astype(int))
    pairs = [(trials[index], losses[index]) for index in picked]
    distributions = trials[0].distributions if trials else {}
    varied = [name for name, spread in distributions.items() if not spread.single()]
    if len(pairs) < MIN_TRIALS or np.ptp([loss for _, loss in pairs]) == 0 or not varied:
        return ()
    rng = np.random.default_rng(seed)
    shares = np.array([_shares(pairs, varied, rng) for _ in range(RESAMPLES)])
    mean, error = shares.mean(axis=0), shares.std(axis=0, ddof=1)
    unsorted = map(Importance, varied, mean.tolist(), error.tolist())
    return tuple(sorted(unsorted, key=lambda importance: -importance.share))


def _shares(
    pairs: Sequence[tuple[FrozenTrial, float]], varied: Sequence[str], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return each parameter's share in one bootstrap resample; the shares add up to 1."""
    from optuna.importance import FanovaImportanceEvaluator

    while True:
        resample = [pairs[index] for index in rng.integers(len(pairs), size=len(pairs))]
        if np.ptp([loss for _, loss in resample]) > 0:
            break
    with quiet_optuna():
        study = optuna.create_study()
        study.add_trials(
            create_trial(params=trial.params, distributions=trial.distributions, value=loss)
            for trial, loss in resample
        )
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=int(rng.integers(2**31)))
    importance = forest.evaluate(study, params=list(varied))
    shares = np.array([importance[name] for name in varied], dtype=np.float64)
    return shares / total if (total := shares.sum()) > 0 else shares
