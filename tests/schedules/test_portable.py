"""A schedule as a dictionary and as JSON, and back."""

import json

import numpy as np
import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError

FULL = Schedule(
    learning_rate_init=0.1 + 0.2,
    decay="polynomial",
    decay_rate=1 / 3,
    power=1.5,
    warmup_epochs=1.5,
    cycle_epochs=8,
    update="batch",
)


def test_a_schedule_comes_back_equal() -> None:
    assert Schedule.from_dict(FULL.to_dict()) == FULL
    assert Schedule.from_json(FULL.to_json()) == FULL


def test_the_dictionary_names_every_field() -> None:
    assert Schedule(**FULL.to_dict()) == FULL
    assert list(FULL.to_dict())[:3] == ["learning_rate_init", "decay", "decay_rate"]


def test_what_is_left_out_has_its_default() -> None:
    assert Schedule.from_json('{"learning_rate_init": 0.1}') == Schedule(learning_rate_init=0.1)


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    schedule = Schedule(
        learning_rate_init=np.float32(0.1), patience=np.int64(3), decay_rate=np.float64(0.5)
    )

    assert Schedule.from_json(schedule.to_json()) == schedule
    assert type(schedule.to_dict()["learning_rate_init"]) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[1]", "must be a JSON object, but got '[1]'"),
        ("{}", "must have learning_rate_init"),
        ('{"learning_rate_init": 0.1, "rate": 1}', "but got 'rate'"),
        ('{"learning_rate_init": "0.1"}', "must be a number, but got '0.1'"),
        ('{"learning_rate_init": NaN}', "positive and finite, but got nan"),
        ('{"learning_rate_init": 0.1, "decay": ["step"]}', "must be one of constant"),
        ('{"learning_rate_init": 0.1, "cycle_epochs": "5"}', "must be a number, but got '5'"),
        ('{"learning_rate_init": 0.1, "patience": null}', "must be a number, but got None"),
        (json.dumps({"learning_rate_init": 0.1, "update": {}}), "'epoch' or 'batch'"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as told:
        Schedule.from_json(text)
    assert message in str(told.value)
