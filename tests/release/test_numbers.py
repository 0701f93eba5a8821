"""Searches give the numbers of release 0.1.0: bit for bit where the platform is the recorded one.

Elsewhere the last bits of a loss differ, and with them what a search tries next; what does not
depend on them is compared on every platform.
"""

import json
from typing import Any

import pytest

from tests.release.recorded_numbers import (
    CASES,
    HERE,
    numbers_of,
    platform_facts,
    without_new_keys,
)

RECORDED = json.loads((HERE / "numbers.json").read_text(encoding="utf-8"))
IS_RECORDED_PLATFORM = platform_facts() == RECORDED["platform"]
IDENTITY = ("study", "dataset", "task", "optimizer")
GIVEN_RANGES = "LearningRateSearchCV diabetes"
"""The case whose space gives every range, so that no training has a part in its first block."""
LONG = ("search digits", "search iris", "search messy")
"""The cases that take several seconds."""
BLOCK = 16
"""Settings that are chosen before any of them is trained."""


def without_texts(values: Any) -> Any:
    """Replace the texts of warnings by how many there are."""
    if isinstance(values, dict):
        return {
            key: len(value) if key == "warnings" else without_texts(value)
            for key, value in values.items()
        }
    return [without_texts(value) for value in values] if isinstance(values, list) else values


def keys_of(values: Any) -> Any:
    """Return the keys of nested dictionaries, in order."""
    if not isinstance(values, dict):
        return None
    return [(key, keys_of(value)) for key, value in values.items()]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in LONG else []) for name in CASES],
)
def case(request: pytest.FixtureRequest) -> tuple[str, Any, Any]:
    """Return a case's name, its recorded numbers and those of today."""
    name: str = request.param
    recorded, today = RECORDED["numbers"][name], numbers_of(name)
    if recorded.get("result", {}).get("task") == "":  # which the release did not say in Python
        recorded["result"]["task"] = today["result"]["task"]
        assert today["result"]["task"] in ("classification", "regression")
    return name, recorded, without_new_keys(today, recorded)


def test_the_numbers_are_those_of_the_release(case: tuple[str, Any, Any]) -> None:
    _, recorded, today = case

    assert keys_of(recorded) == keys_of(today)
    if IS_RECORDED_PLATFORM:  # as text, in which a missing score equals itself
        expected, actual = (json.dumps(without_texts(each), indent=1) for each in (recorded, today))
        assert expected == actual


def test_what_no_training_decides_is_as_in_the_release(case: tuple[str, Any, Any]) -> None:
    name, recorded, today = case
    expected, actual = (each.get("result", each) for each in (recorded, today))

    assert [expected.get(key) for key in IDENTITY] == [actual.get(key) for key in IDENTITY]
    if "trials" in expected:
        assert sum(expected["trials"].values()) == sum(actual["trials"].values())
        assert planned_epochs(expected) == pytest.approx(planned_epochs(actual))
    if "rates" in expected:
        assert expected["rates"] == pytest.approx(actual["rates"], rel=1e-12)
    if name == GIVEN_RANGES:
        for place in range(BLOCK):
            setting, same = (dict(each["trials"][place][1]) for each in (recorded, today))
            decay, decay_today = setting.pop("decay"), same.pop("decay")

            assert decay == decay_today
            assert setting == pytest.approx(same, rel=1e-12)


def planned_epochs(result: dict[str, Any]) -> float:
    """Return the epochs that all trials would train for if none ended early."""
    return float(result["trial_epochs"] + result["epochs_saved"])
