"""`LearningRateSearchCV`: own spaces, samplers and pruners, and arguments that do not fit."""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState
from sklearn.linear_model import LogisticRegression

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.space import DEFAULT_DECAYS
from tests.iris import X, Y, scaled

Classifier = partial(MLPClassifier, max_iter=8)


def search(estimator: Any = None, **options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "confirm": False, "random_state": 0}
    return LearningRateSearchCV(estimator or scaled(Classifier()), **(small | options))


def tried(searched: LearningRateSearchCV, name: str) -> list[Any]:
    return list(searched.cv_results_[f"param_mlpclassifier__{name}"])


def alpha0_range(searched: LearningRateSearchCV) -> tuple[float, float]:
    distribution = searched.study_.trials[0].distributions["learning_rate_init"]
    assert isinstance(distribution, optuna.distributions.FloatDistribution)
    return distribution.low, distribution.high


# --- the space --------------------------------------------------------------------------------


def test_what_a_space_leaves_out_has_its_default_range() -> None:
    searched = search(space={"decay": ["cosine", "linear"]}, n_trials=32).fit(X, Y)
    rates = tried(searched, "learning_rate_init")
    low, high = alpha0_range(searched)

    assert set(tried(searched, "decay")) == {"cosine", "linear"}
    assert low < min(rates) < 10 * low
    assert high / 10 < max(rates) < high
    assert min(rates) < 1 < max(rates)  # the divergence edge of this network is above 1
    assert 0.03 / 8 < min(tried(searched, "decay_rate")) < max(tried(searched, "decay_rate"))
    assert set(tried(search(n_trials=48).fit(X, Y), "decay")) == set(DEFAULT_DECAYS)


@pytest.mark.parametrize(
    ("space", "allowed"),
    [
        ({"learning_rate_init": (0.01, 0.02)}, lambda value: 0.01 <= value <= 0.02),
        ({"learning_rate_init": 0.05}, lambda value: value == 0.05),
        (
            {"learning_rate_init": FloatDistribution(0.01, 0.02, log=True)},
            lambda value: 0.01 <= value <= 0.02,
        ),
        ({"decay": "cosine"}, lambda value: value == "cosine"),
        ({"decay": CategoricalDistribution(["step"])}, lambda value: value == "step"),
        ({"decay_rate": (0.1, 0.2)}, lambda value: 0.1 <= value <= 0.2),
        ({"optimizer": ["adam", "sgd"]}, {"adam", "sgd"}.__contains__),
        ({"optimizer": CategoricalDistribution(["adam"])}, {"adam"}.__contains__),
        ({"alpha": (1e-6, 1e-2)}, lambda value: 1e-6 <= value <= 1e-2),
        ({"alpha": FloatDistribution(0.0, 1.0)}, lambda value: 0.0 <= value <= 1.0),
        ({"batch_size": [16, 32]}, {16, 32}.__contains__),
        ({"batch_size": (8, 64)}, lambda value: isinstance(value, int) and 8 <= value <= 64),
        ({"batch_size": (np.int64(8), np.int64(9))}, {8, 9}.__contains__),
        ({"batch_size": IntDistribution(8, 64, step=8)}, lambda value: value % 8 == 0),
        ({"hidden_layer_sizes": [(5, 3), (6, 2)]}, {(5, 3), (6, 2)}.__contains__),
        ({"hidden_layer_sizes": [[5, 3], (6,), 7]}, {(5, 3), (6,), 7}.__contains__),
        ({"cycle_epochs": [None, 4.0]}, {None, 4.0}.__contains__),
        ({"activation": ["tanh"], "power": [1.0]}, lambda value: value == "tanh"),
    ],
    ids=itertools.count(),  # the same in every process
)
def test_a_space_may_name_lists_ranges_and_distributions(
    space: dict[str, Any], allowed: Callable[[Any], bool]
) -> None:
    searched = search(space=space).fit(X, Y)
    name = next(iter(space))

    assert all(allowed(value) for value in tried(searched, name) if value is not np.ma.masked)
    assert getattr(searched.best_estimator_[-1], name) == searched.best_params_[
        f"mlpclassifier__{name}"
    ]  # fmt: skip
    names = {f"mlpclassifier__{name}" for name in ("learning_rate_init", "decay", *space)}
    is_constant = searched.best_params_["mlpclassifier__decay"] == "constant"
    assert set(searched.best_params_) - names == (
        set() if is_constant or "decay_rate" in space else {"mlpclassifier__decay_rate"}
    )


