"""Trials as a table: GridSearchCV's columns, and NaN for trials that did not train to the end."""

from datetime import datetime

import numpy as np
import pytest
from optuna.trial import FrozenTrial

from lrtune.search_cv.cv_results import cv_results, metric_names
from lrtune.tuning.record.schema import DivergedAt
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome

SPACE = Space.default(5, learning_rate_init=(0.01, 10.0))


def complete(
    rate: float, losses: list[float], metrics: dict[str, list[float]] | None = None
) -> FrozenTrial:
    setting = Setting(rate, "cosine", 0.1)
    scores = {name: np.array(each) for name, each in (metrics or {}).items()}
    curves = np.tile(np.array(losses)[:, None], 5)
    outcome = Outcome(setting, curves, np.full(2, 0.9), 10.0, metrics=scores, seconds=3.0)
    metric = next(iter(scores), None)
    return to_trial(
        setting.params, outcome, SPACE, range(2), cap=9.0, begun=datetime.now(), metric=metric
    )


def diverged(rate: float) -> FrozenTrial:
    setting = Setting(rate, "cosine", 0.1)
    at = DivergedAt(replicate=1, epoch=1, step=2, loss=None)
    outcome = Outcome(setting, np.empty((2, 0)), None, 0.5, at)
    return to_trial(setting.params, outcome, SPACE, range(2), cap=9.0, begun=datetime.now())


def test_scores_are_minus_the_losses_and_diverged_trials_rank_last() -> None:
    results = cv_results(
        [complete(0.1, [1.0, 3.0]), diverged(5.0), complete(0.2, [1, 1])], SPACE, 2
    )

    assert results["split0_test_score"].tolist()[::2] == [-1.0, -1.0]
    assert results["mean_test_score"].tolist()[::2] == [-2.0, -1.0]
    assert results["std_test_score"].tolist()[::2] == [1.0, 0.0]
    assert np.isnan(results["mean_test_score"][1])
    assert results["rank_test_score"].tolist() == [2, 3, 1]
    assert results["status"].tolist() == ["complete", "diverged", "complete"]


def test_parameters_have_the_steps_prefix() -> None:
    results = cv_results([complete(0.1, [1.0, 3.0])], SPACE, 2, prefix="net__")

    assert results["params"] == [
        {"net__learning_rate_init": 0.1, "net__decay": "cosine", "net__decay_rate": 0.1}
    ]
    assert results["param_net__decay"].tolist() == ["cosine"]


def test_times_are_of_one_split() -> None:
    assert cv_results([complete(0.1, [1.0, 3.0])], SPACE, 2)["mean_fit_time"].tolist() == [1.5]


def test_every_metric_has_its_columns() -> None:
    metrics = {"accuracy": [0.5, 1.0], "f1": [0.25, 0.75]}
    trials = [complete(0.1, [1.0, 1.0], metrics), diverged(5.0)]
    results = cv_results(trials, SPACE, 2)

    assert metric_names(trials) == ["accuracy", "f1"]
    assert results["mean_test_f1"][0] == pytest.approx(0.5)
    assert results["split1_test_accuracy"][0] == 1.0
    assert "mean_test_score" not in results


def test_without_metrics_the_loss_is_the_only_one() -> None:
    assert metric_names([complete(0.1, [1.0, 1.0])]) == ["score"]
