"""`LearningRateSearchCV`: confirmation on fresh splits, of whatever splitter the user has."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune.tuning.trainers.network
from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.training.optimizers import DEFAULT_RATES
from lrtune.tuning.confirm.budget import ROUND
from lrtune.tuning.trainers.replicates import Replicate
from tests.iris import X, Y

GROUPS = np.arange(150) % 7
Classifier = partial(MLPClassifier, max_iter=4)


def search(**options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "random_state": 0}
    estimator = make_pipeline(StandardScaler(), Classifier())
    return LearningRateSearchCV(estimator, **(small | options))


class Met(list[Replicate]):
    """The replicates that were made ready, in order."""

    @property
    def seeds(self) -> list[int]:
        return [replicate.seed for replicate in self]

    @property
    def splits(self) -> list[bytes]:
        return [replicate.train.tobytes() for replicate in self]


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Met:
    replicates = Met()
    prepare = lrtune.tuning.trainers.network.prepare

    def noted(estimator: Any, X: Any, y: Any, replicate: Replicate, *more: Any) -> Any:
        replicates.append(replicate)
        return prepare(estimator, X, y, replicate, *more)

    monkeypatch.setattr(lrtune.tuning.trainers.network, "prepare", noted)
    return replicates


def by_hand(
    searched: LearningRateSearchCV, replicates: list[Replicate], **params: Any
) -> list[Any]:
    """The estimator trained with a setting on each replicate, and the rows it is judged on."""
    models = []
    for replicate in replicates:
        model = clone(searched.estimator).set_params(**params)
        model[-1].set_params(random_state=replicate.seed)
        models.append((model.fit(X[replicate.train], Y[replicate.train]), replicate.validation))
    return models


# --- the fresh splits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cv",
    [
        StratifiedKFold(2),
        pytest.param(TimeSeriesSplit(3), marks=pytest.mark.slow),
        PredefinedSplit(np.arange(150) % 3),
        pytest.param(list(StratifiedKFold(2).split(X, Y)), marks=pytest.mark.slow),
        (pair for pair in list(StratifiedKFold(2).split(X, Y))),
    ],
    ids=["unshuffled", "time", "predefined", "list", "generator"],
)
@pytest.mark.filterwarnings("ignore:.*class")
def test_splits_without_randomness_are_kept_with_fresh_seeds(met: Met, cv: Any) -> None:
    searched = search(cv=cv).fit(X, Y)
    n = searched.n_splits_

    result = searched.result_
    confirmation = result.confirmation
    assert confirmation.fixed_splits == n
    assert confirmation.replicates % n == 0 or confirmation.replicates < n
    assert any("chose the setting and confirmed it" in warning for warning in result.warnings)
    assert len(met) > 2 * n
    assert met.splits == (met.splits[:n] * len(met))[: len(met)]
    assert len(set(met.seeds)) == len(met)


@pytest.mark.parametrize(
    "cv",
    [3, None, StratifiedKFold(2, shuffle=True), StratifiedKFold(2, shuffle=True, random_state=3),
     ShuffleSplit(2, random_state=3), RepeatedStratifiedKFold(n_splits=2, n_repeats=2)],
    ids=["number", "none", "shuffled", "seeded", "drawn", "repeated"],
)  # fmt: skip
def test_a_splitter_that_shuffles_shuffles_afresh_and_is_left_as_it_was(met: Met, cv: Any) -> None:
    before = repr(cv)
    search(cv=cv).fit(X, Y)

    assert len(set(met.splits)) == len(set(met.seeds)) == len(met)
    assert repr(cv) == before


@pytest.mark.parametrize("cv", [GroupKFold(3), LeaveOneGroupOut()], ids=["folds", "one out"])
def test_no_group_is_on_both_sides_of_any_split(met: Met, cv: Any) -> None:
    search(cv=cv).fit(X, Y, groups=GROUPS)

    assert len(met) > 7
    for replicate in met:
        assert not set(GROUPS[replicate.train]) & set(GROUPS[replicate.validation])


class Asked(StratifiedKFold):
    """A splitter of the user's own that notes what it was asked with."""

    asked: list[tuple[Any, ...]] = []  # noqa: RUF012

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        self.asked.append((len(X), len(y), groups, self.random_state))
        yield from super().split(X, y)