def test_a_space_may_have_the_names_of_the_pipeline_as_best_params_has() -> None:
    space = {
        "learning_rate_init": (0.01, 0.5),
        "decay": ["constant", "cosine"],
        "alpha": [0.0, 0.1],
    }
    bare, prefixed = (
        search(space={prefix + name: value for name, value in space.items()}).fit(X, Y)
        for prefix in ("", "mlpclassifier__")
    )

    assert prefixed.best_params_ == bare.best_params_
    assert prefixed.cv_results_["params"] == bare.cv_results_["params"]


def test_a_constant_rate_has_no_decay_rate() -> None:
    searched = search(space={"decay": ["constant", "cosine"]}, confirm=True).fit(X, Y)
    constant = search(space={"decay": "constant"}).fit(X, Y)
    name = "mlpclassifier__decay_rate"

    for params in searched.cv_results_["params"]:
        assert (name in params) == (params["mlpclassifier__decay"] == "cosine")
    assert list(searched.cv_results_[f"param_{name}"].mask) == [
        params["mlpclassifier__decay"] == "constant" for params in searched.cv_results_["params"]
    ]
    assert name not in constant.best_params_
    assert "decay_rate" not in constant.result_.best_params
    assert constant.result_.schedule == constant.best_schedule_
    rate = constant.best_params_["mlpclassifier__learning_rate_init"]
    assert constant.best_schedule_([0, 5]).tolist() == [rate, rate]


@pytest.mark.slow
def test_with_several_optimizers_the_default_range_covers_them_all() -> None:
    both = search(space={"optimizer": ["sgd", "adam"]}, n_trials=64).fit(X, Y)
    sgd, adam = (search(space={"optimizer": [name]}).fit(X, Y) for name in ("sgd", "adam"))

    assert set(tried(both, "optimizer")) == {"sgd", "adam"}
    low, high = zip(alpha0_range(sgd), alpha0_range(adam), strict=True)
    assert alpha0_range(both) == (min(low), max(high))


# --- own samplers and pruners -----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RandomSampler", {}),
        pytest.param("QMCSampler", {"warn_independent_sampling": False}, marks=pytest.mark.slow),
        pytest.param("TPESampler", {}, marks=pytest.mark.slow),
        pytest.param("NSGAIISampler", {"population_size": 16}, marks=pytest.mark.slow),
    ],
)
def test_an_own_sampler_goes_on_from_block_to_block(
    kind: str, options: dict[str, Any], folder: Path
) -> None:
    sampler = getattr(optuna.samplers, kind)(seed=1, **options)
    searched = search(sampler=sampler, n_trials=40).fit(X, Y)
    rates = tried(searched, "learning_rate_init")
    recorded = partial(search, sampler=sampler, storage="a.journal", study_name="study")
    recorded(n_trials=16).fit(X, Y)
    resumed = recorded(n_trials=40).fit(X, Y)

    assert len(set(rates[:16])) == 16  # two blocks, of which the second is not the first again
    assert rates != tried(search(n_trials=40).fit(X, Y), "learning_rate_init")
    assert tried(resumed, "learning_rate_init") == rates


GRID: dict[str, Any] = {
    "learning_rate_init": [0.01, 0.1, 0.3, 1.0, 3.0],
    "decay": ["constant", "cosine"],
    "decay_rate": [0.01, 0.1],
    "hidden_layer_sizes": ["(5,)", "(9, 3)"],  # as Optuna shows a choice that JSON has no form for
}


