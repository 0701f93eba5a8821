"""Figures."""

import math

import numpy as np
from matplotlib.figure import Figure

from lrtune.review.plots import plot_range_test
from lrtune.tuning.range_result import RangeTestResult


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