def test_an_own_splitter_is_asked_for_as_many_splits_as_are_needed() -> None:
    Asked.asked.clear()
    searched = search(cv=Asked(2, shuffle=True, random_state=0)).fit(X, Y, groups=GROUPS)
    confirmation = searched.result_.confirmation
    raced = max(each.replicates for each in confirmation.contenders)
    seeds = [seed for *_, seed in Asked.asked]

    assert len(Asked.asked) == 1 + -(-(raced + confirmation.replicates) // 2)
    assert all((n, m) == (150, 150) and groups is GROUPS for n, m, groups, _ in Asked.asked)
    assert len(set(seeds)) == len(seeds)


def test_without_confirmation_only_the_searchs_splits_are_met(met: Met) -> None:
    searched = search(confirm=False).fit(X, Y)

    assert len(met) == 2
    assert searched.result_.confirmation is None
    assert searched.best_index_ == searched.cv_results_["rank_test_score"].argmin()
    assert any("fresh seeds" in each for each in searched.result_.warnings)


def test_a_number_of_folds_is_that_of_a_splitter_whose_further_splits_are_shuffled(
    met: Met,
) -> None:
    search(cv=3).fit(X, Y)
    splits = met.splits.copy()
    met.clear()
    search(cv=StratifiedKFold(3)).fit(X, Y)

    assert splits[:3] == met.splits[:3]
    assert not set(splits[3:]) & set(met.splits)


# --- what is chosen and told --------------------------------------------------------------------


def test_the_recommended_setting_is_what_is_refitted_and_told() -> None:
    searched, plain = search().fit(X, Y), search(confirm=False).fit(X, Y)
    result, row = searched.result_, searched.best_index_

    assert row == result.best_trial == result.confirmation.contenders[0].trial
    assert searched.best_params_ == searched.cv_results_["params"][row]
    assert searched.best_score_ == searched.cv_results_["mean_test_score"][row]
    assert searched.best_params_ == {
        f"mlpclassifier__{name}": value for name, value in result.best_params.items()
    }
    assert searched.best_estimator_[-1].decay == result.best.decay
    assert searched.cv_results_["params"] == plain.cv_results_["params"]


def test_the_first_setting_tried_and_one_of_those_confirmed_is_the_estimator_as_it_was() -> None:
    searched = search().fit(X, Y)
    first = searched.cv_results_["params"][0]
    untuned = searched.estimator.get_params()
    raced = [each.trial for each in searched.result_.confirmation.contenders]

    assert first["mlpclassifier__learning_rate_init"] == 0.1
    assert first["mlpclassifier__decay"] == untuned["mlpclassifier__decay"] == "constant"
    assert 0 in raced


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("momentum", marks=pytest.mark.slow)])
def test_the_default_is_at_the_optimizers_usual_rate(optimizer: str) -> None:
    def searched(**options: Any) -> Any:
        network = Classifier(optimizer=optimizer, **options)
        tuned = search(space={"learning_rate_init": (1e-4, 0.1)})
        return tuned.set_params(estimator=make_pipeline(StandardScaler(), network)).fit(X, Y)

    rate = DEFAULT_RATES[optimizer]
    unset, given = searched(), searched(learning_rate_init=rate)

    assert unset.cv_results_["params"][0]["mlpclassifier__learning_rate_init"] == rate
    assert unset.result_.default_loss == given.result_.default_loss
    assert unset.result_.best == given.result_.best


def test_a_function_of_the_results_still_has_the_last_word() -> None:
    searched = search(refit=lambda _: 5).fit(X, Y)

    assert searched.best_index_ == 5
    assert searched.result_.best_trial == searched.result_.confirmation.contenders[0].trial


def test_the_confirmed_loss_is_that_of_the_pasted_setting_on_the_fresh_splits(met: Met) -> None:
    searched = search(cv=3).fit(X, Y)
    fresh = met[-searched.result_.confirmation.replicates :]
    tuned, untuned = (
        [log_loss(Y[rows], model.predict_proba(X[rows]))
         for model, rows in by_hand(searched, fresh, **params)]
        for params in (searched.best_params_, {})
    )  # fmt: skip

    assert searched.result_.confirmed_loss == pytest.approx(np.mean(tuned), rel=1e-9)
    assert searched.result_.default_loss == pytest.approx(np.mean(untuned), rel=1e-9)