def test_a_grid_is_tried_point_by_point() -> None:
    sampler = optuna.samplers.GridSampler(GRID, seed=0)
    space = {"learning_rate_init": (0.01, 3.0), "hidden_layer_sizes": [(5,), (9, 3)]}
    searched = search(sampler=sampler, space=space, n_trials=40).fit(X, Y)
    points = {tuple(trial.params.values()) for trial in searched.study_.trials}

    assert len(points) == 40
    assert set(tried(searched, "learning_rate_init")) == set(GRID["learning_rate_init"])
    assert set(tried(searched, "hidden_layer_sizes")) == {(5,), (9, 3)}


@pytest.mark.parametrize(
    "pruner",
    [
        optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        pytest.param(
            optuna.pruners.HyperbandPruner(min_resource=2, reduction_factor=2),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            optuna.pruners.SuccessiveHalvingPruner(min_resource=2), marks=pytest.mark.slow
        ),
    ],
    ids=lambda pruner: type(pruner).__name__,
)
def test_an_own_pruner_halts_settings_that_are_told_apart_from_diverged_ones(pruner: Any) -> None:
    searched, again = (search(pruner=pruner, n_trials=48).fit(X, Y) for _ in range(2))
    status = searched.cv_results_["status"]
    pruned = [trial for trial, word in zip(searched.study_.trials, status, strict=True)
              if word == "pruned"]  # fmt: skip

    assert set(status) == {"complete", "diverged", "pruned"}
    assert searched.result_.trials.pruned == len(pruned)
    assert {trial.state for trial in pruned} == {TrialState.PRUNED}
    assert all(max(trial.constraints.values()) <= 0 for trial in pruned)  # feasible
    assert all(1 <= len(trial.intermediate_values) < 8 for trial in pruned)
    assert np.isnan(searched.cv_results_["mean_test_score"][status == "pruned"]).all()
    assert np.isfinite(searched.cv_results_["mean_test_score"][status == "complete"]).all()
    assert searched.result_.epochs_saved > 0
    assert status.tolist() == again.cv_results_["status"].tolist()


def test_a_resumed_search_with_a_pruner_goes_on_as_an_uninterrupted_one(folder: Path) -> None:
    pruner = optuna.pruners.HyperbandPruner(min_resource=2, reduction_factor=2)
    recorded = partial(search, pruner=pruner, storage="a.journal", study_name="study")
    recorded(n_trials=32).fit(X, Y)
    resumed, whole = recorded(n_trials=48).fit(X, Y), search(pruner=pruner, n_trials=48).fit(X, Y)

    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    assert resumed.cv_results_["status"].tolist() == whole.cv_results_["status"].tolist()


