"""The range test's result: the usual rules, the spread over replicates, and the range."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtune.tuning.range_result import (
    RANGE_WITHOUT_EDGE,
    SUGGESTIONS,
    RangeTestResult,
    Spread,
    minimum,
    range_around,
    smooth,
    steepest,
    valley,
)

LOSSES = st.lists(st.floats(0, 10), min_size=2, max_size=40)


def result_of(edges: Any, *, rates: Any = None) -> RangeTestResult:
    rates = np.geomspace(1e-3, 10, 20) if rates is None else rates
    losses = np.ones((len(edges), len(rates)))
    edges = np.array(edges, dtype=float)
    return RangeTestResult(
        rates, losses, losses, edges, edges, dict.fromkeys(SUGGESTIONS, edges / 10)
    )


# --- smoothing ------------------------------------------------------------------------------------


@given(LOSSES, st.floats(0, 0.99))
def test_smoothing_is_a_weighted_mean_of_the_losses_so_far(
    losses: list[float], beta: float
) -> None:
    smoothed = smooth(losses, beta)
    slow = [
        sum(beta ** (t - s) * losses[s] for s in range(t + 1))
        / sum(beta ** (t - s) for s in range(t + 1))
        for t in range(len(losses))
    ]

    assert smoothed.tolist() == pytest.approx(slow, abs=1e-9)


def test_smoothing_is_that_of_pandas() -> None:
    losses = np.random.default_rng(0).normal(size=(3, 50))
    theirs = pd.DataFrame(losses.T).ewm(alpha=0.1, adjust=True).mean().to_numpy().T

    assert np.allclose(theirs, smooth(losses, 0.9), rtol=1e-12)


def test_no_smoothing_leaves_the_losses_alone() -> None:
    assert smooth([3.0, 1.0, 2.0], 0.0).tolist() == [3.0, 1.0, 2.0]


def test_a_loss_that_is_not_a_number_spreads_to_those_after_it_alone() -> None:
    smoothed = smooth([[1.0, math.nan, 1.0], [1.0, 1.0, 1.0]], 0.5)

    assert np.isnan(smoothed).tolist() == [[False, True, True], [False] * 3]


# --- the usual rules ------------------------------------------------------------------------------


def fastai_valley(rates: Any, losses: Any) -> float:
    """The quadratic loop that `valley` stands for."""
    lengths = [1] * len(losses)
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    end = lengths.index(max(lengths))
    third = max(lengths) / 3
    return float(rates[end - max(lengths) + int(third) + int(third / 2)])


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60))
def test_valley_is_the_slow_loops(losses: list[int]) -> None:
    rates = np.geomspace(1e-3, 1, len(losses))

    assert fastai_valley(rates, losses) == valley(rates, np.array(losses, dtype=float))


def test_the_rules_on_a_curve_with_known_answers() -> None:
    rates = np.geomspace(1e-4, 10, 51)
    position = np.log10(rates)
    # flat to 1e-3, falling to 0.1, steepest halfway (at 0.01), then rising
    losses = np.where(position < -3, 2.0, 1.5 + np.cos((position + 3) / 2 * np.pi) / 2)
    losses = np.where(position > -1, 1.0 + (position + 1) ** 2, losses)

    assert valley(rates, losses) == pytest.approx(0.01, rel=0.3)
    assert steepest(rates, losses) == pytest.approx(0.01, rel=0.3)
    assert minimum(rates, losses) == pytest.approx(0.01)


def test_steepest_is_per_log_rate_not_per_rate_or_step() -> None:
    rates = np.array([0.001, 0.01, 0.02, 0.03])

    assert steepest(rates, np.array([5.0, 4.0, 3.5, 3.2])) == 0.02  # -0.43, -0.72, -0.74


# --- the result -----------------------------------------------------------------------------------


def test_the_range_is_rounded_so_that_a_last_bit_does_not_change_it() -> None:
    edge = 0.5623413251903491
    low, high = result_of([edge]).learning_rate_range

    assert (low, high) == (0.0011, 1.1)
    assert (low, high) == result_of([np.nextafter(edge, 1)]).learning_rate_range


def test_without_an_edge_the_range_ends_at_the_highest_rate_and_a_warning_says_so() -> None:
    result = result_of([math.nan, math.nan, math.nan])

    assert result.edge is None
    assert result.learning_rate_range == (10 / RANGE_WITHOUT_EDGE, 10)
    assert "no replicate diverged up to the highest rate tested, 10," in result.warnings[0]
    assert result.to_dict()["edge"] is None


def test_too_few_edges_are_no_edge() -> None:
    result = result_of([1.0, math.nan, math.nan])

    assert result.edge is None
    assert "only 1 of 3 replicates diverged" in result.warnings[0]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([1.0, 4.0], (2.0, 4**0.25, 4**0.75)),
        ([1.0, 10.0, math.nan], (10.0, 10**0.5, None)),
        ([5.0], (5.0, 5.0, 5.0)),
        ([1.0, math.nan], (None, None, None)),
        ([math.nan], (None, None, None)),
        ([1.0, 10.0, 100.0, math.nan, math.nan], (100.0, 10.0, None)),
    ],
)
def test_the_spread_is_geometric_and_counts_no_edge_as_beyond(edges: Any, expected: Any) -> None:
    spread = Spread.of(np.array(edges))
    for rate, truth in zip((spread.median, spread.lower, spread.upper), expected, strict=True):
        assert (rate is None) == (truth is None)
        assert rate is None or rate == pytest.approx(truth)


@given(st.lists(st.one_of(st.just(math.nan), st.floats(1e-6, 1e3)), min_size=1, max_size=9))
def test_the_spread_is_in_order_and_within_the_rates(rates: list[float]) -> None:
    spread = Spread.of(np.array(rates))
    quartiles = [
        math.inf if rate is None else rate for rate in (spread.lower, spread.median, spread.upper)
    ]

    assert quartiles == sorted(quartiles)
    assert all(rate == math.inf or 0.99e-6 <= rate <= 1.01e3 for rate in quartiles)
    assert (spread.median is None) == (2 * np.isnan(rates).sum() >= len(rates))


def test_a_suggestion_that_no_replicate_has_is_none() -> None:
    result = result_of([math.nan])

    assert result.spread("valley") is None
    assert result.to_dict()["suggestions"]["valley"]["median"] is None


@given(st.lists(st.floats(1e-5, 1e3), min_size=1, max_size=9))
def test_the_median_edge_is_inside_the_range(edges: list[float]) -> None:
    low, high = range_around(np.array(edges), 1e3)

    assert low < (Spread.of(np.array(edges)).median or 0) < high


def test_a_result_is_printed_in_a_line() -> None:
    printed = repr(result_of([2.0, 3.0, 5.0]))

    assert printed.startswith("RangeTestResult(edge=3, ")
    assert "learning_rate_range=(0.006, 6), replicates=3" in printed
    assert len(printed) < 300
    assert "edge=" not in repr(result_of([np.nan] * 3))
