"""Objectives of metrics: each scores as scikit-learn's function does."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression

from lrtune.tables.metrics import METRICS
from lrtune.tuning.trainers.metrics import metric_objective, positive_class


def texts(y: np.ndarray) -> np.ndarray:
    return np.where(y == 1, "no", "yes")  # the rarer class comes last by name, and is 0


X, LABELS = make_classification(400, weights=[0.2], flip_y=0.2, random_state=0)
MANY_X, MANY = make_classification(400, n_classes=3, n_informative=6, random_state=0)
NUMBERS_X, NUMBERS = make_regression(100, 3, noise=20, random_state=0)


@pytest.mark.parametrize(
    ("name", "known_as", "function", "options"),
    [
        ("accuracy", "accuracy", metrics.accuracy_score, {}),
        ("balanced_accuracy", "balanced_accuracy", metrics.balanced_accuracy_score, {}),
        ("f1", "f1", metrics.f1_score, {"pos_label": "yes"}),
        ("precision", "precision", metrics.precision_score, {"pos_label": "yes"}),
        ("recall", "recall", metrics.recall_score, {"pos_label": "yes"}),
    ],
)
def test_of_two_classes(name: str, known_as: str, function: Any, options: dict[str, Any]) -> None:
    y = texts(LABELS)
    model = LogisticRegression().fit(X, y)
    objective = metric_objective(name, model, y, "classification")

    assert objective is not None
    assert (objective.name, objective.best) == (known_as, 1.0)
    scored = objective.scorers(model, X, y)[objective.metric]
    assert scored == pytest.approx(function(y, model.predict(X), **options))


@pytest.mark.parametrize(
    ("name", "function"),
    [("auc", metrics.roc_auc_score), ("average_precision", metrics.average_precision_score)],
)
def test_of_the_probability_of_the_positive_class(name: str, function: Any) -> None:
    y = texts(LABELS)
    model = LogisticRegression().fit(X, y)
    objective = metric_objective(name, model, y, "classification")

    assert objective is not None
    expected = function(y == "yes", model.predict_proba(X)[:, 1])
    assert objective.scorers(model, X, y)[objective.metric] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "known_as", "score"),
    [
        ("auc", "roc_auc_ovr", lambda y, p: metrics.roc_auc_score(y, p, multi_class="ovr")),
        ("f1", "f1_macro", lambda y, p: metrics.f1_score(y, p.argmax(axis=1), average="macro")),
        ("average_precision", "average_precision", metrics.average_precision_score),
    ],
)
def test_of_three_classes(name: str, known_as: str, score: Any) -> None:
    model = LogisticRegression().fit(MANY_X, MANY)
    objective = metric_objective(name, model, MANY, "classification")

    assert objective is not None
    assert objective.name == known_as
    scored = objective.scorers(model, MANY_X, MANY)[objective.metric]
    assert scored == pytest.approx(score(MANY, model.predict_proba(MANY_X)))


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].task == "regression"])
def test_errors_of_a_regression_are_negative(name: str) -> None:
    model = LinearRegression().fit(NUMBERS_X, NUMBERS)
    objective = metric_objective(name, model, NUMBERS, "regression")

    assert objective is not None
    scored = objective.scorers(model, NUMBERS_X, NUMBERS)[objective.metric]
    expected = metrics.get_scorer(METRICS[name].scorer)(model, NUMBERS_X, NUMBERS)
    assert scored == expected
    assert (scored < 0) == (name != "r2")


def test_the_loss_is_no_objective() -> None:
    assert metric_objective("loss", LogisticRegression(), LABELS, "classification") is None


@pytest.mark.parametrize(
    ("name", "y", "expected"),
    [
        ("f1", np.array([0, 1, 1]), 1),
        ("f1", np.array([True, True, False]), True),
        ("f1", np.array([2, 1, 1]), 2),
        ("f1", np.array(["a", "b", "b"], dtype=object), "a"),
        ("f1", np.array([0, 1, 2]), None),
        ("auc", np.array([0, 1, 1]), None),
        ("loss", np.array([0, 1, 1]), None),
    ],
)
def test_the_positive_class_is_one_or_the_rarer(name: str, y: np.ndarray, expected: Any) -> None:
    assert positive_class(name, y) == expected
