"""`LearningRateSearchCV`: the splits that settings are judged on, and what it tells of them."""

from functools import partial
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, PredefinedSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.tuning.sampling.asking import BLOCK_SIZE
from tests.iris import PAIRS, X, Y, scaled

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


# --- splits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        StratifiedKFold(2),
        PAIRS,
        tuple(PAIRS),
        (pair for pair in PAIRS),
        PredefinedSplit(np.isin(np.arange(150), PAIRS[1][1]).astype(int)),
    ],
    ids=["splitter", "list", "tuple", "generator", "predefined"],
)
def test_the_same_splits_in_any_form_give_the_same_result(
    baseline: LearningRateSearchCV, cv: Any
) -> None:
    searched = search(cv=cv).fit(X, Y)

    assert searched.n_splits_ == 2
    assert told(baseline) == told(searched)


def test_no_cv_is_five_folds() -> None:
    searched = search(cv=None).fit(X, Y)

    assert searched.n_splits_ == 5
    assert sum(name.startswith("split") for name in searched.cv_results_) == 5


def test_groups_go_to_the_splitter() -> None:
    groups = np.arange(150) % 7
    by_groups = search(cv=GroupKFold(3)).fit(X, Y, groups=groups)
    pairs = list(GroupKFold(3).split(X, Y, groups))

    assert told(search(cv=pairs).fit(X, Y)) == told(by_groups)
    with pytest.raises(ValueError, match="groups"):
        search(cv=GroupKFold(3)).fit(X, Y)


def test_a_generator_of_splits_is_used_up_and_the_message_says_so() -> None:
    searching = search(cv=(pair for pair in PAIRS)).fit(X, Y)

    with pytest.raises(InvalidInputError, match=r"cv.* generator"):
        searching.fit(X, Y)


class Recorder(TransformerMixin, BaseEstimator):
    """Notes which rows it is fitted on."""

    seen: list[Any] = []  # noqa: RUF012

    def fit(self, X: Any, y: Any = None) -> "Recorder":  # noqa: ARG002
        self.seen.append(X[:, -1].astype(int))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return X[:, :-1]


def test_transformers_are_fitted_on_training_rows_once_per_split_and_for_the_refit() -> None:
    Recorder.seen.clear()
    numbered = np.column_stack([X, np.arange(150)])
    search(make_pipeline(Recorder(), StandardScaler(), Classifier()), cv=PAIRS).fit(numbered, Y)
    first, second, refit = Recorder.seen

    assert [PAIRS[0][0].tolist(), PAIRS[1][0].tolist()] == [first.tolist(), second.tolist()]
    assert list(range(150)) == refit.tolist()


# --- what it tells ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(baseline: LearningRateSearchCV) -> pd.DataFrame:
    return pd.DataFrame(baseline.cv_results_)


def test_every_trial_has_a_row_whatever_came_of_it(
    baseline: LearningRateSearchCV, table: pd.DataFrame
) -> None:
    counts = table["status"].value_counts()

    assert len(table) == len(baseline.study_.trials) == 16
    assert set(counts.index) == {"complete", "diverged"}
    assert counts["diverged"] == baseline.result_.trials.diverged
    assert counts["complete"] == baseline.result_.trials.complete


def test_diverged_rows_are_nan_throughout_and_rank_last(table: pd.DataFrame) -> None:
    diverged = table["status"] == "diverged"
    scores = table.filter(regex="^(split|mean|std).*_test_score$")

    assert scores.shape[1] == 4
    assert scores[diverged].isna().all(axis=None)
    assert scores[~diverged].notna().all(axis=None)
    assert (table["rank_test_score"][diverged] == (~diverged).sum() + 1).all()


def test_ranks_means_and_deviations_are_those_of_the_splits(table: pd.DataFrame) -> None:
    complete = table[table["status"] == "complete"]
    splits = complete[["split0_test_score", "split1_test_score"]]
    ranks = complete["mean_test_score"].rank(ascending=False, method="min")

    assert complete["mean_test_score"].tolist() == pytest.approx(splits.mean(axis=1).tolist())
    assert complete["std_test_score"].tolist() == pytest.approx(splits.std(axis=1, ddof=0).tolist())
    assert complete["rank_test_score"].tolist() == ranks.tolist()


def test_parameters_have_columns_and_the_estimators_own_names(
    baseline: LearningRateSearchCV, table: pd.DataFrame
) -> None:
    names = ["learning_rate_init", "decay", "decay_rate"]
    columns = [f"mlpclassifier__{name}" for name in names]

    assert list(baseline.best_params_) == [
        name for name in columns if name in baseline.best_params_
    ]
    for row, params in enumerate(table["params"]):
        assert params == {
            name: table[f"param_{name}"][row]
            for name in columns
            if not pd.isna(table[f"param_{name}"][row])
        }
    pasted = scaled(Classifier()).set_params(**baseline.best_params_)
    assert pasted[-1].decay == baseline.best_estimator_[-1].decay
    bare = search(Classifier()).fit(X, Y).best_params_
    assert {"learning_rate_init", "decay"} <= bare.keys() <= set(names)


