"""The profile: a safe range and a sensitivity that can be calculated by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtune.schedules.schedule import Schedule
from lrtune.tuning.confirm.errors import standard_error
from lrtune.tuning.confirm.measurement import FACTORS, SAFE_MARGIN, Profile, around, margin
from lrtune.tuning.setting import Setting

RATES = [0.2 * factor for factor in FACTORS]
N = len(FACTORS)
STEP = 2 / (N - 1)  # from rate to rate, in decades
INF = math.inf


def profile(means: list[float], *, initial_loss: float = 10.0, n: int = 4) -> Profile:
    """A profile in which every replicate's loss at a rate is the same."""
    return Profile.of(RATES, np.tile(np.array(means)[:, None], n), initial_loss)


def parabola(curvature: float, centre: float = 0.2) -> list[float]:
    """Losses ``1 + curvature · log₁₀²(α₀ / centre)``."""
    return [1 + curvature * math.log10(rate / centre) ** 2 for rate in RATES]


# --- the rates --------------------------------------------------------------------------------


def test_the_rates_are_a_tenth_to_tenfold_evenly_on_a_logarithmic_scale() -> None:
    setting = Setting(0.3, "cosine", 0.05, (("alpha", 1e-3),))
    settings = around(setting)
    rates = [each.learning_rate_init for each in settings]

    assert (rates[0], rates[-1]) == pytest.approx((0.03, 3.0))
    assert np.diff(np.log(rates)) == pytest.approx(math.log(10) * STEP)
    assert settings[len(settings) // 2] == setting
    assert {(each.decay, each.decay_rate, each.others) for each in settings} == {
        ("cosine", 0.05, (("alpha", 1e-3),))
    }


def test_rates_below_the_floor_lower_the_floor() -> None:
    for each in around(Setting(0.3, "cosine", 0.05), floor=0.1):
        own = {"min_learning_rate": 0.1, **each.params}

        assert Schedule(**own)
        assert (own["min_learning_rate"] < 0.1) == (each.learning_rate_init < 0.1)


# --- the safe range ---------------------------------------------------------------------------


@given(st.floats(0.4, 40))
def test_the_safe_range_of_a_parabola_is_that_of_the_formula(curvature: float) -> None:
    low, high = profile(parabola(curvature)).safe_range or (0, 0)
    half_width = math.sqrt(SAFE_MARGIN / curvature)  # log₁₀, where the loss is 1 + SAFE_MARGIN

    # interpolated along a chord of the parabola: at most (STEP / 2)² / half_width short of it
    assert math.log10(high / 0.2) == pytest.approx(half_width, abs=STEP**2 / 4 / half_width)
    assert math.log10(high / 0.2) <= half_width + 1e-9
    assert math.log10(0.2 / low) == pytest.approx(math.log10(high / 0.2))


def test_an_end_is_interpolated_on_logarithmic_rates() -> None:
    means = [2.0, 2.0, 2.0, 1.0, 1.0, 1.05, 1.25, 1.25, 1.25]
    low, high = profile(means).safe_range or (0, 0)

    assert low == pytest.approx(RATES[2] * (RATES[3] / RATES[2]) ** 0.9)
    assert high == pytest.approx(RATES[5] * (RATES[6] / RATES[5]) ** 0.25)
    assert profile(means).is_bounded == (True, True)


def test_a_range_is_around_the_recommended_rate_and_stops_at_the_first_that_is_not_safe() -> None:
    means = [1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0]
    low, high = profile(means).safe_range or (0, 0)

    assert RATES[2] < low < RATES[3]
    assert RATES[5] < high < RATES[6]


def test_rates_that_diverged_on_any_replicate_are_never_inside() -> None:
    losses = np.ones((N, 4))
    losses[0, 2] = losses[7, 1] = INF
    found = Profile.of(RATES, losses, 2.0)

    assert found.losses[7] == (None,) * 4
    assert found.safe_range == (RATES[1], RATES[5])  # the edge moves: not next to it
    assert found.is_bounded == (True, True)
    assert np.isinf(found.mean[[0, 7]]).all()
    assert np.isnan(found.error[[0, 7]]).all()


def test_a_range_that_reaches_the_last_rate_is_not_bounded_there() -> None:
    assert profile([1.0] * N).safe_range == (RATES[0], RATES[-1])
    assert profile([1.0] * N).is_bounded == (False, False)
    assert profile([9.0] + [1.0] * (N - 1)).is_bounded == (True, False)
    assert profile([1.0] * (N - 1) + [INF]).is_bounded == (False, True)


def test_a_range_ends_below_the_rate_where_a_similar_setting_failed_before() -> None:
    found = replace(profile([1.0] * N), ceiling=0.99 * RATES[7])

    assert found.safe_range == (RATES[0], RATES[5])


@pytest.mark.parametrize("n", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (6, 20))])
@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_the_ends_are_as_safe_as_they_are_sure(n: int, noise: float) -> None:
    """The true loss is a parabola, and each replicate has noise of its own at each rate."""
    rng = np.random.default_rng(n)
    curvature, held, narrowest = 2.0, [0, 0], math.inf
    limit = math.sqrt(SAFE_MARGIN / curvature)
    for _ in range(400):
        losses = np.array(parabola(curvature))[:, None] + rng.normal(0, 0.1, n)
        low, high = Profile.of(RATES, losses + rng.normal(0, noise, (N, n)), 9.0).safe_range
        held[0] += math.log10(0.2 / low) <= limit
        held[1] += math.log10(high / 0.2) <= limit
        narrowest = min(narrowest, high / low)

    assert min(held) >= 0.9 * 400
    assert narrowest >= 1


