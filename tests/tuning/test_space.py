"""The space: from parameters to a setting and back."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import DEFAULT_DECAYS, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_a_trial_and_its_setting_hold_the_same_three_parameters() -> None:
    space = Space.default(20, learning_rate_init=(1e-3, 30.0))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask(fixed_distributions=space.distributions())
        setting = space.setting(trial.params)

        assert setting.params == trial.params
        assert Setting.from_params(trial.params) == setting
        assert space.distributions() == trial.distributions
        assert Schedule(**setting.params)


def test_without_a_range_of_rates_no_setting_can_be_drawn() -> None:
    with pytest.raises(InvalidInputError, match="`learning_rate_init` must have a range before"):
        Space.default(20).distributions()


@pytest.mark.parametrize("epochs", [1, 20, 500])
def test_the_decay_rate_scales_with_the_number_of_epochs(epochs: int) -> None:
    assert Space.default(epochs).decay_rate == (0.03 / epochs, 30 / epochs)


def test_the_default_decays_have_no_options_of_their_own() -> None:
    assert all(not DECAYS[decay].options for decay in DEFAULT_DECAYS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rate_init": (1.0, 0.1)},
            r"`learning_rate_init` must be a range .* got \(1.0, 0.1\)",
        ),
        ({"learning_rate_init": (0.0, 0.1)}, "positive"),
        (
            {"decay_rate": (0.1, float("inf"))},
            "`decay_rate` must be a range .* of positive, finite",
        ),
        ({"decay_rate": (float("nan"), 1.0)}, "`decay_rate` must be a range"),
        ({"decay": []}, "at least one of"),
        ({"decay": ["cosine", "cosine"]}, "each type once"),
        ({"decay": ["magic"]}, "got 'magic'"),
    ],
)
def test_bad_spaces_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Space.default(20, **change)


# --- from a setting back to parameters ---------------------------------------------------------

WIDE = Space.default(20, learning_rate_init=(0.01, 1.0))
FURTHER = {
    "hidden_layer_sizes": [(50, 12), (100,)],
    "activation": ["relu", "tanh"],
    "alpha": (1e-6, 1e-2),
    "batch_size": (8, 64),
    "beta_1": FloatDistribution(0.1, 0.9, step=0.2),
    "warmup_epochs": IntDistribution(0, 6, step=3),
}
OTHERS: dict[str, Any] = {
    "hidden_layer_sizes": (100,), "activation": "relu", "alpha": 1e-4, "batch_size": 32,
    "beta_1": 0.3, "warmup_epochs": 3,
}  # fmt: skip


def wide(**others: Any) -> tuple[Space, Setting]:
    """A space with further dimensions, and a setting that it holds but for `others`."""
    dimensions = tuple((name, Dimension.of(name, spec)) for name, spec in FURTHER.items())
    setting = Setting(0.1, "cosine", 0.1, tuple((OTHERS | others).items()))
    return replace(WIDE, others=dimensions), setting


def test_a_settings_parameters_are_those_of_that_setting() -> None:
    space, setting = wide()
    params = space.params(setting)

    assert params is not None
    assert list(params) == list(space.distributions())
    assert params["hidden_layer_sizes"] == "(100,)"  # Optuna draws its label
    assert space.setting(params) == setting


@given(st.integers(0, 1000))
def test_a_space_holds_whatever_it_spreads(seed: int) -> None:
    space, _ = wide()
    for params in space.spread(4, seed):
        setting = replace(space.setting(params), decay="cosine")

        assert space.params(setting) == params | {"decay": "cosine"}


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_layer_sizes": (100, 100)}, {"activation": "logistic"}, {"alpha": 0.1},
        {"alpha": 1e-7}, {"batch_size": 7}, {"batch_size": 8.5}, {"batch_size": "auto"},
        {"alpha": None}, {"alpha": float("nan")}, {"beta_1": 0.35}, {"warmup_epochs": 2},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_with_one_value_outside_is_not_held(changes: dict[str, Any]) -> None:
    space, setting = wide(**changes)

    assert space.params(setting) is None


@pytest.mark.parametrize(
    ("setting", "held"),
    [
        (Setting(0.01, "cosine", 1.5), True),
        (Setting(1.0, "cosine", 0.0015), True),
        (Setting(1, "cosine", 1), True),
        (Setting(0.009, "cosine", 0.1), False),
        (Setting(1.1, "constant", 0.1), False),
        (Setting(0.1, "cosine", 0.0), False),
        (Setting(0.1, "step", 0.1), False),
        (Setting(0.1, "constant", 0.0), True),
        (Setting(0.1, "constant", 99.0), True),
    ],
)
def test_the_ends_of_a_range_are_held_and_a_constant_rate_whatever_its_decay_rate(
    setting: Setting, held: bool
) -> None:
    assert (WIDE.params(setting) is not None) == held


# --- the quasi-random start -------------------------------------------------------------------


def test_the_spread_fills_every_dimension_evenly() -> None:
    space = Space.default(20, learning_rate_init=(0.01, 10.0))
    trials = space.spread(16, seed=3)
    for name in ("learning_rate_init", "decay_rate"):
        low, high = getattr(space, name)
        shares = np.log([trial[name] / low for trial in trials]) / np.log(high / low)

        assert sorted((16 * shares).astype(int)) == list(range(16))  # one in each sixteenth
    assert {trial["decay"] for trial in trials} == set(DEFAULT_DECAYS)
    assert space.spread(16, seed=3) == trials != space.spread(16, seed=4)


@given(
    spec=st.sampled_from(
        [
            (1, 9), (1e-5, 1e-2), (0, 0), (0.3, 0.3), [True, False], ["relu", "tanh"],
            [(50, 12), (100,)], FloatDistribution(0.1, 0.9, step=0.2), FloatDistribution(-1.0, 1.0),
            IntDistribution(2, 10, step=2), IntDistribution(1, 100, log=True),
        ]
    ),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_the_spread_stays_within_what_optuna_allows(spec: Any, seed: int) -> None:
    dimension = Dimension.of("alpha", spec)
    space = replace(
        Space.default(20, learning_rate_init=(0.01, 10.0)), others=(("alpha", dimension),)
    )
    for trial in space.spread(8, seed):
        value = dimension.distribution.to_internal_repr(trial["alpha"])

        assert dimension.distribution._contains(value)


@pytest.mark.parametrize("further", [{}, FURTHER])
def test_a_space_survives_json(further: dict[str, Any]) -> None:
    for rates in (None, (0.01, 1.0)):
        space = Space.of({"learning_rate_init": rates, "decay": ["cosine", "step"], **further}, 20)
        text = json.dumps(space.to_json(), allow_nan=False)

        assert Space.from_json(json.loads(text)) == space
