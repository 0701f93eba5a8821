"""The divergence threshold and the predicate that compares losses with it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.training.divergence import DIVERGENCE_FACTOR, divergence_threshold, has_diverged

losses = st.floats(0, 1e300)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [math.nan, -math.nan, math.inf])
def test_a_loss_that_is_not_finite_has_diverged(loss: float, dtype: str) -> None:
    assert has_diverged(np.array([loss], dtype), threshold=1e30).tolist() == [True]


def test_a_loss_above_the_threshold_has_diverged() -> None:
    assert has_diverged(math.nextafter(10.0, math.inf), threshold=10.0)


def test_a_loss_at_the_threshold_has_not_diverged() -> None:
    assert not has_diverged(10.0, threshold=10.0)


@given(loss=losses, threshold=losses)
@settings(deadline=None, max_examples=60)
def test_a_finite_loss_diverges_exactly_when_it_is_above_the_threshold(
    loss: float, threshold: float
) -> None:
    assert (loss > threshold) == has_diverged(loss, threshold)


def test_each_loss_of_an_array_is_compared_by_itself() -> None:
    diverged = has_diverged([[0.0, math.nan], [11.0, 10.0]], threshold=10.0)

    assert diverged.tolist() == [[False, True], [True, False]]


@given(guess=losses, initial=losses)
@settings(deadline=None, max_examples=60)
def test_the_threshold_is_set_by_the_larger_of_guess_and_initial_loss(
    guess: float, initial: float
) -> None:
    assert DIVERGENCE_FACTOR * max(guess, initial) == divergence_threshold(guess, initial)


@pytest.mark.parametrize("initial", [math.nan, math.inf])
def test_an_initial_loss_that_is_not_finite_is_ignored(initial: float) -> None:
    assert divergence_threshold(1.5, initial) == 15.0


@pytest.mark.parametrize(
    ("guess", "initial"), [(1.0, math.nan), (1.0, math.inf), (1.0, 1e308), (1e308, 1.0)]
)
def test_the_threshold_is_always_finite(guess: float, initial: float) -> None:
    assert math.isfinite(divergence_threshold(guess, initial))
