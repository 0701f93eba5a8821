"""Pictures in notes: a study's first two report figures, and each trial's losses and rates."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import setting_in_words
from lrtune.review.figures import logarithmic, mark_guess
from lrtune.review.gallery import GALLERY, Picture
from lrtune.review.plots import COLOURS, draw_rates, plain
from lrtune.review.study import Study
from lrtune.schedules.decays import DECAYS
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import status

PICTURES: tuple[Picture, ...] = (GALLERY["loss"], GALLERY["learning-curves"])
"""Pictures in a study's note."""
MAX_PICTURES = 8
"""Limit on the pictures of completed trials, and on those of diverged ones."""
_DPI = 110


def trials_with_picture(study: Study) -> frozenset[int]:
    """Return the numbers of the best trials and of the diverged ones with the lowest rates."""
    special = [study.default_trial, study.recommended_trial]
    trials = [*study.ranked[:MAX_PICTURES], *study.diverged[:MAX_PICTURES], *special]
    return frozenset(trial.number for trial in trials if trial is not None)


def draw_study(study: Study, index: int) -> bytes:
    """Draw one of a study's pictures as PNG, small enough for two side by side."""
    return PICTURES[index].png(study, _DPI)


def draw_trial(study: Study, trial: FrozenTrial) -> bytes:
    """Draw a trial's picture as PNG: its losses and its learning rates."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    losses, rates = figure.subplots(1, 2)
    _draw_losses(losses, study, trial)
    schedule = study.schedule_of(trial)
    if DECAYS[schedule.decay].feedback:
        rates.set_axis_off()
        rates.text(0.5, 0.5, "the rate follows the validation loss", ha="center")
    else:
        draw_rates(rates, {"": schedule}, study.epochs)
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
            axes.plot(epochs, study.shown(curve), ".-", color=colour, label=name)
    means = sorted(trial.intermediate_values.items())
    if means and not curves:
        epochs, losses = np.array(means).T
        axes.plot(epochs, study.shown(losses), ".-", label="mean of replicates")
    if divergence := TrialFacts.of(trial).diverged:
        where = f"step {divergence.step}"
        if study.subject.is_function:
            where = f"epoch {divergence.epoch}"
        label = f"diverged at {where}\non replicate {divergence.replicate}"
        colour = COLOURS[(divergence.replicate - 1) % len(COLOURS)]
        axes.plot([divergence.epoch], [cap], "x", color=colour, markersize=10, label=label)
    mark_guess(axes, study)
    lowest = min([*study.shown(list(trial.intermediate_values.values())).tolist(), cap])
    if study.sign > 0 and 0 < 3 * lowest < cap:
        logarithmic(axes.yaxis, (lowest, cap))
    elif study.sign > 0 and lowest > 0:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="epochs", ylabel=plain(study.subject.row), xlim=(0, study.epochs + 0.5))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
