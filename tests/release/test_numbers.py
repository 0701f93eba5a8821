"""Range tests give the numbers of release 0.1.0: bit for bit on the recorded platform.

Elsewhere the last bits of a loss differ; what does not depend on them is compared on every
platform.
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


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Return a case's recorded numbers and those of today."""
    recorded, today = RECORDED["numbers"][request.param], numbers_of(request.param)
    return recorded, without_new_keys(today, recorded)


def test_the_numbers_are_those_of_the_release(case: tuple[Any, Any]) -> None:
    recorded, today = case

    assert keys_of(recorded) == keys_of(today)
    if IS_RECORDED_PLATFORM:  # as text, in which a missing score equals itself
        expected, actual = (json.dumps(without_texts(each), indent=1) for each in (recorded, today))
        assert expected == actual


def test_what_no_training_decides_is_as_in_the_release(case: tuple[Any, Any]) -> None:
    recorded, today = case

    assert [recorded.get(key) for key in IDENTITY] == [today.get(key) for key in IDENTITY]
    assert recorded["rates"] == pytest.approx(today["rates"], rel=1e-12)
