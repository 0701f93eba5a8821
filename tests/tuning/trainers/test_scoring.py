"""Objectives: scikit-learn's scorers, one or several, and which of them counts."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import make_scorer, matthews_corrcoef

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError, LrtuneWarning
from lrtune.tuning.trainers.scoring import (
    LOSS,
    Objective,
    describe_scoring,
    make_objective,
    require_no_metadata,
)

X, Y = load_iris(return_X_y=True)
MODEL = MLPClassifier((8,), max_iter=2, random_state=0)


def objective(scoring: Any, refit: Any = True) -> Objective:
    made, _ = make_objective(MODEL, scoring, refit)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def fitted() -> Any:
    return MLPClassifier((8,), max_iter=2, random_state=0).fit(X, Y)


def test_without_scoring_the_loss_is_optimised() -> None:
    assert make_objective(MODEL, None, refit=True)[0] is None


def test_one_scorer_is_the_metric(fitted: Any) -> None:
    made = objective("accuracy")

    assert made.metric == LOSS
    assert made.scorers(fitted, X, Y) == {LOSS: fitted.score(X, Y)}


@pytest.mark.parametrize("scoring", [["accuracy", "f1_macro"], ("accuracy", "f1_macro")])
def test_refit_names_the_one_of_several_that_counts(fitted: Any, scoring: Any) -> None:
    made = objective(scoring, "f1_macro")

    assert made.metric == "f1_macro"
    assert list(made.scorers(fitted, X, Y)) == ["accuracy", "f1_macro"]


def both(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    return {"hits": estimator.score(X, y), "one": 1.0}


def test_a_function_may_return_several(fitted: Any) -> None:
    made = objective(both, "hits")

    assert made.metric == "hits"
    assert made.scorers(fitted, X, Y) == {"hits": fitted.score(X, Y), "one": 1.0}
    with pytest.raises(InvalidInputError, match="`refit` must name one of several metrics, hits"):
        objective(both).scorers(fitted, X, Y)


@pytest.mark.parametrize(
    ("scoring", "refit", "name", "best"),
    [
        ("roc_auc_ovr", True, "roc_auc_ovr", 1.0),
        ("neg_log_loss", True, "neg_log_loss", None),
        (["r2", "neg_max_error"], "r2", "r2", 1.0),
        ({"auc": "roc_auc", "f1": "f1"}, "auc", "auc", 1.0),
        (make_scorer(matthews_corrcoef), "mcc", "mcc", 1.0),
        (make_scorer(matthews_corrcoef, greater_is_better=False), "m", "m", None),
        (both, True, "both", None),
        (both, "hits", "hits", None),
    ],
)  # fmt: skip
def test_a_metric_has_the_users_name_and_the_best_value_of_scikit_learns_own(
    scoring: Any, refit: Any, name: str, best: float | None
) -> None:
    made = objective(scoring, refit)

    assert (made.name, made.best) == (name, best)


@pytest.mark.parametrize("returned", [None, "high", float("inf"), {"one": -float("inf")}])
def test_a_score_that_is_no_finite_number_is_an_error_of_the_scorer(
    fitted: Any, returned: Any
) -> None:
    lenient, strict = (
        make_objective(MODEL, lambda *_: returned, "one", score)[0] for score in (np.nan, "raise")
    )
    assert lenient is not None
    assert strict is not None

    with pytest.warns(LrtuneWarning, match="a scorer raised"):
        assert np.isnan(lenient.scorers(fitted, X, Y)["one"])
    with pytest.raises((TypeError, ValueError)):
        strict.scorers(fitted, X, Y)


def test_an_objective_can_be_sent_to_another_process(fitted: Any) -> None:
    made = objective({"a": "accuracy", "m": make_scorer(matthews_corrcoef)}, "m")

    assert pickle.loads(pickle.dumps(made)).scorers(fitted, X, Y) == made.scorers(fitted, X, Y)  # noqa: S301


@pytest.mark.parametrize(
    ("scoring", "refit", "message"),
    [
        ({}, True, "`scoring` must name at least one metric"),
        ([len], True, "a list in `scoring` must hold names"),
        (["accuracy", "f1_macro"], True, "`refit` must name one of several metrics"),
        (["accuracy"], "f1_macro", "`refit` must name one of several metrics, accuracy"),
    ],
)
def test_an_unclear_objective_is_refused(scoring: Any, refit: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make_objective(MODEL, scoring, refit)


def test_scorers_that_request_nothing_are_accepted() -> None:
    _, scorer = make_objective(MODEL, "accuracy", refit=True)

    require_no_metadata(scorer, {"sample_weight": [1.0]})


def test_scoring_is_described_alike_in_every_process_and_differs_by_code() -> None:
    assert describe_scoring(None) is None
    assert describe_scoring(("accuracy", "f1_macro")) == ["accuracy", "f1_macro"]
    assert describe_scoring({"a": "accuracy"}) == {"a": "accuracy"}
    assert "matthews_corrcoef" in describe_scoring(make_scorer(matthews_corrcoef))
    assert " at 0x" not in describe_scoring(make_scorer(matthews_corrcoef))
    one, other, again = (lambda *_: 1.0), (lambda *_: 2.0), (lambda *_: 1.0)
    assert describe_scoring(one) == describe_scoring(again) != describe_scoring(other)
