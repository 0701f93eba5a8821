"""Figures of schedules, range tests and results."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import Schedule
from lrtune.support.files import write_file

if TYPE_CHECKING:
    from lrtune.tuning.confirm.result import Confirmation
    from lrtune.tuning.range_result import RangeTestResult
    from lrtune.tuning.result import SearchResult

__all__ = [
    "COLOURS",
    "MOST_POINTS",
    "POINTS_PER_EPOCH",
    "plot_profile",
    "plot_range_test",
    "plot_safe_range",
    "plot_schedules",
    "save_figure",
]

POINTS_PER_EPOCH = 50
MOST_POINTS = 5000
"""More cannot be told apart in a figure."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008): told apart also by the colour-blind."""


def plot_schedules(schedules: Mapping[str, Schedule], epochs: int) -> Figure:
    """Learning rate against time.

    Parameters
    ----------
    schedules : mapping of str to Schedule
        The lines and their labels.
    epochs : int
        Where the time axis ends.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.

    Examples
    --------
    >>> figure = plot_schedules({"fixed": Schedule(learning_rate_init=0.1)}, epochs=5)
    >>> figure.axes[0].get_xlabel()
    'time t (epochs)'
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    t = np.linspace(0, epochs, min(epochs * POINTS_PER_EPOCH, MOST_POINTS) + 1)
    for index, (label, schedule) in enumerate(schedules.items()):
        style = ("-", "--")[index // len(COLOURS) % 2]
        axes.plot(t, schedule(t), style, label=label, color=COLOURS[index % len(COLOURS)])
    axes.set(xlabel="time t (epochs)", ylabel="learning rate", xlim=(0, epochs))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def plot_range_test(result: RangeTestResult) -> Figure:
    """Smoothed loss against the rising rate, with the edge and the suggestions.

    Parameters
    ----------
    result : RangeTestResult

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from lrtune import MLPClassifier, lr_range_test
    >>> model = make_pipeline(StandardScaler(), MLPClassifier())
    >>> figure = plot_range_test(lr_range_test(model, *load_wine(return_X_y=True)))
    >>> figure.axes[0].get_xlabel()
    'learning rate (no unit)'
    """
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    curves = np.where(np.isfinite(result.smoothed), result.smoothed, np.nan)
    axes.plot(result.rates, curves.T, color="0.7", linewidth=0.8, label="a replicate")
    running = 2 * np.isfinite(curves).sum(axis=0) > len(curves)
    median = np.nanmedian(curves[:, running], axis=0)
    axes.plot(result.rates[running], median, color=COLOURS[0], linewidth=2.5, label="median")
    for index, name in enumerate(("edge", *result.suggestions)):
        spread = result.spread(name)
        if spread is None or spread.median is None or spread.lower is None:
            continue
        colour = COLOURS[1 + index % (len(COLOURS) - 1)]
        label = f"{name} {float(f'{spread.median:.2g}'):g}"  # 100, not 1e+02
        axes.axvline(spread.median, color=colour, linestyle="--" if index else "-", label=label)
        upper = result.rates[-1] if spread.upper is None else spread.upper
        axes.axvspan(spread.lower, upper, color=colour, alpha=0.15, linewidth=0)
    low, high = result.learning_rate_range
    axes.set(xlabel="learning rate (no unit)", ylabel="training loss of a batch, smoothed")
    axes.set_xscale("log")
    axes.set_ylim(0, 2 * float(median[0]) or 1.0)  # a diverging loss would hide the others
    axes.set_title(f"range for a search: {low:g} to {high:g}", fontsize="medium")
    axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    first = dict(zip(reversed(labels), reversed(handles), strict=True))  # each label once
    axes.legend(reversed(first.values()), reversed(first), fontsize="small")
    return figure


def plot_safe_range(result: SearchResult) -> Figure:
    """Loss against α₀ around the recommended rate, with the safe range and the untuned default.

    Parameters
    ----------
    result : SearchResult
        Of a search with a confirmation.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.

    Raises
    ------
    InvalidInputError
        If the result was not confirmed.
    """
    if result.confirmation is None:
        raise InvalidInputError(
            "a safe range needs a confirmed result, but this search was not confirmed: search "
            "again without --no-confirm (confirm=True)"
        )
    return plot_profile(result.confirmation)


def plot_profile(confirmation: Confirmation) -> Figure:
    """The same, of what fresh replicates said.

    Parameters
    ----------
    confirmation : Confirmation

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to any window.
    """
    profile, setting = confirmation.profile, confirmation.contenders[0].setting
    rates, mean, error = np.array(profile.rates), profile.mean, profile.error
    sound = np.isfinite(mean)
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(
        rates[sound], mean[sound], error[sound], fmt="o-", color=COLOURS[0], capsize=2,
        label=f"{setting.decay} ± standard error",
    )  # fmt: skip
    top = min(profile.initial_loss, 1.1 * float(mean[sound].max()))
    if not sound.all():
        axes.plot(
            rates[~sound], np.full((~sound).sum(), top), "x", color=COLOURS[1], label="diverged"
        )
    if profile.safe_range is not None:
        low, high = profile.safe_range
        label = f"safe: {low:.3g} to {high:.3g}"
        axes.axvspan(low, high, color=COLOURS[2], alpha=0.2, linewidth=0, label=label)
    best = setting.learning_rate_init
    axes.axvline(best, color=COLOURS[2], label=f"recommended: {best:.3g}")
    default = confirmation.default
    if default.loss is not None:
        axes.axhline(default.loss, color=COLOURS[6], linestyle="--", label="untuned default")
    shown = [float(mean[sound].min()), top, *([default.loss] if default.loss is not None else [])]
    margin = 0.08 * (max(shown) - min(shown)) or 1.0
    axes.set(
        xlabel="learning_rate_init (no unit)",
        ylabel=f"validation loss on {confirmation.replicates} fresh replicates",
        ylim=(min(shown) - margin, max(shown) + margin),
    )
    axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the format follows the file's ending.

    Raises
    ------
    InvalidInputError
        If the ending names no format, or the file cannot be written.
    """
    formats = figure.canvas.get_supported_filetypes()
    ending = path.suffix.lstrip(".").lower()
    if ending not in formats:
        raise InvalidInputError(
            f"a figure's file must end in one of {', '.join(sorted(formats))}, "
            f"but got {path.name!r}"
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format=ending, dpi=150)
    try:
        write_file(path, drawn.getvalue())
    except OSError as error:
        raise InvalidInputError(
            f"a figure's file must be writable, but {str(path)!r} gave: {error.strerror}"
        ) from error