def test_best_row_result_and_study_agree(
    baseline: LearningRateSearchCV, table: pd.DataFrame
) -> None:
    best = table.loc[baseline.best_index_]
    trial = baseline.study_.trials[baseline.best_index_]

    assert (best["rank_test_score"], best["mean_test_score"]) == (1, baseline.best_score_)
    assert best["params"] == baseline.best_params_
    assert baseline.study_.best_trial.number == baseline.best_index_
    assert -trial.value == pytest.approx(baseline.best_score_, rel=1e-12)
    assert baseline.result_.search_loss == pytest.approx(-baseline.best_score_, rel=1e-12)
    assert list(baseline.result_.best_params.values()) == list(baseline.best_params_.values())


def test_times_are_seconds_per_split(table: pd.DataFrame) -> None:
    assert (table["mean_fit_time"] > 0).all()
    assert 2 * table["mean_fit_time"].sum() < 60


def several(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    return {"accuracy": estimator.score(X, y), "half": 0.5}


@pytest.mark.slow  # the fast form is in tuning/trainers/test_network.py
def test_the_result_does_not_depend_on_the_number_of_processes() -> None:
    one, two = (
        search(scoring=several, refit="accuracy", n_trials=20, n_jobs=n_jobs).fit(X, Y)
        for n_jobs in (None, 2)
    )

    assert told(one) == told(two)
    assert one.best_params_ == two.best_params_
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_the_time_limit_ends_a_search_after_the_block_that_is_being_trained() -> None:
    searched = search(n_trials=64, timeout=1e-9).fit(X, Y)

    assert len(searched.cv_results_["params"]) == BLOCK_SIZE
    assert any(f"{BLOCK_SIZE} of 64" in warning for warning in searched.result_.warnings)


def test_nothing_is_fitted_when_nothing_completes() -> None:
    searching = search(space={"learning_rate_init": (1e6, 1e7)})
    with pytest.raises(NothingCompletedError, match=r"16 diverged.* standardise"):
        searching.fit(X, Y)

    with pytest.raises(NotFittedError):
        searching.predict(X)


# --- the refit --------------------------------------------------------------------------------


def test_the_best_setting_is_fitted_on_all_rows_for_as_many_epochs_as_were_searched(
    baseline: LearningRateSearchCV,
) -> None:
    network = baseline.best_estimator_[-1]
    pasted = scaled(Classifier(random_state=0)).set_params(**baseline.best_params_).fit(X, Y)

    assert (network.n_iter_, network.random_state) == (4, 0)
    assert baseline.refit_time_ > 0
    assert np.array_equal(pasted.predict_proba(X), baseline.predict_proba(X))
    assert np.array_equal(pasted.predict(X), baseline.predict(X))


def test_two_fits_with_the_same_seed_agree(baseline: LearningRateSearchCV) -> None:
    again = search().fit(X, Y)
    states = [
        search(random_state=np.random.RandomState(3)).fit(X, Y).best_params_ for _ in range(2)
    ]

    assert told(baseline) == told(again)
    assert np.array_equal(baseline.predict_proba(X), again.predict_proba(X))
    assert states[0] == states[1] != baseline.best_params_


def test_a_seed_of_the_estimators_own_is_kept_for_the_refit(
    baseline: LearningRateSearchCV,
) -> None:
    searched = search(scaled(Classifier(random_state=7))).fit(X, Y)

    assert searched.best_estimator_[-1].random_state == 7
    assert searched.best_params_ == baseline.best_params_  # splits have seeds of their own


def test_a_function_of_the_results_may_choose(baseline: LearningRateSearchCV) -> None:
    def second(results: dict[str, Any]) -> int:
        return int(np.argsort(results["rank_test_score"])[1])

    searched = search(refit=second).fit(X, Y)

    assert searched.cv_results_["rank_test_score"][searched.best_index_] == 2
    assert searched.best_params_ == searched.cv_results_["params"][searched.best_index_]
    assert searched.best_score_ < baseline.best_score_
    assert searched.best_estimator_[-1].decay == searched.best_params_["mlpclassifier__decay"]
    with pytest.raises(IndexError, match="best_index_"):
        search(refit=lambda _: 16).fit(X, Y)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score", "classes_"])
def test_without_a_refit_there_is_nothing_to_predict_with(
    baseline: LearningRateSearchCV, method: str
) -> None:
    searched = search(refit=False).fit(X, Y)

    assert searched.best_params_ == baseline.best_params_
    assert not hasattr(searched, "best_estimator_")
    assert not hasattr(searched, method)
    with pytest.raises(AttributeError, match=method) as error:
        getattr(searched, method)
    assert "refit=True" in str(error.value.__cause__ or error.value)


def test_nothing_that_was_given_is_changed() -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    searching = search(sampler=sampler)
    estimator, before = searching.estimator, str(searching.get_params())
    first, second = (searching.fit(X, Y).best_params_ for _ in range(2))

    assert first == second
    assert str(searching.get_params()) == before
    assert searching.estimator is estimator
    assert not hasattr(estimator[-1], "coefs_")
