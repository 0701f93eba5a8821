"""The space: parameters ⇄ setting."""

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.schedules import DECAYS, Schedule
from lrtune.tuning.space import DEFAULT_DECAYS, Setting, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_a_trial_and_its_setting_hold_the_same_three_parameters() -> None:
    space = Space.default("sgd", epochs=20)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask(fixed_distributions=space.distributions())
        setting = space.setting(trial.params)

        assert setting.params == trial.params
        assert Setting.of(trial.params) == setting
        assert space.distributions() == trial.distributions
        assert Schedule(**setting.params)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_a_default_range(optimizer: str) -> None:
    low, high = Space.default(optimizer, epochs=20).learning_rate_init

    assert 0 < low < high


@pytest.mark.parametrize("epochs", [1, 20, 500])
def test_the_decay_rate_scales_with_the_number_of_epochs(epochs: int) -> None:
    assert Space.default("sgd", epochs).decay_rate == (0.03 / epochs, 30 / epochs)


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
        Space.default("sgd", 20, **change)


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"optimizer must be one of sgd, .* got 'lion'"):
        Space.default("lion", 20)
