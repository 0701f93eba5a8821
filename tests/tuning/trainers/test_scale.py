"""When a training has diverged, and when it did not learn, for losses of any sign."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtune.training.divergence import DIVERGENCE_FACTOR
from lrtune.tuning.trainers.scale import (
    DEAD_SHARE,
    LossScale,
    divergence_limit,
    is_dead,
)

losses = st.floats(-1e6, 1e6)


@given(losses)
def test_the_cap_is_finite_and_worse_than_the_initial_loss(initial: float) -> None:
    scale = LossScale.from_initial(initial)

    assert math.isfinite(scale.cap)
    assert scale.cap > initial


@given(losses, st.none() | losses)
def test_the_limit_is_above_the_initial_loss(initial: float, best: float | None) -> None:
    assert divergence_limit(initial, best) > initial


@given(st.floats(0.1, 1e6), st.floats(0, 0.99))
def test_of_positive_losses_the_limit_is_a_multiple_of_the_initial_one(
    initial: float, share: float
) -> None:
    limit = divergence_limit(initial, share * initial)

    assert limit == pytest.approx((1 + DIVERGENCE_FACTOR) * initial)


@given(losses, st.floats(1e-3, 1e6))
def test_the_limit_lies_far_above_the_best_trainings_progress(
    initial: float, progress: float
) -> None:
    limit = divergence_limit(initial, initial - progress)

    assert limit - initial >= DIVERGENCE_FACTOR * progress * 0.99


@pytest.mark.parametrize("initial", [0.0, 1e-9, -1e-9])
@pytest.mark.parametrize("best", [None, 1e-9, 0.5, 3.0])
def test_a_small_initial_loss_without_progress_does_not_make_the_limit_tight(
    initial: float, best: float | None
) -> None:
    assert divergence_limit(initial, best) >= 9.9


def test_the_limit_of_no_scale_is_no_limit() -> None:
    assert divergence_limit(math.inf, None) == divergence_limit(math.inf, 0.1) == math.inf


@given(st.lists(losses, min_size=1), losses, losses)
def test_a_training_that_comes_near_the_best_is_not_dead(
    values: list[float], initial: float, best: float
) -> None:
    dead = is_dead(values, initial, best)

    for value, died in zip(values, dead.tolist(), strict=True):
        if best < initial and value >= initial:
            assert died
        if value <= best or best >= initial:
            assert not died


@given(st.lists(losses, min_size=1), losses, losses, st.floats(-1e6, 1e6))
def test_whether_a_training_is_dead_does_not_depend_on_the_zero_of_the_loss(
    values: list[float], initial: float, best: float, shift: float
) -> None:
    limit = initial - DEAD_SHARE * (initial - best)
    clear = [value for value in values if abs(value - limit) > 1]
    if abs(initial - best) < 1:
        return
    moved = is_dead(np.add(clear, shift), initial + shift, best + shift)

    assert moved.tolist() == is_dead(clear, initial, best).tolist()


def test_none_is_dead_where_nothing_is_known_or_nothing_learned() -> None:
    assert not is_dead([2.3, 0.1], None, 0.1).any()
    assert not is_dead([2.3, 0.1], 2.3, None).any()
    assert not is_dead([2.3, 2.4], 2.3, 2.3).any()
