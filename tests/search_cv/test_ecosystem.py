"""`LearningRateSearchCV` among scikit-learn's tools: metadata, nesting, copies, tables, labels."""

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.metrics import accuracy_score, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError, LrtuneWarning
from tests.iris import PAIRS, X, Y, scaled

TABLE = pd.DataFrame(X, columns=["sepal length", "sepal width", "petal length", "petal width"])
WEIGHTS = np.linspace(0, 1, 150)
GROUPS = np.arange(150) % 7
Classifier = partial(MLPClassifier, max_iter=4)


def search(estimator: Any = None, **options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "confirm": False, "random_state": 0}
    return LearningRateSearchCV(estimator or scaled(Classifier()), **(small | options))


def told(searched: LearningRateSearchCV) -> dict[str, Any]:
    """What does not depend on the clock."""
    columns = {name: list(column) for name, column in searched.cv_results_.items()}
    return {name: str(column) for name, column in columns.items() if "time" not in name}


@pytest.fixture(scope="module")
def baseline() -> LearningRateSearchCV:
    return search().fit(X, Y)


# --- metadata ---------------------------------------------------------------------------------


def weighted_score(best: dict[str, Any], scaler: Any) -> float:
    """Of a setting pasted in and trained with weights on each split."""
    losses = []
    for (train, test), child in zip(PAIRS, np.random.SeedSequence(0).spawn(2), strict=True):
        scaler.fit(X[train])
        network = Classifier(**best, random_state=int(child.generate_state(1)[0]))
        network.fit(scaler.transform(X[train]), Y[train], sample_weight=WEIGHTS[train])
        predicted = network.predict_proba(scaler.transform(X[test]))
        losses.append(log_loss(Y[test], predicted, sample_weight=WEIGHTS[test]))
    return -float(np.mean(losses))


def test_sample_weights_go_to_the_network_and_its_validation_loss() -> None:
    rows = StandardScaler().fit_transform(X)
    bare = search(Classifier(), confirm=True).fit(rows, Y, sample_weight=WEIGHTS)
    piped = search(confirm=True).fit(X, Y, mlpclassifier__sample_weight=WEIGHTS)
    params = {name.rpartition("__")[2]: value for name, value in piped.best_params_.items()}
    refitted = Classifier(**bare.best_params_, random_state=0).fit(rows, Y, sample_weight=WEIGHTS)

    assert piped.best_score_ == pytest.approx(weighted_score(params, StandardScaler()), rel=1e-9)
    assert np.array_equal(bare.predict_proba(rows), refitted.predict_proba(rows))
    assert told(bare) != told(search(Classifier(), confirm=True).fit(rows, Y))


def test_with_metadata_routing_weights_and_groups_go_where_they_are_requested() -> None:
    expected = search(cv=GroupKFold(3), confirm=True).fit(
        X, Y, groups=GROUPS, mlpclassifier__sample_weight=WEIGHTS
    )
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        network = Classifier().set_fit_request(sample_weight=True)
        searching = search(make_pipeline(scaler, network), cv=GroupKFold(3), confirm=True)
        routed = searching.fit(X, Y, sample_weight=WEIGHTS, groups=GROUPS)
        with pytest.raises(ValueError, match="standardscaler__sample_weight"):
            search(
                make_pipeline(scaler.set_fit_request(sample_weight=True), network)
            ).fit(X, Y, sample_weight=WEIGHTS)  # fmt: skip

    assert told(expected) == told(routed)
    assert np.array_equal(expected.predict_proba(X), routed.predict_proba(X))


