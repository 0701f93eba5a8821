"""The figures of a report."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from lrtune.review.figures import (
    draw_importances,
    draw_learning_curves,
    draw_losses,
    draw_outcomes,
    draw_profile,
    draw_range,
    draw_schedule,
    logarithmic,
)
from lrtune.review.study import Study
from lrtune.tuning.record.trials import status
from tests.review.variants import changed


def labels(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_the_losses_of_all_trials_are_drawn_at_most_at_a_guess(interrupted: Study) -> None:
    figure = draw_losses(interrupted)
    (axes,) = figure.axes
    drawn = np.concatenate([dots.get_offsets() for dots in axes.collections])
    crosses = next(line for line in axes.lines if line.get_label() == "diverged")

    assert len(drawn) + len(crosses.get_xdata()) == len(interrupted.trials)
    assert drawn[:, 1].max() <= interrupted.cap
    assert set(crosses.get_ydata()) == {interrupted.cap}
    assert {"diverged", "a guess", "recommended", "untuned default"} <= labels(figure)


def test_curves_are_those_of_the_trials_capped(interrupted: Study) -> None:
    (axes,) = draw_learning_curves(interrupted).axes
    trial = interrupted.recommended_trial
    assert trial is not None
    line = next(line for line in axes.lines if str(line.get_label()).startswith("recommended"))

    assert line.get_xdata().tolist() == sorted(trial.intermediate_values)
    assert max(max(line.get_ydata()) for line in axes.lines) <= interrupted.cap


def test_the_schedule_is_the_recommended_one(interrupted: Study) -> None:
    figure = draw_schedule(interrupted)
    line = figure.axes[0].lines[0]
    assert interrupted.recommended is not None

    assert labels(figure) == {"recommended", "untuned default"}
    assert np.array_equal(
        line.get_ydata(), interrupted.recommended.schedule(np.array(line.get_xdata()))
    )


def test_the_edges_of_the_range_test_are_drawn(interrupted: Study) -> None:
    (axes,) = draw_range(interrupted).axes
    edges = [edge for row in interrupted.plan.edges for edge in row if edge is not None]
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]

    assert drawn == edges


def test_the_profile_is_drawn_on_a_logarithmic_axis(regression: Study) -> None:
    figure = draw_profile(regression)

    assert figure.axes[0].get_xscale() == "log"
    assert any(label.startswith("safe: ") for label in labels(figure))


def test_importances_are_drawn_in_per_cent(interrupted: Study) -> None:
    (axes,) = draw_importances(interrupted).axes
    widths = [bar.get_width() for bar in axes.patches]

    assert sum(widths) == pytest.approx(100)
    assert len(widths) == len(interrupted.importances)


def test_outcomes_add_up_to_the_trials(interrupted: Study) -> None:
    figure = draw_outcomes(interrupted)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    counts = [status(trial) for trial in interrupted.trials]

    assert sum(heights) == len(interrupted.trials)
    assert labels(figure) == {f"{counts.count(kind)} {kind}" for kind in set(counts)}


def test_outcomes_of_a_single_rate_are_drawn(interrupted: Study) -> None:
    fixed = changed(interrupted, rates=(0.1, 0.1))

    assert sum(bar.get_height() for bar in draw_outcomes(fixed).axes[0].patches) == 16


@pytest.mark.parametrize("bounds", [(0.1, 0.9), (1e-4, 10.0)])
def test_a_logarithmic_axis_has_plain_numbers(bounds: tuple[float, float]) -> None:
    axes = Figure().subplots()
    axes.set_xlim(*bounds)
    logarithmic(axes.xaxis, bounds)

    assert axes.get_xscale() == "log"
    assert axes.xaxis.get_major_formatter()(0.01, 0) == "0.01"
    minor = axes.xaxis.get_minor_formatter()
    assert [minor(value, 0) for value in (0.2, 0.3, 0.5)] == (
        ["0.2", "", "0.5"] if bounds[1] < 100 * bounds[0] else ["", "", ""]
    )
