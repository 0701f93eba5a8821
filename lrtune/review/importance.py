"""Which searched parameters the loss depends on: functional analysis of variance over all trials.

Trials that were halted are no reason to look away: Optuna's importances leave them out, and a
parameter that makes trials diverge then seems to matter little, as only those are compared that it
spared. Here a diverged trial counts as a network that has learned nothing, a pruned one with the
loss at which it was halted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial

from lrtune.tuning.record.storage import quiet_optuna

__all__ = ["FEWEST_TRIALS", "Importance", "MOST_TRIALS", "RESAMPLES", "TREES", "importances"]

RESAMPLES = 8
"""Bootstrap resamples of the trials, to see how sure the shares are."""
TREES = 16
"""Of the random forest that is fitted to each of them."""
FEWEST_TRIALS = 16
"""With fewer, nothing is said."""
MOST_TRIALS = 256
"""Of more, so many are taken at even distances."""


@dataclass(frozen=True)
class Importance:
    """A parameter's share of what the parameters explain one by one of the loss's variance.

    Attributes
    ----------
    parameter : str
    share : float
        Mean over bootstrap resamples of the trials.
    error : float
        Standard deviation over them.
    """

    parameter: str
    share: float
    error: float


def importances(
    trials: Sequence[FrozenTrial], losses: Sequence[float], *, seed: int = 0
) -> tuple[Importance, ...]:
    """How much of the loss's variance over the space each parameter explains alone.

    Functional analysis of variance (Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for
    assessing hyperparameter importance"), by Optuna, on resamples of all trials.

    Parameters
    ----------
    trials : sequence of FrozenTrial
        All that finished, whatever came of them.
    losses : sequence of float
        What each counts as, finite.
    seed : int, default=0
        Of the resamples and the forests.

    Returns
    -------
    tuple of Importance
        The largest first; empty with fewer than `FEWEST_TRIALS`, or if all losses are equal or
        nothing was varied.
    """
    picked = np.unique(np.linspace(0, len(trials) - 1, min(len(trials), MOST_TRIALS)).astype(int))
    told = [(trials[index], losses[index]) for index in picked]
    varied = [name for name, spread in _distributions(trials).items() if not spread.single()]
    if len(told) < FEWEST_TRIALS or np.ptp([loss for _, loss in told]) == 0 or not varied:
        return ()
    rng = np.random.default_rng(seed)
    shares = np.array([_shares(told, varied, rng) for _ in range(RESAMPLES)])
    mean, error = shares.mean(axis=0), shares.std(axis=0, ddof=1)
    found = map(Importance, varied, mean.tolist(), error.tolist())
    return tuple(sorted(found, key=lambda each: -each.share))


def _distributions(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    return trials[0].distributions if trials else {}


def _shares(
    told: Sequence[tuple[FrozenTrial, float]], varied: Sequence[str], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Shares of one resample, which leaves out a third of the trials; they add up to 1."""
    while True:
        drawn = [told[index] for index in rng.integers(len(told), size=len(told))]
        if np.ptp([loss for _, loss in drawn]) > 0:
            break
    with quiet_optuna():
        study = optuna.create_study()
        study.add_trials(
            create_trial(params=trial.params, distributions=trial.distributions, value=loss)
            for trial, loss in drawn
        )
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=int(rng.integers(2**31)))
    shares = forest.evaluate(study, params=list(varied))
    found = np.array([shares[name] for name in varied], dtype=np.float64)
    return found / total if (total := found.sum()) > 0 else found
