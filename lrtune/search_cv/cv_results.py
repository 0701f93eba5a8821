"""The trials of a search in the form of scikit-learn's ``cv_results_``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.ma
from optuna.trial import FrozenTrial
from scipy.stats import rankdata

from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import best_trial, status
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.objective import LOSS


def metric_names(trials: Sequence[FrozenTrial]) -> list[str]:
    """Return the names of a search's metrics, or `LOSS` if it has none."""
    return list(TrialFacts.of(best_trial(trials)).metrics or ()) or [LOSS]


def cv_results(
    trials: Sequence[FrozenTrial], space: Space, n_splits: int, *, prefix: str = ""
) -> dict[str, Any]:
    """Return the columns of `GridSearchCV.cv_results_` plus "status", with a row per trial.

    Trials that did not train to the end have NaN scores and rank last. The decay rate of a constant
    rate has no effect and is masked. `prefix` goes before the names of parameters, like
    "mlpclassifier__" for a pipeline's step.
    """
    settings = [space.setting(trial.params) for trial in trials]
    params = [
        {prefix + name: value for name, value in setting.effective_params.items()}
        for setting in settings
    ]
    results: dict[str, Any] = {
        "mean_fit_time": np.array([TrialFacts.of(trial).seconds for trial in trials]) / n_splits,
        "std_fit_time": np.zeros(len(trials)),
        "mean_score_time": np.zeros(len(trials)),
        "std_score_time": np.zeros(len(trials)),
    }
    for name in (prefix + name for name in settings[0].params):
        column = np.empty(len(trials), dtype=object)
        column[:] = [row.get(name) for row in params]
        mask = [name not in row for row in params]
        results[f"param_{name}"] = numpy.ma.MaskedArray(column, mask=mask)
    results["params"] = params
    results["status"] = np.array([status(trial) for trial in trials])
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
    if status(trial) != "complete":
        return [np.nan] * n_splits
    facts = TrialFacts.of(trial)
    if facts.metrics:
        return list(facts.metrics.get(metric, [np.nan] * n_splits))
    return [-loss for loss in facts.replicate_losses]
