"""The clock: how many trainings fit into the time that is left."""

import math
import time

import pytest

from lrtune.tuning.confirm.clock import MARGIN, Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock with a minute left, whose time stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    return Clock(1060.0)


def test_what_fits_follows_from_the_seconds_of_the_trainings_so_far(clock: Clock) -> None:
    clock.count(4, 6.0)
    clock.count(0.5, 0.75)  # stopped halfway

    assert clock.each == 1.5
    assert clock.fitting() == pytest.approx(60 / (1.5 * MARGIN))
    assert clock.longest == 6.0


def test_trainings_are_taken_to_be_no_faster_than_those_before(clock: Clock) -> None:
    clock.least = 3.0
    clock.count(10, 10.0)
    assert clock.each == 3.0

    clock.count(10, 90.0)
    assert clock.each == 5.0


def test_it_remembers_that_it_refused_trainings(clock: Clock) -> None:
    clock.count(1, 10.0)

    assert clock.allows(5)
    assert not clock.has_refused
    assert not clock.allows(6)
    assert clock.allows(1)
    assert clock.has_refused


def test_as_long_as_the_seconds_are_not_known_anything_fits_until_the_deadline(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clock.fitting() == math.inf

    monkeypatch.setattr(time, "monotonic", lambda: 1060.0)
    assert clock.fitting() == 0


def test_without_a_deadline_anything_fits() -> None:
    clock = Clock()
    clock.count(1, 1e9)

    assert clock.allows(math.inf)
