"""The parameters that a rate was tuned for: those it depends on, and no others."""

from typing import Any

import pytest
from sklearn.datasets import load_iris

from lrtune import MLPClassifier
from lrtune.export.tuned_for import NETWORK, tuned_for, tuned_parameters
from lrtune.tuning.record.schema import TrainerFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.network import NetworkTrainer

SETTING = Setting(0.1, "cosine", 0.05)


def facts(**options: Any) -> TrainerFacts:
    X, y = load_iris(return_X_y=True)
    return NetworkTrainer.on_random_splits(MLPClassifier(**options), X, y, 1).facts()


def test_a_default_network_has_those_that_every_rate_depends_on() -> None:
    assert list(tuned_for(facts(), SETTING)) == [*NETWORK]


def test_an_optimizers_options_are_there_even_at_their_defaults_unless_they_are_left_out() -> None:
    rmsprop = facts(optimizer="rmsprop")

    assert list(tuned_for(rmsprop, SETTING)) == [*NETWORK, "epsilon", "rho"]
    assert list(tuned_for(rmsprop, SETTING, options=False)) == [*NETWORK]
    changed = facts(optimizer="rmsprop", rho=0.5)
    assert tuned_for(changed, SETTING, options=False)["rho"] == 0.5


def test_searched_and_changed_parameters_are_there_with_the_settings_values() -> None:
    setting = Setting(0.1, "cosine", 0.05, (("batch_size", 8), ("alpha", 0.25)))
    values = tuned_for(facts(alpha=0.5, activation="tanh"), setting)

    assert values["batch_size"] == 8
    assert values["alpha"] == 0.25
    assert values["activation"] == "tanh"


@pytest.mark.parametrize("option", [{"random_state": 3}, {"warmup_epochs": 2}, {"verbose": True}])
def test_seeds_and_schedules_are_not_there(option: dict[str, Any]) -> None:
    assert list(tuned_for(facts(**option), SETTING)) == [*NETWORK]


def test_all_parameters_are_those_of_the_network_with_the_setting() -> None:
    values = tuned_parameters(facts(warmup_epochs=2), SETTING)

    assert values.keys() == MLPClassifier().get_params().keys()
    assert (values["decay"], values["warmup_epochs"]) == ("cosine", 2)