# --- arguments that do not fit ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"momemtum": (0.1, 0.9)}, "'momemtum'"),
        ({"mlp__alpha": (0.1, 0.9)}, "'mlp__alpha'"),
        ({"standardscaler__with_mean": [True, False]}, "'standardscaler__with_mean'"),
        (
            {"mlpclassifier__alpha": (0.1, 0.9), "alpha": (0.1, 0.9)},
            "once, but got 'alpha' and 'mlpclassifier__alpha'",
        ),
        ({"max_iter": [5, 10]}, "'max_iter'"),
        ({"learning_rate_init": (1.0, 0.1)}, r"learning_rate_init.* \(1.0, 0.1\)"),
        ({"learning_rate_init": (0.0, 0.1)}, "learning_rate_init.* positive"),
        ({"learning_rate_init": [0.1, 0.2]}, r"learning_rate_init.*\(low, high\)"),
        ({"learning_rate_init": FloatDistribution(0.1, 1)}, r"or FloatDistribution\(.*log=True\)"),
        ({"decay_rate": (0.1, np.inf)}, "decay_rate.* finite"),
        ({"decay": ["magic"]}, "decay.* constant, .*'magic'"),
        ({"decay": []}, "decay.* at least one"),
        ({"decay": 3}, "decay.* constant, .* 3"),
        ({"alpha": (1.0, 0.1)}, r"alpha.*\(1.0, 0.1\)"),
        ({"alpha": (-1.0, 1.0)}, "'alpha' .* -1.0"),
        ({"alpha": "small"}, "alpha.* list of choices"),
        ({"alpha": []}, "alpha.* list of choices"),
        ({"batch_size": [16, 0]}, "'batch_size' .* 0"),
        ({"batch_size": (8.0, 64.0)}, "'batch_size' .* 8.0"),
        ({"activation": ["relu", "gelu"]}, "'activation' .* 'gelu'"),
        ({"hidden_layer_sizes": [(5,), (0,)]}, r"hidden_layer_sizes.*\(0,\)"),
        ({"optimizer": ["lion"]}, "'optimizer' .* 'lion'"),
        ({"optimizer": "adam"}, "optimizer.*'adam'"),
        ({"min_learning_rate": (0.1, 0.2)}, r"learning_rate_init.* 0.1"),
        ({"cycle_epochs": [4.0], "warmup_epochs": [1.0, 5.0]}, "warmup_epochs"),
        ({"cycle_epochs": [4.0], "decay": ["cosine", "plateau"]}, "decay='plateau'"),
    ],
    ids=str,
)
def test_a_space_that_does_not_fit_is_refused_before_anything_is_recorded(
    space: dict[str, Any], message: str, folder: Path
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        search(space=space, storage="a.journal").fit(X, Y)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"estimator": LogisticRegression()},
            "got sklearn.linear_model._logistic.LogisticRegression",
        ),
        ({"estimator": scaled(LogisticRegression())}, "estimator.* MLPClassifier"),
        ({"estimator": MLPClassifier}, "estimator.* builtins.type"),
        ({"estimator": Classifier(early_stopping=True)}, "early_stopping=True"),
        ({"estimator": scaled(Classifier(tol=1e-3))}, "tol=0.001"),
        ({"estimator": Classifier(min_learning_rate=1.0)}, "min_learning_rate"),
        ({"estimator": Classifier(hidden_layer_sizes=(0,))}, "hidden_layer_sizes"),
        ({"estimator": Classifier(alpha=-1)}, "'alpha'"),
        ({"cv": []}, "cv.* at least one split"),
        ({"cv": 1}, "n_splits"),
        ({"cv": "three"}, "'cv'"),
        ({"cv": 51}, "n_splits=51"),
        ({"scoring": "accurcy"}, "'accurcy'"),
        ({"scoring": ["accuracy"]}, "refit.* accuracy"),
        ({"scoring": [print]}, "scoring.* names"),
        ({"scoring": 3}, "'scoring'"),
        ({"n_trials": 0}, "'n_trials'"),
        ({"timeout": 0}, "'timeout'"),
        ({"space": [1]}, "'space'"),
        ({"sampler": "random"}, "'sampler'"),
        ({"storage": None, "study_name": "mine"}, "study_name.* storage"),
        ({"storage": "no/such/folder/a.journal"}, "storage.* folder"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_recorded(
    options: dict[str, Any], message: str, folder: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        search(**({"storage": "a.journal"} | options)).fit(X, Y)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("y", "params", "message"),
    [
        (None, {}, " y is None"),
        (np.where(Y == 1, np.nan, Y), {}, "y contains NaN"),
        (Y + 0.5, {}, "Unknown label type"),
        (np.c_[Y, Y], {}, "one class per row, or a 0 or 1 for each label"),
        (Y[1:], {}, "inconsistent numbers of samples"),
        (Y, {"mlpclassifier__sample_weight": np.ones(3)}, "sample_weight.shape"),
        (Y, {"mlpclassifier__sample_weight": -np.ones(150)}, "Negative values"),
        (Y, {"sample_weight": np.ones(150)}, "mlpclassifier__sample_weight"),
        (Y, {"standardscaler__sample_weight": np.ones(150)}, "standardscaler__sample_weight"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_recorded(
    y: Any, params: dict[str, Any], message: str, folder: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        search(storage="a.journal").fit(X, y, **params)

    assert list(folder.iterdir()) == []
