"""The pictures in notes: of a study, the first figures of its report; of a trial, its course."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import setting_in_words
from lrtune.review.figures import logarithmic
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.plots import COLOURS, MAX_POINTS, POINTS_PER_EPOCH
from lrtune.review.study import Study
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials, status

__all__ = [
    "MAX_PICTURES",
    "PICTURES",
    "draw_study",
    "draw_trial",
    "trials_with_picture",
]

PICTURES: tuple[Picture, ...] = (GALLERY["loss"], GALLERY["learning-curves"])
"""Pictures in a study's note."""
MAX_PICTURES = 8
"""Largest number of pictures of the best trials, and of diverged ones."""
_DPI = 110


def trials_with_picture(study: Study) -> frozenset[int]:
    """Return the numbers of the best trials, and of the diverged ones with the lowest rates."""
    best = sorted(complete_trials(study.trials), key=lambda trial: (trial.value, trial.number))
    diverged = [trial for trial in study.trials if status(trial) == "diverged"]
    lowest = sorted(diverged, key=lambda trial: float(trial.params["learning_rate_init"]))
    special = [study.default_trial, study.recommended_trial]
    trials = [*best[:MAX_PICTURES], *lowest[:MAX_PICTURES], *special]
    return frozenset(trial.number for trial in trials if trial is not None)


def draw_study(study: Study, index: int) -> bytes:
    """Draw one of a study's pictures as PNG, small enough for two side by side."""
    return PICTURES[index].png(study, _DPI)


def draw_trial(study: Study, trial: FrozenTrial) -> bytes:
    """Draw a trial's picture as PNG: its losses and its learning rates."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    losses, rates = figure.subplots(1, 2)
    _draw_losses(losses, study, trial)
    _draw_rates(rates, study, study.schedule_of(trial))
    figure.suptitle(
        f"trial {trial.number}, {status(trial)}: {setting_in_words(trial.params)}",
        fontsize="medium",
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    return file.getvalue()


def _draw_losses(axes: Axes, study: Study, trial: FrozenTrial) -> None:
    """Draw the validation loss of each replicate by epoch, capped at that of a guess."""
    cap = study.cap
    curves = TrialFacts.of(trial).replicate_curves
    for index, curve in enumerate(curves):
        if curve:
            epochs, colour = np.arange(1, len(curve) + 1), COLOURS[index % len(COLOURS)]
            name = f"replicate {index + 1}"
            axes.plot(epochs, np.minimum(curve, cap), ".-", color=colour, label=name)
    means = sorted(trial.intermediate_values.items())
    if means and not curves:
        axes.plot(*np.minimum(np.array(means), [np.inf, cap]).T, ".-", label="mean of replicates")
    _mark_divergence(axes, trial, cap)
    if study.naive_loss is not None:
        axes.axhline(cap, color="0.5", linestyle=":", label="a guess")
    _scale(axes, [min(loss, cap) for loss in [*trial.intermediate_values.values(), cap]])
    axes.set(xlabel="epochs", ylabel="validation loss", xlim=(0, study.epochs + 0.5))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _scale(axes: Axes, losses: Sequence[float]) -> None:
    """Make the axis logarithmic if losses are positive and span more than a factor of three."""
    if min(losses) <= 0:
        return
    if max(losses) > 3 * min(losses):
        logarithmic(axes.yaxis, (min(losses), max(losses)))
    else:
        axes.set_ylim(bottom=0)


def _mark_divergence(axes: Axes, trial: FrozenTrial, cap: float) -> None:
    divergence = TrialFacts.of(trial).diverged
    if divergence is not None:
        label = f"diverged at step {divergence.step}\non replicate {divergence.replicate}"
        colour = COLOURS[(divergence.replicate - 1) % len(COLOURS)]
        axes.plot([divergence.epoch], [cap], "x", color=colour, markersize=10, label=label)


def _draw_rates(axes: Axes, study: Study, schedule: Schedule) -> None:
    axes.set(xlabel="time t (epochs)", ylabel="learning rate", xlim=(0, study.epochs))
    if DECAYS[schedule.decay].feedback:
        axes.text(0.5, 0.5, "follows the validation loss", ha="center", transform=axes.transAxes)
        return
    n_points = min(study.epochs * POINTS_PER_EPOCH, MAX_POINTS)
    t = np.linspace(0, study.epochs, n_points, endpoint=False)
    axes.plot(t, schedule(t), color=COLOURS[0])
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
