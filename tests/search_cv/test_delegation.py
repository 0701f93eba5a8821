"""Delegation: a fitted search predicts and scores as its best estimator does."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def search() -> Any:
    model = MLPClassifier((8,), max_iter=3)
    return LearningRateSearchCV(model, n_trials=2, cv=2, confirm=False, random_state=0).fit(X, Y)


def test_predictions_are_those_of_the_best_estimator(search: Any) -> None:
    best = search.best_estimator_

    assert np.array_equal(search.predict(X), best.predict(X))
    assert np.array_equal(search.predict_proba(X), best.predict_proba(X))
    assert np.array_equal(search.predict_log_proba(X), np.log(best.predict_proba(X)))
    assert search.classes_.tolist() == best.classes_.tolist() == [0, 1, 2]
    assert search.n_features_in_ == 4
    assert search.score(X, Y) == best.score(X, Y)


def test_the_score_is_that_of_scoring() -> None:
    fitted = LearningRateSearchCV(
        MLPClassifier((8,), max_iter=3),
        n_trials=2,
        cv=2,
        scoring={"loss": "neg_log_loss", "hits": "accuracy"},
        refit="loss",
        confirm=False,
        random_state=0,
    ).fit(X, Y)

    assert fitted.score(X, Y) == pytest.approx(-log_loss(Y, fitted.predict_proba(X)))
    assert fitted.scorer_["hits"](fitted, X, Y) == accuracy_score(Y, fitted.predict(X))


WEIGHT = np.where(Y == 1, 5.0, 1.0)


def test_the_score_takes_weights(search: Any) -> None:
    expected = accuracy_score(Y, search.predict(X), sample_weight=WEIGHT)

    assert search.score(X, Y, sample_weight=WEIGHT) == pytest.approx(expected)


def test_the_score_by_scoring_in_a_pipeline_takes_weights() -> None:
    model = make_pipeline(StandardScaler(), SGDClassifier(max_iter=3))
    options: dict[str, Any] = {"n_trials": 2, "cv": 2, "confirm": False, "random_state": 0}
    fitted = LearningRateSearchCV(model, scoring="balanced_accuracy", **options).fit(X, Y)
    expected = balanced_accuracy_score(Y, fitted.predict(X), sample_weight=WEIGHT)

    assert fitted.score(X, Y, sample_weight=WEIGHT) == pytest.approx(expected)
    assert np.array_equal(fitted.decision_function(X), fitted.best_estimator_.decision_function(X))
    assert not hasattr(fitted, "predict_log_proba")  # its loss is the hinge loss


def test_before_fitting_there_is_nothing_to_predict_with() -> None:
    search = LearningRateSearchCV(MLPClassifier())

    assert not hasattr(search, "n_features_in_")
    assert not hasattr(search, "feature_names_in_")
    with pytest.raises(NotFittedError):
        search.predict(X)


def test_a_regressor_has_no_probabilities() -> None:
    assert not hasattr(LearningRateSearchCV(MLPRegressor()), "predict_proba")


def test_without_a_refit_the_error_names_the_parameter_and_the_cure() -> None:
    search = LearningRateSearchCV(MLPClassifier(), refit=False)

    with pytest.raises(AttributeError) as caught:
        search.predict(X)
    assert "`refit=False`" in str(caught.value.__cause__ or caught.value)
