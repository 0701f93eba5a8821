"""Attributes in the dashboard's tables, and capped values."""

import numpy as np
import pytest

from lrtune.dashboard.attributes import (
    capped_curve,
    capped_value,
    setting_in_words,
    trial_attributes,
    trial_columns,
)
from lrtune.review.study import Study
from lrtune.tuning.record.trials import status
from tests.dashboard.client import Client, attributes

pytest.importorskip("optuna_dashboard")


def test_the_objective_has_a_name_and_a_direction(client: Client) -> None:
    told = client.study()

    assert told["objective_names"] == ["validation loss, mean of 3 replicates"]
    assert told["directions"] == ["minimize"]


def test_the_first_attributes_are_the_ones_that_one_asks_for(client: Client) -> None:
    told = attributes(client.study())

    assert list(told)[:5] == ["recommended", "trials", "data", "network", "versions"]
    assert told["trials"].startswith("24 of 24: ")
    assert told["data"] == "iris; 150 rows, 4 columns; classification"
    assert told["network"] == "layers 50-12, sgd, 5 epochs, seed 0"
    assert "optuna" in told["versions"]
    assert "safe from" in told["recommended"]
    assert not {"lrtune", "confirmation", "plan", "ending", "environment"} & set(told)


def test_a_completed_trial_says_its_loss_and_spread(client: Client) -> None:
    told = next(each for each in client.study()["trials"] if each["state"] == "Complete")
    known = attributes(told)
    recorded = client.storage.get_trial(told["trial_id"])
    losses = recorded.user_attrs["replicate_losses"]

    assert float(known["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    assert float(known["spread over replicates"]) == pytest.approx(np.std(losses, ddof=1), rel=1e-5)
    assert set(known) <= {each["key"] for each in client.study()["union_user_attrs"]}
    assert "replicate_curves" not in known


def test_every_attribute_of_a_trial_has_a_column(study: Study) -> None:
    columns = trial_columns(study)

    for trial in study.trials:
        assert set(trial_attributes(study, trial)) <= set(columns)


def test_values_and_curves_are_capped_at_a_guess(study: Study) -> None:
    for trial in study.trials:
        curve = capped_curve(study, trial)

        assert list(curve) == sorted(trial.intermediate_values)
        assert max(curve.values(), default=0.0) <= study.cap
        assert capped_value(study, trial) <= study.worst
        if status(trial) == "diverged":
            assert capped_value(study, trial) == study.worst


def test_a_setting_in_words_has_its_further_parameters() -> None:
    params = {"learning_rate_init": 0.1, "decay": "constant", "decay_rate": 1.0, "alpha": 0.5}

    assert setting_in_words(params) == "learning_rate_init 0.1, constant, alpha 0.5"