def test_with_metadata_routing_a_bare_network_a_generator_and_no_metadata_do_too(
    baseline: LearningRateSearchCV,
) -> None:
    expected = search(Classifier()).fit(X, Y, sample_weight=WEIGHTS)
    with config_context(enable_metadata_routing=True):
        network = Classifier().set_fit_request(sample_weight=True)
        splits = (pair for pair in PAIRS)
        routed = search(network, cv=splits).fit(X, Y, sample_weight=WEIGHTS)
        plain = search().fit(X, Y)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search(Classifier()).fit(X, Y, sample_weight=WEIGHTS)

    assert told(expected) == told(routed)
    assert told(baseline) == told(plain)


def test_a_scorer_that_requests_metadata_is_refused_as_it_would_get_none() -> None:
    with config_context(enable_metadata_routing=True):
        network = Classifier().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        for scoring in (scorer, {"own": scorer}):
            searching = search(network, scoring=scoring, refit="own")
            with pytest.raises(InvalidInputError, match="sample_weight"):
                searching.fit(X, Y, sample_weight=WEIGHTS)
        indifferent = scorer.set_score_request(sample_weight=False)
        searched = search(network, scoring=indifferent).fit(X, Y, sample_weight=WEIGHTS)

    expected = search(Classifier(), scoring="accuracy").fit(X, Y, sample_weight=WEIGHTS)
    assert told(expected) == told(searched)


def test_metadata_pass_through_cross_validation() -> None:
    with config_context(enable_metadata_routing=True):
        network = Classifier().set_fit_request(sample_weight=True)
        searching = search(network, cv=GroupKFold(2))
        found = cross_validate(
            searching,
            X,
            Y,
            params={"sample_weight": WEIGHTS, "groups": GROUPS},
            cv=PAIRS,
            return_estimator=True,
        )["estimator"][0]
    train = PAIRS[0][0]
    expected = search(Classifier(), cv=GroupKFold(2)).fit(
        X[train], Y[train], sample_weight=WEIGHTS[train], groups=GROUPS[train]
    )

    assert told(expected) == told(found)


# --- nesting ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_search_can_be_cross_validated(baseline: LearningRateSearchCV) -> None:
    scores = cross_val_score(search(confirm=True), X, Y, cv=2)
    short = search()
    probabilities = cross_val_predict(short, X, Y, cv=2, method="predict_proba")

    assert scores.min() > 0.7
    assert probabilities.shape == (150, 3)
    assert cross_val_score(short.set_params(scoring="neg_log_loss"), X, Y, cv=2).max() < 0


def test_a_search_may_be_a_step_of_a_pipeline() -> None:
    model = make_pipeline(StandardScaler(), search(Classifier())).fit(X, Y)

    assert model.score(X, Y) > 0.8
    assert {"learning_rate_init", "decay"} <= model[-1].best_params_.keys()
    assert model[:-1].transform(X).shape == (150, model[-1].n_features_in_)


@pytest.mark.slow
def test_a_search_may_be_searched_over() -> None:
    grid = {"n_trials": [1, 16], "estimator__mlpclassifier__max_iter": [1, 4]}
    short = search()
    searched = GridSearchCV(short, grid, cv=2).fit(X, Y)
    scorings = GridSearchCV(short, {"scoring": [None, "accuracy"]}, cv=2).fit(X, Y)

    assert searched.best_params_["estimator__mlpclassifier__max_iter"] == 4
    assert len(searched.best_estimator_.cv_results_["params"]) == searched.best_params_["n_trials"]
    assert np.isfinite(scorings.cv_results_["mean_test_score"]).all()


# --- copies -----------------------------------------------------------------------------------


def test_a_clone_has_the_parameters_and_none_of_the_results(
    baseline: LearningRateSearchCV,
) -> None:
    copied = clone(baseline)
    own = search(sampler=optuna.samplers.RandomSampler(seed=1), space={"decay": ["cosine"]})

    assert str(copied.get_params()) == str(baseline.get_params())
    assert not hasattr(copied, "cv_results_")
    with pytest.raises(NotFittedError, match="not fitted"):
        copied.predict(X)
    assert told(clone(own).fit(X, Y)) == told(own.fit(X, Y))


