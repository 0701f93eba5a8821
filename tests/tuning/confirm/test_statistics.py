"""Racing: paired comparisons that a hard replicate does not sway, and few that mislead."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from lrtune.tuning.confirm.statistics import (
    CONFIDENCE,
    EQUIVALENT,
    POOLED_WEIGHT,
    TIED_MARGIN,
    in_contention,
    paired,
    settled,
    tied,
)

LOSSES = st.tuples(st.integers(1, 6), st.integers(2, 8)).flatmap(
    lambda shape: arrays(float, shape, elements=st.floats(0, 10, width=16))
)


def noisy(means: list[float], n: int, noise: float, seed: int) -> np.ndarray:
    """Losses ``(K, n)`` with normal noise of their own, on replicates of unlike difficulty."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 1, n)
    return np.array(means)[:, None] + difficulty + noise * rng.normal(size=(len(means), n))


# --- paired -----------------------------------------------------------------------------------


@given(st.integers(2, 20), st.integers(0, 99))
def test_two_settings_are_compared_as_by_a_paired_t_test(n: int, seed: int) -> None:
    losses = noisy([0.0, 0.5], n, 0.3, seed)
    differences, errors = paired(losses)
    worse = int(differences.argmax())
    expected = stats.ttest_rel(losses[worse], losses[1 - worse])

    assert differences[worse] / errors[worse] == pytest.approx(expected.statistic)
    assert (differences[1 - worse], errors[1 - worse]) == (0, 0)


def test_differences_and_errors_by_hand() -> None:
    losses = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [1.0, 3.0, 5.0], [1.0, 4.0, 10.0]])
    differences, errors = paired(losses)
    variances = np.array([0.0, 1.0, 13.0])  # of 1 1 1, 0 1 2 and 0 2 7
    pooled = (2 * variances + POOLED_WEIGHT * 1.0) / (2 + POOLED_WEIGHT)

    assert differences.tolist() == [0, 1, 1, 3]
    assert errors.tolist() == pytest.approx([0, *np.sqrt(pooled / 3)])


@given(LOSSES, st.data())
def test_what_is_common_to_a_replicate_cancels_out(losses: np.ndarray, data: st.DataObject) -> None:
    n = losses.shape[1]
    offsets = data.draw(arrays(float, n, elements=st.integers(-100, 100)))
    for before, after in zip(paired(losses), paired(losses + offsets), strict=True):
        assert after == pytest.approx(before, abs=1e-9)


@given(LOSSES)
def test_the_unit_of_the_loss_does_not_matter(losses: np.ndarray) -> None:
    for judged in (in_contention, tied, settled):
        assert np.array_equal(judged(losses), judged(1024 * losses))


# --- who stays --------------------------------------------------------------------------------


@given(LOSSES)
def test_the_best_is_always_in_contention_and_tied_with_itself(losses: np.ndarray) -> None:
    best = losses.mean(axis=1).argmin()

    assert in_contention(losses)[best]
    assert tied(losses)[best]


@given(LOSSES)
def test_whoever_is_tied_is_in_contention(losses: np.ndarray) -> None:
    assert (in_contention(losses) | ~tied(losses)).all()


def test_a_clearly_worse_setting_leaves_and_one_within_the_noise_stays() -> None:
    losses = np.array([[1.0, 2.1, 2.9, 4.0], [1.1, 2.0, 3.1, 3.9], [2.0, 2.9, 4.1, 5.0]])

    assert in_contention(losses).tolist() == [True, True, False]


def test_alike_settings_are_all_in_contention_tied_and_settled() -> None:
    losses = np.tile([1.0, 5.0, 2.0], (4, 1))

    assert in_contention(losses).all()
    assert tied(losses).all()
    assert settled(losses)


def test_the_truly_best_of_two_rarely_leaves_though_the_replicates_are_few() -> None:
    lost = [not in_contention(noisy([0.0, 0.3], 4, 0.3, seed))[0] for seed in range(2000)]
    worse_left = [not in_contention(noisy([0.0, 1.0], 4, 0.3, seed))[1] for seed in range(500)]

    assert np.mean(lost) < 1 - CONFIDENCE  # as for two that are alike
    assert np.mean(worse_left) > 0.9


def test_alike_settings_leave_as_rarely_as_the_confidence_says() -> None:
    lost = [not in_contention(noisy([0.0, 0.0], 6, 1.0, seed))[0] for seed in range(4000)]

    assert np.mean(lost) == pytest.approx(1 - CONFIDENCE, abs=0.015)


def test_the_truly_best_of_many_survives_a_whole_race() -> None:
    means = [0.0, *np.linspace(0.2, 2, 15)]
    survived = []
    for seed in range(300):
        losses = noisy(means, 16, 0.3, seed)
        running = np.arange(len(means))
        for n in (4, 8, 12, 16):
            running = running[in_contention(losses[running, :n])]
        survived.append(0 in running)

    assert np.mean(survived) > 0.93


# --- when it is over --------------------------------------------------------------------------


def test_a_race_is_settled_once_all_are_surely_within_the_share() -> None:
    best = np.array([1.0, 2.0, 3.0, 4.0])  # mean 2.5, of which the share is 0.025
    reach = EQUIVALENT * 2.5

    assert settled(np.array([best, best + 0.9 * reach]))
    assert not settled(np.array([best, best + 1.1 * reach]))
    assert settled(np.array([best]))


def test_a_difference_that_is_small_but_not_known_well_is_not_settled() -> None:
    best = np.array([1.0, 2.0, 3.0, 4.0])
    unsure = best + np.array([0.2, -0.2, 0.2, -0.15])

    assert abs((unsure - best).mean()) < EQUIVALENT * 2.5
    assert not settled(np.array([best, unsure]))


def test_scores_whose_sign_is_turned_are_settled_alike() -> None:
    accuracies = -np.array([[0.96, 0.94, 0.95, 0.95], [0.955, 0.935, 0.945, 0.945]])

    assert settled(accuracies)
    assert not settled(accuracies + 0.94)


def test_of_a_metric_with_a_best_value_the_share_is_one_of_the_distance_to_it() -> None:
    best = -np.array([0.99, 0.988, 0.992, 0.99])  # AUC: 1 % of it would be as much as all errors
    other = best + 0.005

    assert settled(np.array([best, other]))
    assert tied(np.array([best, best + 0.002 * SPREAD + 0.0005])).all()
    assert not settled(np.array([best, other]), ideal=-1.0)
    assert not tied(np.array([best, best + 0.002 * SPREAD + 0.0005]), ideal=-1.0).all()
    assert settled(np.array([best, best + 0.00009]), ideal=-1.0)


SPREAD = np.array([-1.0, 1.0, -1.0, 1.0])
ERROR = math.sqrt(SPREAD.var(ddof=1) / 4)


@pytest.mark.parametrize(
    ("level", "reach"),
    [
        (100 * ERROR / TIED_MARGIN, ERROR),  # known well: within one standard error
        (0.5 * ERROR / TIED_MARGIN, 0.5 * ERROR),  # not known well: within the margin
        (-0.5 * ERROR / TIED_MARGIN, 0.5 * ERROR),
    ],
)
def test_a_tie_is_within_one_standard_error_and_the_margin(level: float, reach: float) -> None:
    best = np.full(4, level)
    for share in (0.99, 1.01):
        other = best + SPREAD + share * reach

        assert tied(np.array([best, other])).tolist() == [True, share < 1]
