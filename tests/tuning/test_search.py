"""The search: blocks are pure, the budget holds, the sampler learns where the cliff is."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import optuna
import pytest
from lrtune.tuning.trainers.judging import Outcome
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE, ask_block
from lrtune.tuning.search import Progress, Searched, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.lockstep import DivergedAt
from lrtune.tuning.trainers.replicates import make_replicates

SPACE = Space.default(20, learning_rate_init=(1e-3, 30.0))
EDGE = 0.3


def toy_outcome(setting: Setting) -> Outcome:
    """A loss that is least a little below the cliff at α₀ = `EDGE`, and divergence beyond it."""
    if setting.learning_rate_init > EDGE:
        at = DivergedAt(replicate=1, epoch=1, step=2, loss=None)
        return Outcome(setting, np.empty((3, 0)), None, 0.5, at)
    loss = 0.1 + (np.log10(3 * setting.learning_rate_init / EDGE)) ** 2
    return Outcome(setting, np.full((3, 20), loss), np.full(3, 0.9), 60.0)


def settings(trials: list[FrozenTrial], seed: int) -> list[dict[str, Any]]:
    return [trial.params for trial in ask_block(trials, SPACE, seed)]


def toy_trial(setting: Setting) -> FrozenTrial:
    return to_trial(setting.params, toy_outcome(setting), SPACE, 2.2, datetime.now())


def toy_trials(seed: int, n_blocks: int) -> list[FrozenTrial]:
    trials: list[FrozenTrial] = []
    for _ in range(n_blocks):
        for params in settings(trials, seed):
            outcome = toy_outcome(SPACE.setting(params))
            trial = to_trial(params, outcome, SPACE, cap=2.2, begun=datetime.now())
            trial.number = len(trials)
            trials.append(trial)
    return trials


def test_the_sampler_learns_where_the_cliff_is() -> None:
    beyond = np.mean(
        [
            [t.params["learning_rate_init"] > EDGE for t in toy_trials(seed, n_blocks=4)]
            for seed in range(8)
        ],
        axis=0,
    )

    assert 0.35 < beyond[:BLOCK_SIZE].mean() < 0.55  # drawn at random: 45 % of the range
    assert beyond[2 * BLOCK_SIZE :].mean() < 0.65 * beyond[:BLOCK_SIZE].mean()


def test_a_block_is_a_pure_function_of_seed_and_trials() -> None:
    trials = toy_trials(seed=3, n_blocks=2)

    assert settings(trials, 3) == settings(list(trials), 3)
    assert settings(trials, 3) != settings(trials, 4)
    assert settings(trials, 3) != settings(trials[:BLOCK_SIZE], 3)


def test_settings_of_a_block_differ() -> None:
    trials = toy_trials(seed=0, n_blocks=2)

    assert len({str(params) for params in settings(trials, 0)}) == BLOCK_SIZE


def test_the_first_trial_of_all_may_be_given_and_changes_no_other() -> None:
    given = {"learning_rate_init": 0.1, "decay": "constant"}
    plain, asked = ask_block([], SPACE, 3), ask_block([], SPACE, 3, default=given)
    trials = toy_trials(seed=3, n_blocks=1)

    assert asked[0].params == plain[0].params | given
    assert [trial.params for trial in asked[1:]] == [trial.params for trial in plain[1:]]
    assert settings(trials, 3) == [t.params for t in ask_block(trials, SPACE, 3, default=given)]


def test_a_completed_trial_ends_in_its_value() -> None:
    trial = toy_trial(Setting(0.1, "cosine", 0.1))

    assert trial.state == TrialState.COMPLETE
    assert trial.value == trial.intermediate_values[20] == pytest.approx(0.1)
    assert len(trial.intermediate_values) == 20
    assert trial.constraints["diverged"] <= 0


def test_a_diverged_trial_ends_in_the_finite_cap_and_is_infeasible() -> None:
    trial = toy_trial(Setting(1.0, "cosine", 0.1))

    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {1: 2.2}
    assert trial.user_attrs["diverged"] == {"replicate": 1, "epoch": 1, "step": 2, "loss": None}
    assert trial.constraints["diverged"] > 0


@pytest.fixture(scope="module")
def iris() -> dict[str, Any]:
    X, y = load_iris(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), MLPClassifier(max_iter=3))
    replicates = make_replicates(y, 2, task="classification")
    return {"estimator": estimator, "X": X, "y": y, "replicates": replicates, "space": SPACE}


# --- the untuned default ------------------------------------------------------------------------


def searched(iris: dict[str, Any], space: Space, **options: Any) -> Searched:
    network = MLPClassifier(**({"max_iter": 3} | options))
    estimator = make_pipeline(StandardScaler(), network)
    return search(**iris | {"estimator": estimator, "space": space}, n_trials=16)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"learning_rate_init": 0.02},
        {"learning_rate_init": 0.3, "decay": "cosine", "decay_rate": 0.4},
    ],
)
def test_the_first_trial_is_the_untuned_default(
    iris: dict[str, Any], options: dict[str, Any]
) -> None:
    found = searched(iris, SPACE, **options)
    first = SPACE.setting(found.trials[0].params)
    untuned = MLPClassifier(**options)
    own = Setting(untuned.learning_rate_init, untuned.decay, untuned.decay_rate)

    assert first.is_like(own)
    assert [first.is_like(SPACE.setting(trial.params)) for trial in found.trials].count(True) == 1


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
    iris: dict[str, Any], space: Space
) -> None:
    trials = searched(iris, space).trials
    plain = ask_block([], space, seed=0)

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
    iris: dict[str, Any], spec: Any, options: dict[str, Any], held: bool
) -> None:
    ((name, value),) = options.items()
    space = replace(SPACE, others=((name, Dimension.of(name, spec)),))
    first = space.setting(searched(iris, space, **options).trials[0].params)
    own = tuple(value) if name == "hidden_layer_sizes" else value

    assert first.is_like(Setting(0.1, "constant", 0.0, ((name, own),))) == held


def test_a_sampler_of_the_users_own_is_not_given_the_default(iris: dict[str, Any]) -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    first = search(**iris, n_trials=1, sampler=sampler).trials[0]

    assert first.params["learning_rate_init"] != 0.1


# --- a whole search -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_trials", [1, 15, 16, 17, 40])
def test_the_budget_is_kept_to_the_trial(iris: dict[str, Any], n_trials: int) -> None:
    seen: list[Progress] = []
    result = search(**iris, n_trials=n_trials, on_progress=seen.append).result

    assert sum(vars(result.trials).values()) == n_trials
    assert (seen[0].finished, seen[-1].finished, seen[-1].total) == (0, n_trials, n_trials)


def test_a_shorter_search_is_the_beginning_of_a_longer_one(iris: dict[str, Any]) -> None:
    seen: list[Progress] = []
    search(**iris, n_trials=40, on_progress=seen.append)
    short = search(**iris, n_trials=32).result

    assert short.search_loss == seen[2].best.value


def test_no_storage_leaves_no_record(iris: dict[str, Any], folder: Any) -> None:
    result = search(**iris, n_trials=2).result

    assert (result.study, result.storage) == (None, None)
    assert list(folder.iterdir()) == []


def test_the_best_params_are_the_estimators(iris: dict[str, Any]) -> None:
    result = search(**iris, n_trials=4).result
    model = MLPClassifier(**result.best_params)

    assert model.get_params().items() >= result.best_params.items()


def test_nothing_completed_says_what_to_do(iris: dict[str, Any]) -> None:
    too_high = Space.default(20, learning_rate_init=(1e6, 1e7))

    with pytest.raises(NothingCompletedError, match="none of 4 trials completed, 4 diverged"):
        search(**iris | {"space": too_high}, n_trials=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"n_trials": 0}, "trials must be at least 1"), ({"timeout": -1.0}, "timeout must be pos")],
)
def test_bad_arguments_are_refused(
    iris: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        search(**iris | change)
