"""The pictures in notes: of a study, what its report shows first; of a trial, how it went."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import setting_words
from lrtune.review.figures import logarithmic
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.plots import COLOURS, MOST_POINTS, POINTS_PER_EPOCH
from lrtune.review.study import Studied
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials, status

__all__ = ["MOST_PICTURES", "PICTURES", "draw_study", "draw_trial", "pictured"]

PICTURES: tuple[Picture, ...] = (GALLERY["loss"], GALLERY["learning-curves"])
"""In a study's note: what was tried, what diverged and what is recommended, at a glance."""
MOST_PICTURES = 8
"""Of the best trials, and of those that diverged."""
_DPI = 110


def pictured(studied: Studied) -> frozenset[int]:
    """Numbers of the trials that have a picture: the best, and the gentlest that diverged."""
    best = sorted(complete_trials(studied.trials), key=lambda each: (each.value, each.number))
    diverged = [trial for trial in studied.trials if status(trial) == "diverged"]
    gentle = sorted(diverged, key=lambda each: float(each.params["learning_rate_init"]))
    special = [studied.default_trial, studied.recommended_trial]
    shown = [*best[:MOST_PICTURES], *gentle[:MOST_PICTURES], *special]
    return frozenset(trial.number for trial in shown if trial is not None)


def draw_study(studied: Studied, index: int) -> bytes:
    """One of a study's pictures, as PNG; two stand side by side."""
    return PICTURES[index].png(studied, _DPI)


def draw_trial(studied: Studied, trial: FrozenTrial) -> bytes:
    """A trial's picture, as PNG."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    losses, rates = figure.subplots(1, 2)
    _draw_losses(losses, studied, trial)
    _draw_rates(rates, studied, studied.schedule_of(trial))
    figure.suptitle(
        f"trial {trial.number}, {status(trial)}: {setting_words(trial.params)}", fontsize="medium"
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    return file.getvalue()


def _draw_losses(axes: Axes, studied: Studied, trial: FrozenTrial) -> None:
    """Validation loss of each replicate by epoch; what is above a guess is cut to it."""
    cap = studied.cap
    curves = TrialFacts.of(trial).replicate_curves
    for index, curve in enumerate(curves):
        if curve:
            epochs, colour = np.arange(1, len(curve) + 1), COLOURS[index % len(COLOURS)]
            name = f"replicate {index + 1}"
            axes.plot(epochs, np.minimum(curve, cap), ".-", color=colour, label=name)
    told = sorted(trial.intermediate_values.items())
    if told and not curves:
        axes.plot(*np.minimum(np.array(told), [np.inf, cap]).T, ".-", label="mean of replicates")
    _mark_divergence(axes, trial, cap)
    if studied.naive_loss is not None:
        axes.axhline(cap, color="0.5", linestyle=":", label="a guess")
    _scale(axes, [min(loss, cap) for loss in [*trial.intermediate_values.values(), cap]])
    axes.set(xlabel="epochs", ylabel="validation loss", xlim=(0, studied.epochs + 0.5))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _scale(axes: Axes, losses: Sequence[float]) -> None:
    """A logarithmic axis where losses are positive and span more than a factor of three."""
    if min(losses) <= 0:
        return
    if max(losses) > 3 * min(losses):
        logarithmic(axes.yaxis, (min(losses), max(losses)))
    else:
        axes.set_ylim(bottom=0)


def _mark_divergence(axes: Axes, trial: FrozenTrial, cap: float) -> None:
    at = TrialFacts.of(trial).diverged
    if at is not None:
        label = f"diverged at step {at.step}\non replicate {at.replicate}"
        colour = COLOURS[(at.replicate - 1) % len(COLOURS)]
        axes.plot([at.epoch], [cap], "x", color=colour, markersize=10, label=label)


def _draw_rates(axes: Axes, studied: Studied, schedule: Schedule) -> None:
    axes.set(xlabel="time t (epochs)", ylabel="learning rate", xlim=(0, studied.epochs))
    if DECAYS[schedule.decay].feedback:
        axes.text(0.5, 0.5, "follows the validation loss", ha="center", transform=axes.transAxes)
        return
    n_points = min(studied.epochs * POINTS_PER_EPOCH, MOST_POINTS)
    t = np.linspace(0, studied.epochs, n_points, endpoint=False)
    axes.plot(t, schedule(t), color=COLOURS[0])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
