"""`LearningRateSearchCV`: the scores that settings are judged by."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import KFold

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError, LrtuneWarning, NothingCompletedError
from tests.iris import PAIRS, X, Y, scaled

Classifier, Regressor = partial(MLPClassifier, max_iter=4), partial(MLPRegressor, max_iter=4)


def search(estimator: Any = None, **options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "confirm": False, "random_state": 0}
    return LearningRateSearchCV(estimator or scaled(Classifier()), **(small | options))


def replicate_seeds(n: int) -> list[int]:
    """Seeds of weights and shuffling on each split of a search with random_state=0."""
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(0).spawn(n)]


def retrained(estimator: Any, params: dict[str, Any], seed: int, rows: Any, y: Any) -> Any:
    """A pipeline with a setting pasted in, fitted on a split's training rows."""
    seeded = {f"{estimator.steps[-1][0]}__random_state": seed}
    return estimator.set_params(**params, **seeded).fit(rows, y)


@pytest.fixture(scope="module")
def baseline() -> LearningRateSearchCV:
    return search().fit(X, Y)


def test_a_score_is_that_of_the_pasted_setting_trained_on_the_splits(
    baseline: LearningRateSearchCV,
) -> None:
    losses = [
        log_loss(Y[test], retrained(scaled(Classifier()), baseline.best_params_, seed, X[train],
                                    Y[train]).predict_proba(X[test]))
        for (train, test), seed in zip(PAIRS, replicate_seeds(2), strict=True)
    ]  # fmt: skip
    rows = [baseline.cv_results_[f"split{split}_test_score"] for split in range(2)]

    assert [-row[baseline.best_index_] for row in rows] == pytest.approx(losses, rel=1e-9)
    assert baseline.best_score_ == pytest.approx(-np.mean(losses), rel=1e-9)


def test_a_regressions_score_is_the_squared_error_in_the_targets_own_unit() -> None:
    rows, target = load_diabetes(return_X_y=True)
    searched = search(scaled(Regressor())).fit(rows, target)
    losses = [
        mean_squared_error(target[test], retrained(scaled(Regressor()), searched.best_params_,
                                                   seed, rows[train], target[train])
                           .predict(rows[test]))
        for (train, test), seed in zip(KFold(2).split(rows), replicate_seeds(2), strict=True)
    ]  # fmt: skip

    assert searched.best_score_ == pytest.approx(-np.mean(losses), rel=1e-9)
    assert searched.score(rows, target) == searched.best_estimator_.score(rows, target)


def test_several_targets_are_searched_together() -> None:
    rows, target = load_diabetes(return_X_y=True)
    both = np.column_stack([target, -100 * target])
    searched = search(scaled(Regressor())).fit(rows, both)

    assert searched.predict(rows).shape == both.shape
    assert -2 < searched.best_score_ < 0  # in the standardised unit, as they share no other


def function(estimator: Any, X: Any, y: Any) -> float:
    return float(accuracy_score(y, estimator.predict(X)))


