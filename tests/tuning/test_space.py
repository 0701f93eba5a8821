"""The space: parameters ⇄ setting."""

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution, IntDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.schedules import DECAYS, Schedule
from lrtune.tuning.space import DEFAULT_DECAYS, DEFAULT_RATES, Dimension, Setting, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_a_trial_and_its_setting_hold_the_same_three_parameters() -> None:
    space = Space.default(20, learning_rate_init=(1e-3, 30.0))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask(fixed_distributions=space.distributions())
        setting = space.setting(trial.params)

        assert setting.params == trial.params
        assert Setting.of(trial.params) == setting
        assert space.distributions() == trial.distributions
        assert Schedule(**setting.params)


def test_without_a_range_of_rates_no_setting_can_be_drawn() -> None:
    with pytest.raises(InvalidInputError, match="learning_rate_init must have a range before"):
        Space.default(20).distributions()


def test_every_optimizer_has_a_rate_that_people_use_untuned() -> None:
    assert set(DEFAULT_RATES) == set(OPTIMIZERS)


@pytest.mark.parametrize("epochs", [1, 20, 500])
def test_the_decay_rate_scales_with_the_number_of_epochs(epochs: int) -> None:
    assert Space.default(epochs).decay_rate == (0.03 / epochs, 30 / epochs)


def test_the_default_decays_have_no_options_of_their_own() -> None:
    assert all(not DECAYS[decay].options for decay in DEFAULT_DECAYS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate_init": (1.0, 0.1)}, r"learning_rate_init must be a range .* got 1.0:0.1"),
        ({"learning_rate_init": (0.0, 0.1)}, "positive"),
        ({"decay_rate": (0.1, float("inf"))}, "decay_rate must be a range of positive, finite"),
        ({"decay_rate": (float("nan"), 1.0)}, "decay_rate must be a range"),
        ({"decay": []}, "at least one of"),
        ({"decay": ["cosine", "cosine"]}, "each type once"),
        ({"decay": ["magic"]}, "got 'magic'"),
    ],
)
def test_bad_spaces_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Space.default(20, **change)


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
        drawn = dimension.distribution.to_internal_repr(trial["alpha"])

        assert dimension.distribution._contains(drawn)