def test_if_every_rate_diverged_there_is_none() -> None:
    assert profile([INF] * N).safe_range is None
    assert profile([INF] * N).is_bounded == (False, False)


def test_one_replicate_is_sure_of_the_rate_itself_alone() -> None:
    single = profile(parabola(4.0), n=1)

    assert single.safe_range == pytest.approx((0.2, 0.2))
    assert np.isnan(single.error).all()


def test_a_loss_below_zero_has_its_margin_above_it() -> None:
    """As an objective of the user's may have."""
    means = [-1.0] * N
    means[6], means[7] = -0.91, -0.8
    low, high = profile(means).safe_range or (0, 0)

    assert low == RATES[0]
    assert RATES[6] < high < RATES[7]


def test_the_error_is_that_of_the_mean() -> None:
    losses = np.tile([1.0, 2.0, 3.0, 4.0], (N, 1))

    assert Profile.of(RATES, losses, 2.0).error == pytest.approx(
        np.full(N, standard_error(losses[0]))
    )


@pytest.mark.parametrize("ideal", [-1.0, -2.0])
def test_the_safe_range_of_a_metric_is_a_share_of_the_distance_to_its_best_value(
    ideal: float,
) -> None:
    errors = np.tile(0.05 * np.array(parabola(0.5))[:, None], 4)
    metric = Profile.of(RATES, ideal + errors, INF, ideal=ideal)

    assert metric.safe_range == pytest.approx(Profile.of(RATES, errors, INF).safe_range)
    assert replace(metric, ideal=None).safe_range == (RATES[0], RATES[-1])  # 10 % of 0.95
    assert Profile.from_json(json.loads(json.dumps(metric.to_json()))) == metric


def test_a_perfect_metric_leaves_no_margin() -> None:
    values = np.tile(np.array([-0.9] * 4 + [-1.0] * 3 + [-0.99] * 2)[:, None], 4)

    assert margin(-1.0, ideal=-1.0) == 0
    assert Profile.of(RATES, values, INF, ideal=-1.0).safe_range == (RATES[4], RATES[6])


# --- sensitivity ------------------------------------------------------------------------------


def test_sensitivity_is_the_mean_loss_above_the_best() -> None:
    """Wortsman et al. (2023), eq. 1: the mean over rates of min(loss, initial) - best."""
    means = [1.5, 1.3, 1.1, 1.05, 1.0, 1.3, 2.0, 5.0, INF]
    above = [0.5, 0.3, 0.1, 0.05, 0.0, 0.3, 1.0, 1.2, 1.2]

    assert profile(means, initial_loss=2.2).sensitivity == pytest.approx(sum(above) / N)


def test_a_flat_profile_is_not_sensitive_and_a_worse_start_matters_only_where_it_diverges() -> None:
    assert profile([1.0] * N).sensitivity == 0
    assert profile(parabola(0.5), initial_loss=2).sensitivity == pytest.approx(
        profile(parabola(0.5), initial_loss=20).sensitivity
    )
    diverging = [1.0] * (N - 1) + [INF]
    assert profile(diverging, initial_loss=3).sensitivity == pytest.approx(2 / N)
    assert profile(diverging, initial_loss=5).sensitivity == pytest.approx(4 / N)


# --- as JSON ----------------------------------------------------------------------------------


@pytest.mark.parametrize("initial_loss", [2.2, INF])
def test_a_profile_survives_json(initial_loss: float) -> None:
    losses = np.random.default_rng(0).uniform(size=(N, 4))
    losses[7:, 1] = INF
    found = Profile.of(RATES, losses, initial_loss)
    again = Profile.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))

    assert again == found
    assert again.safe_range == found.safe_range
    assert again.sensitivity == found.sensitivity