def several(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    return {"accuracy": function(estimator, X, y), "half": 0.5}


@pytest.mark.parametrize("scoring", ["accuracy", function, make_scorer(accuracy_score)])
def test_a_metric_may_be_a_name_or_a_callable(scoring: Any) -> None:
    searched = search(scoring=scoring).fit(X, Y)
    scores = [
        accuracy_score(Y[test], retrained(scaled(Classifier()), searched.best_params_, seed,
                                          X[train], Y[train]).predict(X[test]))
        for (train, test), seed in zip(PAIRS, replicate_seeds(2), strict=True)
    ]  # fmt: skip

    assert searched.best_score_ == pytest.approx(np.mean(scores))
    assert searched.best_score_ == np.nanmax(searched.cv_results_["mean_test_score"])
    assert searched.score(X, Y) == accuracy_score(Y, searched.predict(X))
    assert not searched.multimetric_


@pytest.mark.parametrize(
    ("scoring", "metrics"),
    [
        (["accuracy", "neg_log_loss"], {"accuracy", "neg_log_loss"}),
        (("accuracy", "f1_macro"), {"accuracy", "f1_macro"}),
        ({"accuracy": function, "auc": "roc_auc_ovr"}, {"accuracy", "auc"}),
        (several, {"accuracy", "half"}),
    ],
    ids=["list", "tuple", "dict", "callable"],
)
def test_several_metrics_have_their_columns_and_refit_names_the_one_that_counts(
    scoring: Any, metrics: set[str]
) -> None:
    searched = search(scoring=scoring, refit="accuracy").fit(X, Y)
    means = {name for name in searched.cv_results_ if name.startswith("mean_test_")}

    assert {f"mean_test_{metric}" for metric in metrics} == means
    assert searched.multimetric_
    assert searched.best_score_ == np.nanmax(searched.cv_results_["mean_test_accuracy"])
    assert searched.cv_results_["rank_test_accuracy"][searched.best_index_] == 1
    assert searched.score(X, Y) == accuracy_score(Y, searched.predict(X))


@pytest.mark.parametrize("refit", [True, False, "f1_macro", lambda _: 0])
@pytest.mark.parametrize("scoring", [["accuracy"], several], ids=["list", "callable"])
def test_several_metrics_need_the_name_of_the_one_that_counts(scoring: Any, refit: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"refit.* metric"):
        search(scoring=scoring, refit=refit).fit(X, Y)


def test_a_scorer_meets_the_whole_estimator_and_the_rows_as_they_were_given() -> None:
    table = pd.DataFrame(X, columns=list("abcd"))

    def by_column(estimator: Any, rows: pd.DataFrame, y: Any) -> float:
        long = (rows["c"] > 3).to_numpy()
        return float(estimator.named_steps["mlpclassifier"].n_layers_ + estimator.predict(rows)[
            long
        ].mean())  # fmt: skip

    assert search(scoring=by_column).fit(table, Y).best_score_ > 4


def test_a_scorer_meets_the_setting_that_it_judges() -> None:
    def rate(estimator: Any, X: Any, y: Any) -> float:
        return float(estimator[-1].learning_rate_init)

    searched = search(scoring=rate, space={"batch_size": [16, 32]}).fit(X, Y)

    assert searched.best_score_ == pytest.approx(
        searched.best_params_["mlpclassifier__learning_rate_init"]
    )


def undefined(estimator: Any, X: Any, y: Any) -> float:
    """No number for half of the settings."""
    share = float((estimator.predict(X) == y).mean())
    return share if share > 0.6 else np.nan


def test_a_setting_that_the_metric_has_no_number_for_has_failed_and_ranks_last() -> None:
    searched = search(scoring=undefined).fit(X, Y)
    failed = searched.cv_results_["status"] == "failed"

    assert 0 < failed.sum() < 16
    assert np.isnan(searched.cv_results_["mean_test_score"][failed]).all()
    assert searched.result_.trials.failed == failed.sum()
    with pytest.raises(NothingCompletedError, match="scorer"):
        search(scoring=lambda *_: np.nan).fit(X, Y)


# --- a scorer that raises -------------------------------------------------------------------------


class Flaky:
    """A scorer that raises an error when it is called for the third time."""

    def __init__(self, *, several: bool = False) -> None:
        self.calls, self.several = 0, several

    def __call__(self, estimator: Any, X: Any, y: Any) -> Any:
        self.calls += 1
        if self.calls == 3:
            raise ValueError("one fold has a single class")
        value = function(estimator, X, y)
        return {"accuracy": value, "half": 0.5} if self.several else value


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [None, scaled(SGDClassifier(loss="log_loss", max_iter=4))], ids=["ours", "sgd"]
)
@pytest.mark.parametrize("several", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_setting_that_a_scorer_raises_for_has_failed_and_no_other(
    estimator: Any, several: bool
) -> None:
    options = {"refit": "accuracy"} if several else {}
    metric = "accuracy" if several else "score"
    sound = search(estimator, scoring=function).fit(X, Y)
    with pytest.warns(LrtuneWarning, match="raised ValueError: one fold has a single class"):
        searched = search(estimator, scoring=Flaky(several=several), **options).fit(X, Y)
    results, expected = searched.cv_results_, sound.cv_results_["mean_test_score"]
    failed = results["status"] == "failed"

    assert failed.sum() == 1
    assert np.isnan(results[f"mean_test_{metric}"][failed]).all()
    first_block = slice(0, 8)  # later ones are asked for by what the first one says
    assert results[f"mean_test_{metric}"][first_block][~failed[first_block]] == pytest.approx(
        expected[first_block][~failed[first_block]], nan_ok=True
    )


def test_the_score_of_an_error_may_be_a_number_or_the_error_itself() -> None:
    with pytest.warns(LrtuneWarning, match="the score is 0.25 there"):
        searched = search(scoring=Flaky(), error_score=0.25).fit(X, Y)
    splits = [searched.cv_results_[f"split{split}_test_score"] for split in range(2)]

    assert 0.25 in np.concatenate(splits)
    assert "failed" not in searched.cv_results_["status"]
    with pytest.raises(ValueError, match="one fold has a single class"):
        search(scoring=Flaky(), error_score="raise").fit(X, Y)


def test_of_several_scorers_only_the_one_that_raises_has_no_score() -> None:
    scoring = {"accuracy": "accuracy", "flaky": Flaky()}
    with pytest.warns(LrtuneWarning, match="single class"):
        searched = search(scoring=scoring, refit="accuracy").fit(X, Y)

    results = searched.cv_results_
    is_complete = results["status"] == "complete"
    assert np.isnan(results["mean_test_flaky"][is_complete]).sum() == 1
    assert np.isfinite(results["mean_test_accuracy"][is_complete]).all()
    assert "failed" not in results["status"]


def test_one_error_on_fresh_splits_does_not_end_a_confirmation() -> None:
    calls = []

    def scorer(estimator: Any, X: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == 16 * 2 + 3:
            raise ValueError("one fold has a single class")
        return function(estimator, X, y)

    with pytest.warns(LrtuneWarning, match="single class"):
        searched = search(scoring=scorer, confirm=True).fit(X, Y)

    assert searched.result_.confirmed_score > 0.5


def _raises(estimator: Any, X: Any, y: Any) -> float:
    raise KeyError("no such column")


def test_a_scorer_that_always_raises_is_named_with_its_error() -> None:
    with (
        pytest.warns(LrtuneWarning, match="raised KeyError"),
        pytest.raises(
            NothingCompletedError, match=r"scorer gave no number.*KeyError: 'no such col"
        ),
    ):
        search(scoring=_raises).fit(X, Y)