@pytest.mark.parametrize(
    "scoring", ["accuracy", pytest.param("roc_auc_ovr", marks=pytest.mark.slow)]
)
def test_the_metric_asked_for_is_the_metric_confirmed_and_the_loss_stands_beside_it(
    met: Met, scoring: str
) -> None:
    searched = search(cv=3, scoring=scoring).fit(X, Y)
    result, confirmation = searched.result_, searched.result_.confirmation
    fresh = met[-confirmation.replicates :]
    models = [by_hand(searched, fresh, **params) for params in (searched.best_params_, {})]
    tuned, untuned = (
        np.array([get_scorer(scoring)(model, X[rows], Y[rows]) for model, rows in each])
        for each in models
    )
    loss, default_loss = (
        np.mean([log_loss(Y[rows], model.predict_proba(X[rows])) for model, rows in each])
        for each in models
    )

    assert confirmation.metric == scoring
    assert result.confirmed_score == pytest.approx(tuned.mean(), rel=1e-9)
    assert result.default_score == pytest.approx(untuned.mean(), rel=1e-9)
    assert confirmation.gain.loss == pytest.approx((tuned - untuned).mean(), rel=1e-9)
    assert result.confirmed_score_se == confirmation.recommended.se > 0
    assert result.confirmed_loss == pytest.approx(loss, rel=1e-9)
    assert result.default_loss == pytest.approx(default_loss, rel=1e-9)
    profile = confirmation.profile
    middle = profile.losses[len(profile.rates) // 2]
    assert middle == pytest.approx(-tuned, rel=1e-9)
    assert profile.ideal == -1
    values = result.to_dict()
    assert values["confirmed_score"] == result.confirmed_score
    assert values["confirmed_loss"] == result.confirmed_loss


def test_a_search_of_the_loss_confirms_no_score() -> None:
    values = search().fit(X, Y).result_.to_dict()

    assert {values[key] for key in ("confirmed_score", "confirmed_score_se", "default_score")} == {
        None
    }
    assert values["confirmation"]["metric"] is None


@pytest.mark.parametrize("scoring", ["accuracy", pytest.param("f1_macro", marks=pytest.mark.slow)])
def test_a_race_is_run_on_what_the_search_maximises(met: Met, scoring: str) -> None:
    searched = search(scoring=scoring).fit(X, Y)
    raced = met[2:]
    for contender in searched.result_.confirmation.contenders:
        params = searched.cv_results_["params"][contender.trial]
        scores = [
            get_scorer(scoring)(model, X[rows], Y[rows])
            for model, rows in by_hand(searched, raced[: contender.replicates], **params)
        ]

        assert contender.replicates % ROUND == 0
        assert contender.loss == pytest.approx(-np.mean(scores), rel=1e-9)
        assert contender.search_loss == pytest.approx(
            -searched.cv_results_["mean_test_score"][contender.trial], rel=1e-9
        )
    assert searched.result_.confirmed_loss > 0  # the loss, whatever was raced on


def test_a_metric_without_a_number_on_fresh_splits_is_not_recommended(met: Met) -> None:
    def undefined(estimator: Any, X: Any, y: Any) -> float:
        """No number for slow settings, but on the search's own two splits."""
        slow = estimator[-1].learning_rate_init < 0.2
        return float("nan") if slow and len(met) > 2 else -estimator[-1].learning_rate_init

    searched = search(scoring=undefined, space={"learning_rate_init": (0.1, 0.4)}).fit(X, Y)

    assert searched.best_params_["mlpclassifier__learning_rate_init"] >= 0.2
    assert {each.status for each in searched.result_.confirmation.contenders} >= {"diverged"}


@pytest.mark.slow
def test_with_several_metrics_the_one_that_counts_is_raced_on() -> None:
    several = search(scoring=["accuracy", "neg_log_loss"], refit="accuracy").fit(X, Y)
    single = search(scoring="accuracy").fit(X, Y)

    assert several.result_.confirmation == single.result_.confirmation


def test_weights_of_the_rows_count_on_fresh_splits_too() -> None:
    weights = np.where(Y == 0, 1.0, 0.0)
    weighted = search().fit(X, Y, mlpclassifier__sample_weight=weights).result_

    assert weighted.confirmed_loss < 0.2 * search().fit(X, Y).result_.confirmed_loss


def test_the_same_seed_confirms_the_same() -> None:
    first, again = search().fit(X, Y), search().fit(X, Y)

    assert first.result_.confirmation == again.result_.confirmation
