"""The search: the budget holds, the untuned default is tried first, bad arguments are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.progress import Progress
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling, ask_block
from lrtune.tuning.search import Budget, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

SPACE = Space.default(20, learning_rate_init=(1e-3, 30.0))


def iris_trainer(**options: Any) -> NetworkTrainer:
    X, y = load_iris(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), MLPClassifier(**({"max_iter": 3} | options)))
    return NetworkTrainer.on_random_splits(estimator, X, y, 2)


@pytest.fixture(scope="module")
def iris() -> NetworkTrainer:
    return iris_trainer()


def run(
    trainer: NetworkTrainer,
    n_trials: int,
    *,
    space: Space = SPACE,
    sampling: Sampling = Sampling(),  # noqa: B008
    on_progress: Any = None,
) -> SearchResult:
    budget = Budget(n_trials, replicates=2, confirm=False)
    return search(trainer, space, budget=budget, sampling=sampling, on_progress=on_progress)


# --- the untuned default ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate_init": 0.02},
        {"learning_rate_init": 0.3, "decay": "cosine", "decay_rate": 0.4},
    ],
)
def test_the_first_trial_is_the_untuned_default(options: dict[str, Any]) -> None:
    trials = run(iris_trainer(**options), 16).finished
    first = SPACE.setting(trials[0].params)
    untuned = MLPClassifier(**options)
    default = Setting(untuned.initial_rate(), untuned.decay, untuned.decay_rate)

    assert first.is_like(default)
    assert [first.is_like(SPACE.setting(trial.params)) for trial in trials].count(True) == 1


@pytest.mark.parametrize(
    "space",
    [
        Space.default(20, learning_rate_init=(0.2, 30.0)),
        Space.default(20, learning_rate_init=(1e-3, 0.09)),
        Space.default(20, learning_rate_init=(1e-3, 30.0), decay=["cosine", "linear"]),
    ],
    ids=["above", "below", "no constant rate"],
)
def test_a_default_that_the_space_leaves_out_is_not_tried(
    iris: NetworkTrainer, space: Space
) -> None:
    trials = run(iris, BLOCK_SIZE, space=space).finished
    plain = ask_block([], space, Sampling(), epochs=3)

    assert [trial.params for trial in trials] == [trial.params for trial in plain]
    assert all(
        (trial.params["learning_rate_init"], trial.params["decay"]) != (0.1, "constant")
        for trial in trials
    )


@pytest.mark.parametrize(
    ("spec", "options", "held"),
    [
        ([(50, 12), (9,)], {"hidden_layer_sizes": [50, 12]}, True),
        ([(50, 12), (9,)], {"hidden_layer_sizes": np.array([9])}, True),
        ([(50, 12), (9,)], {"hidden_layer_sizes": (7,)}, False),
        (FloatDistribution(0.1, 0.9, step=0.2), {"alpha": 0.3}, True),
        (FloatDistribution(0.1, 0.9, step=0.2), {"alpha": 0.35}, False),
        (IntDistribution(8, 24, step=8), {"batch_size": 10}, False),
    ],
)
def test_a_default_with_further_parameters_is_tried_if_the_space_holds_them_all(
    spec: Any, options: dict[str, Any], held: bool
) -> None:
    ((name, value),) = options.items()
    space = replace(SPACE, others=((name, Dimension.of(name, spec)),))
    first = space.setting(run(iris_trainer(**options), 16, space=space).finished[0].params)
    plain_value = tuple(value) if name == "hidden_layer_sizes" else value

    assert first.is_like(Setting(0.1, "constant", 0.0, ((name, plain_value),))) == held


def test_a_users_sampler_is_not_given_the_default(iris: NetworkTrainer) -> None:
    sampling = Sampling(sampler=optuna.samplers.RandomSampler(seed=0))
    first = run(iris, 1, sampling=sampling).finished[0]

    assert first.params["learning_rate_init"] != 0.1


# --- a whole search -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_trials", [1, 15, 16, 17, 40])
def test_the_budget_is_kept_to_the_trial(iris: NetworkTrainer, n_trials: int) -> None:
    reports: list[Progress] = []
    result = run(iris, n_trials, on_progress=reports.append)

    assert sum(vars(result.trials).values()) == n_trials
    assert (reports[0].finished, reports[-1].finished, reports[-1].total) == (0, n_trials, n_trials)


def test_a_shorter_search_is_the_beginning_of_a_longer_one(iris: NetworkTrainer) -> None:
    short, long = run(iris, 32), run(iris, 40)

    assert [each.params for each in short.finished] == [each.params for each in long.finished[:32]]
    assert [each.value for each in short.finished] == [each.value for each in long.finished[:32]]


def test_without_a_recording_nothing_is_written(iris: NetworkTrainer, folder: Any) -> None:
    result = run(iris, 2)

    assert (result.study, result.storage) == (None, None)
    assert list(folder.iterdir()) == []


def test_the_best_params_are_the_estimators(iris: NetworkTrainer) -> None:
    result = run(iris, 4)
    model = MLPClassifier(**result.best_params)

    assert model.get_params().items() >= result.best_params.items()


def test_without_a_range_the_edge_of_divergence_lies_inside_the_one_that_is_found(
    iris: NetworkTrainer,
) -> None:
    result = run(iris, 1, space=Space.default(3))
    low, high = result.facts.space.rates
    edges = [edge for row in result.plan.edges for edge in row if edge is not None]

    assert edges
    assert low < min(edges) <= max(edges) <= high


def test_nothing_completed_says_what_to_do(iris: NetworkTrainer) -> None:
    too_high = Space.default(20, learning_rate_init=(1e6, 1e7))

    with pytest.raises(NothingCompletedError, match="none of 4 trials completed, 4 diverged"):
        run(iris, 4, space=too_high)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_trials": 0}, "`n_trials` must be at least 1"),
        ({"timeout": -1.0}, "`timeout` must be above 0"),
        ({"timeout": float("nan")}, "`timeout` must be above 0"),
        ({"audit_share": 1.5}, "`audit_share` must be above 0 and at most 1"),
    ],
)
def test_bad_budgets_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Budget(**change)