@pytest.mark.parametrize(
    "storage",
    [None, "record.journal", pytest.param("sqlite:///record.db", marks=pytest.mark.slow)],
)
def test_a_fitted_search_survives_pickle_and_joblib(folder: Path, storage: Any) -> None:
    searched = search(storage=storage).fit(X, Y)
    joblib.dump(searched, "search.joblib")
    for again in (pickle.loads(pickle.dumps(searched)), joblib.load("search.joblib")):  # noqa: S301
        assert np.array_equal(searched.predict_proba(X), again.predict_proba(X))
        assert told(searched) == told(again)
        assert again.study_.best_value == searched.study_.best_value
        assert again.result_ == searched.result_


def test_an_unfitted_search_survives_pickle() -> None:
    again = pickle.loads(pickle.dumps(search(pruner=optuna.pruners.MedianPruner())))  # noqa: S301

    assert again.fit(X, Y).score(X, Y) > 0.8


# --- tables and labels ------------------------------------------------------------------------


def test_a_tables_column_names_are_kept(baseline: LearningRateSearchCV) -> None:
    searched = search().fit(TABLE, pd.Series(Y, index=range(500, 650)))

    assert list(searched.feature_names_in_) == list(TABLE.columns)
    assert searched.n_features_in_ == baseline.n_features_in_ == 4
    assert searched.best_params_ == baseline.best_params_
    assert searched.best_score_ == pytest.approx(baseline.best_score_)  # sums in another order
    assert not hasattr(searched.fit(X, Y), "feature_names_in_")
    assert not hasattr(search(), "n_features_in_")


def test_transformers_may_choose_columns_by_name() -> None:
    columns = make_column_transformer((StandardScaler(), ["petal length", "petal width"]))
    searched = search(make_pipeline(columns, Classifier())).fit(TABLE, Y)

    assert searched.best_estimator_[-1].n_features_in_ == 2
    assert searched.score(TABLE, Y) > 0.8


@pytest.mark.parametrize("labels", [["setosa", "versicolor", "virginica"], [7, -1, 3]])
@pytest.mark.parametrize(
    "kind", [np.array, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (pd.Series, list))]
)
def test_labels_may_be_any(labels: list[Any], kind: Any) -> None:
    y = np.array(labels)[Y]
    searched = search(scoring="accuracy").fit(X, kind(y))

    assert sorted(labels) == list(searched.classes_)
    assert set(searched.predict(X)) <= set(labels)
    assert searched.score(X, y) > 0.8


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_a_class_may_be_missing_from_a_training_fold(scoring: Any) -> None:
    with pytest.warns(LrtuneWarning, match="stratified"):
        searched = search(cv=KFold(3), scoring=scoring).fit(X, Y)  # holds out a whole class each

    assert list(searched.classes_) == [0, 1, 2]
    assert searched.predict_proba(X).shape == (150, 3)
    assert np.isfinite(searched.best_score_)


def test_a_search_is_a_classifier_or_regressor_as_its_estimator_is(
    baseline: LearningRateSearchCV,
) -> None:
    regression = search(scaled(MLPRegressor(max_iter=4)))

    assert (is_classifier(baseline), is_regressor(baseline)) == (True, False)
    assert (is_classifier(regression), is_regressor(regression)) == (False, True)
    assert not hasattr(regression.fit(*load_diabetes(return_X_y=True)), "predict_proba")
    assert not hasattr(regression, "classes_")


# --- notebooks --------------------------------------------------------------------------------


def test_html_shows_names_and_runs_none_of_them(folder: Path) -> None:
    name = "<script>alert(1)</script>"
    searched = search(storage="record.journal", study_name=name).fit(X, Y)
    diagram, table = estimator_html_repr(searched), searched.result_._repr_html_()

    assert "LearningRateSearchCV" in diagram
    assert "StandardScaler" in diagram
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in table
    assert name not in diagram + table
