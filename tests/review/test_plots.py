"""Figures."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lrtune.exceptions import InvalidInputError
from lrtune.review.plots import plot_range_test, plot_safe_range
from lrtune.tuning.confirm.measurement import FACTORS, Profile
from lrtune.tuning.confirm.result import Confirmation, Contender, Estimate
from lrtune.tuning.range_result import RangeTestResult
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.setting import Setting


def drawn(edges: list[float], losses: np.ndarray) -> Figure:
    rates = np.geomspace(1e-3, 10, losses.shape[1])
    found = np.array(edges)
    return plot_range_test(
        RangeTestResult(rates, losses, losses, found, found, {"valley": found / 10})
    )


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_a_range_test_shows_every_replicate_the_median_the_edge_and_the_suggestions() -> None:
    losses = np.array([[2.0, 1.0, 0.5, 9.0], [2.0, 1.5, 1.0, 2.0], [2.2, 1.1, 0.7, np.nan]])
    figure = drawn([1.0, 2.0, 4.0], losses)
    axes = figure.axes[0]
    median = next(line for line in axes.lines if line.get_label() == "median")

    assert labels(figure) == ["a replicate", "median", "edge 2", "valley 0.2"]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "learning rate (no unit)"
    assert axes.get_ylabel() == "training loss of a batch, smoothed"
    assert median.get_ydata().tolist() == [2.0, 1.1, 0.7, 5.5]
    assert axes.get_ylim() == (0, 4)
    for replicate, row in enumerate(losses):
        assert np.array_equal(axes.lines[replicate].get_ydata(), row, equal_nan=True)


def test_the_median_ends_where_half_of_the_replicates_are_gone() -> None:
    losses = np.array([[2.0, 1.0, np.inf], [2.0, 1.0, np.nan], [2.0, 1.0, 0.5]])
    figure = drawn([1.0, 1.0, math.nan], losses)
    median = next(line for line in figure.axes[0].lines if line.get_label() == "median")

    assert median.get_ydata().tolist() == [2.0, 1.0]


def test_an_edge_beyond_the_rates_is_not_drawn() -> None:
    figure = drawn([math.nan, math.nan], np.ones((2, 5)))

    assert labels(figure) == ["a replicate", "median"]
    assert "0.01 to 10" in figure.axes[0].get_title()


# --- the safe range ---------------------------------------------------------------------------


def result_with(means: list[float]) -> SearchResult:
    """A confirmed result; infinite where a rate diverged."""
    setting = Setting(0.1, "cosine", 0.1)
    losses = np.array(means)[:, np.newaxis] + np.array([-0.01, 0.01])
    profile = Profile.of([0.1 * factor for factor in FACTORS], losses, initial_loss=2.0)
    confirmation = Confirmation(
        (Contender(0, setting, 1.0, 1.0, 8, "recommended"),),
        Estimate(0.5, 0.01), Estimate(0.9, 0.01), Estimate(0.4, 0.01), 0.9, profile, 1.1, 2,
        ("cosine",), 10.0, 0.5,
    )  # fmt: skip
    journal = Path(__file__).parents[1] / "release" / "table.journal"
    return replace(read_result("houses", str(journal)), confirmation=confirmation)


def test_the_safe_range_is_shown_with_what_diverged_and_the_default() -> None:
    means = [1.5, 1.0, 0.6, 0.52, 0.5, 0.53, 1.0, np.inf, np.inf]
    figure = plot_safe_range(result_with(means))
    axes = figure.axes[0]
    diverged = next(line for line in axes.lines if line.get_label() == "diverged")

    assert diverged.get_xdata().tolist() == pytest.approx([0.1 * f for f in FACTORS[-2:]])
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "learning_rate_init (no unit)"
    assert axes.get_ylabel() == "validation loss on 2 fresh replicates"
    assert {"recommended: 0.1", "untuned default", "diverged"} <= set(labels(figure))
    low, high = result_with(means).safe_range or (0.0, 0.0)
    assert f"safe: {low:.3g} to {high:.3g}" in labels(figure)
    assert low < 0.1 < high


def test_a_result_that_was_not_confirmed_has_no_safe_range_to_show() -> None:
    plain = replace(result_with([1.0] * len(FACTORS)), confirmation=None)

    with pytest.raises(InvalidInputError, match="a safe range needs a confirmed result"):
        plot_safe_range(plain)
