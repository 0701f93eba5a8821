"""A search's trials as a table in the form of scikit-learn's ``cv_results_``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.ma
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import rankdata

from lrtune.tuning.record.trials import DIVERGED, METRICS, SECONDS, best_trial
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.scoring import LOSS

__all__ = ["cv_results", "metric_names"]


def metric_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """The metrics that a search's trials hold; minus the loss if they hold none."""
    return list(best_trial(trials).user_attrs[METRICS]) or [LOSS]


def cv_results(
    trials: Sequence[FrozenTrial], space: Space, *, n_splits: int, prefix: str = ""
) -> dict[str, Any]:
    """A row per trial, whatever came of it.

    Parameters
    ----------
    trials : sequence of FrozenTrial
    space : Space
        What was searched.
    n_splits : int
        Replicates of each trial.
    prefix : str, default=""
        Before each parameter's name: that of a pipeline's step, and two underscores.

    Returns
    -------
    dict of arrays
        As `GridSearchCV.cv_results_`, and "status". Scores of trials that did not train to the
        end are NaN, and ranked last.
    """
    params = [
        {prefix + name: value for name, value in space.setting(trial.params).params.items()}
        for trial in trials
    ]
    results: dict[str, Any] = {
        "mean_fit_time": np.array([trial.user_attrs[SECONDS] for trial in trials]) / n_splits,
        "std_fit_time": np.zeros(len(trials)),
        "mean_score_time": np.zeros(len(trials)),
        "std_score_time": np.zeros(len(trials)),
    }
    for name in params[0]:
        column = np.empty(len(trials), dtype=object)
        column[:] = [row[name] for row in params]
        results[f"param_{name}"] = numpy.ma.MaskedArray(column, mask=False)
    results["params"] = params
    results["status"] = np.array([_status(trial) for trial in trials])
    for metric in metric_names(trials):
        splits = np.array([_split_scores(trial, metric, n_splits) for trial in trials])
        for split, column in enumerate(splits.T):
            results[f"split{split}_test_{metric}"] = column
        mean = splits.mean(axis=1)
        results[f"mean_test_{metric}"] = mean
        results[f"std_test_{metric}"] = splits.std(axis=1)
        worst_last = np.where(np.isnan(mean), -np.inf, mean)
        results[f"rank_test_{metric}"] = rankdata(-worst_last, method="min").astype(np.int32)
    return results


def _split_scores(trial: FrozenTrial, metric: str, n_splits: int) -> list[float]:
    if trial.state != TrialState.COMPLETE:
        return [np.nan] * n_splits
    losses: list[float] = trial.user_attrs["replicate_losses"]
    scores: list[float] = trial.user_attrs[METRICS].get(metric, [-loss for loss in losses])
    return scores


def _status(trial: FrozenTrial) -> str:
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "failed"
    return "diverged" if trial.user_attrs[DIVERGED] else "pruned"
