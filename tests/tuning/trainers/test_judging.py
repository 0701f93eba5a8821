"""Judging settings: the search sees what a user who pastes the setting will get."""

from typing import Any

import numpy as np
import pytest
from lrtune.tuning.trainers.judging import judge
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune.training.population
from lrtune import MLPClassifier, MLPRegressor
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.network import prepare
from lrtune.tuning.trainers.replicates import make_replicates

SETTINGS = [
    Setting(0.1, "constant", 0.1),
    Setting(1e6, "constant", 0.1),
    Setting(0.5, "exponential", 0.2),
    Setting(0.3, "plateau", 0.5),
    Setting(8.0, "cosine", 0.1),
    Setting(0.2, "inverse_time", 0.3),
]


@pytest.fixture(params=["classification", "regression"])
def problem(request: pytest.FixtureRequest) -> tuple[Any, Any, Any, Any]:
    if request.param == "classification":
        X, y = load_iris(return_X_y=True)
        estimator = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5))
    else:
        X, y = load_diabetes(return_X_y=True)
        estimator = make_pipeline(StandardScaler(), MLPRegressor(max_iter=5))
    return estimator, X, y, make_replicates(y, 3, task=request.param, seed=4)


def test_a_trials_loss_and_score_are_those_of_the_pasted_setting(problem: Any) -> None:
    estimator, X, y, replicates = problem
    outcomes = judge([prepare(estimator, X, y, r) for r in replicates], SETTINGS)
    for setting, outcome in zip(SETTINGS, outcomes, strict=True):
        if outcome.diverged:
            continue
        for index, replicate in enumerate(replicates):
            model = estimator.set_params(**{f"{estimator.steps[-1][0]}__{key}": value
                                            for key, value in setting.params.items()},
                                         **{f"{estimator.steps[-1][0]}__random_state":
                                            replicate.seed})  # fmt: skip
            model.fit(X[replicate.train], y[replicate.train])
            held_out, truth = X[replicate.validation], y[replicate.validation]
            if hasattr(model, "predict_proba"):
                loss = log_loss(truth, model.predict_proba(held_out))
            else:
                loss = mean_squared_error(truth, model.predict(held_out))

            assert loss == pytest.approx(outcome.validation_curves[index, -1], rel=1e-4)
            assert model.score(held_out, truth) == pytest.approx(outcome.scores[index], abs=1e-5)


def test_a_setting_that_diverges_on_one_replicate_is_stopped_on_all(problem: Any) -> None:
    estimator, X, y, replicates = problem
    outcome = judge([prepare(estimator, X, y, r) for r in replicates], SETTINGS)[1]

    assert outcome.diverged is not None
    assert (outcome.diverged.replicate, outcome.diverged.epoch) == (1, 1)
    assert outcome.epochs < 1
    assert outcome.scores is None
    assert outcome.validation_curves.shape == (3, 0)


def test_the_loss_at_divergence_is_in_the_targets_own_unit() -> None:
    X, y = load_diabetes(return_X_y=True)
    replicate = make_replicates(y, 1, task="regression")[0]
    estimator = make_pipeline(StandardScaler(), MLPRegressor(max_iter=2))
    losses = []
    for target in (y, y * 1000):
        prepared = prepare(estimator, X, target, replicate)
        (outcome,) = judge([prepared], [Setting(2.0, "constant", 0.1)])
        assert outcome.diverged is not None
        assert outcome.diverged.loss is not None
        assert outcome.diverged.loss > prepared.guess_loss
        losses.append(outcome.diverged.loss)

    assert losses[1] == pytest.approx(losses[0] * 1000**2, rel=1e-3)


def test_outcomes_do_not_depend_on_how_settings_are_cut_into_populations(
    problem: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator, X, y, replicates = problem
    prepared = [prepare(estimator, X, y, r) for r in replicates]
    together = judge(prepared, SETTINGS)
    monkeypatch.setattr(lrtune.training.population, "CACHE_BYTES", 1)
    apart = judge(prepared, SETTINGS)
    for left, right in zip(together, apart, strict=True):
        assert np.array_equal(left.validation_curves, right.validation_curves)
        assert (left.diverged, left.epochs) == (right.diverged, right.epochs)
        assert np.array_equal(left.scores, right.scores) or left.scores is right.scores is None


def test_a_full_training_counts_every_epoch_of_every_replicate(problem: Any) -> None:
    estimator, X, y, replicates = problem
    outcome = judge([prepare(estimator, X, y, r) for r in replicates], SETTINGS[:1])[0]

    assert outcome.epochs == 15
    assert outcome.validation_curves.shape == (3, 5)


def test_preprocessing_is_fitted_on_the_training_rows_alone() -> None:
    X, y = load_iris(return_X_y=True)
    replicate = make_replicates(y, 1, task="classification")[0]
    X[replicate.validation] += 1000
    prepared = prepare(make_pipeline(StandardScaler(), MLPClassifier()), X, y, replicate)

    assert np.abs(np.asarray(prepared.rows.X).mean(axis=0)).max() < 1e-5
    assert np.asarray(prepared.validation.X).min() > 100


def test_an_estimator_without_a_pipeline_is_judged_too_and_left_unchanged() -> None:
    X, y = load_iris(return_X_y=True)
    estimator = MLPClassifier(max_iter=2)
    before = estimator.get_params()
    replicate = make_replicates(y, 1, task="classification")[0]
    outcome = judge([prepare(estimator, X, y, replicate)], SETTINGS[:1])[0]

    assert outcome.validation_curves.shape == (1, 2)
    assert before == estimator.get_params()
    assert not hasattr(estimator, "coefs_")


def test_plateau_counts_the_epochs_of_the_rows_that_it_trains_on() -> None:
    X, y = load_iris(return_X_y=True)
    X = np.vstack([X, X])
    y = np.concatenate([y, y])
    replicate = make_replicates(y, 1, task="classification")[0]
    model = MLPClassifier(max_iter=3, batch_size=20, validation_fraction=0.5)
    prepared = prepare(make_pipeline(StandardScaler(), model), X, y, replicate)
    outcome = judge([prepared], [Setting(1e6, "plateau", 0.1)])[0]
    steps = -(-(len(replicate.train) // 2) // 20)

    assert outcome.diverged is not None
    assert outcome.epochs == outcome.diverged.step / steps
