"""Figures of schedules, range tests and results."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrtune.exceptions import InvalidInputError
from lrtune.review.study import Study
from lrtune.schedules.schedule import Schedule
from lrtune.support.files import write_file

if TYPE_CHECKING:
    from lrtune.tuning.confirm.result import Confirmation
    from lrtune.tuning.range_result import RangeTestResult
    from lrtune.tuning.result import SearchResult

POINTS_PER_EPOCH = 50
MAX_POINTS = 5000
"""More points cannot be distinguished in a figure."""
LABEL_WIDTH = 42
"""Characters that the label of a vertical axis has room for."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito (2008), safe for colour blindness."""


def _start() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    return figure, figure.subplots()


def plot_schedules(schedules: Mapping[str, Schedule], epochs: int) -> Figure:
    """Draw the learning rate of each schedule against time; the keys of `schedules` are labels.

    >>> figure = plot_schedules({"fixed": Schedule(learning_rate_init=0.1)}, epochs=5)
    >>> figure.axes[0].get_xlabel()
    'time t (epochs)'
    """
    figure, axes = _start()
    draw_rates(axes, schedules, epochs)
    axes.legend()
    return figure


def draw_rates(axes: Axes, schedules: Mapping[str, Schedule], epochs: int) -> None:
    """Draw the learning rate of each schedule against time."""
    t = np.linspace(0, epochs, min(epochs * POINTS_PER_EPOCH, MAX_POINTS) + 1)
    for index, (label, schedule) in enumerate(schedules.items()):
        style = ("-", "--")[index // len(COLOURS) % 2]
        axes.plot(t, schedule(t), style, label=label, color=COLOURS[index % len(COLOURS)])
    axes.set(xlabel="time t (epochs)", ylabel="learning rate", xlim=(0, epochs))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def plot_range_test(result: RangeTestResult) -> Figure:
    """Draw the smoothed loss against the rising rate, with the edge and the suggestions."""
    figure, axes = _start()
    curves = np.where(np.isfinite(result.smoothed), result.smoothed, np.nan)
    axes.plot(result.rates, curves.T, color="0.7", linewidth=0.8, label="a replicate")
    has_majority = 2 * np.isfinite(curves).sum(axis=0) > len(curves)
    median = np.nanmedian(curves[:, has_majority], axis=0)
    axes.plot(result.rates[has_majority], median, color=COLOURS[0], linewidth=2.5, label="median")
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
    axes.set_ylim(0, 2 * float(median[0]) or 1.0)  # a diverging loss would flatten the others
    axes.set_title(f"range for a search: {low:g} to {high:g}", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(*unique_legend(axes), fontsize="small")
    return figure


def plot_safe_range(result: SearchResult) -> Figure:
    """Draw the profile of a confirmed result."""
    if result.confirmation is None:
        raise InvalidInputError(
            "a safe range needs a confirmed result, but this search was not confirmed: search "
            "again without `confirm=False`"
        )
    measured = Study(result).measured
    name = plain(f"{measured.row}{measured.better}")
    return plot_profile(result.confirmation, name, sign=measured.sign)


def plain(text: str) -> str:
    """Escape the signs that begin mathematics in a label."""
    return text.replace("$", r"\$")


def plot_profile(
    confirmation: Confirmation, name: str = "validation loss", *, sign: int = 1
) -> Figure:
    """Draw what was measured against α₀ around the recommended rate, with safe range and default.

    `sign` is -1 if higher is better, as the recorded losses are then minus the user's numbers.
    """
    profile, setting = confirmation.profile, confirmation.contenders[0].setting
    rates, mean, error = np.array(profile.rates), sign * profile.mean, profile.error
    is_finite = np.isfinite(mean)
    figure, axes = _start()
    axes.errorbar(
        rates[is_finite], mean[is_finite], error[is_finite], fmt="o-", color=COLOURS[0], capsize=2,
        label=f"{setting.decay} ± standard error",
    )  # fmt: skip
    worst = float(profile.mean[is_finite].max())
    top = sign * min(profile.initial_loss, worst + 0.1 * abs(worst))
    if not is_finite.all():
        heights = np.full((~is_finite).sum(), top)
        axes.plot(rates[~is_finite], heights, "x", color=COLOURS[1], label="diverged")
    if profile.safe_range is not None:
        low, high = profile.safe_range
        label = f"safe: {low:.3g} to {high:.3g}"
        axes.axvspan(low, high, color=COLOURS[2], alpha=0.2, linewidth=0, label=label)
    best = setting.learning_rate_init
    axes.axvline(best, color=COLOURS[2], label=f"recommended: {best:.3g}")
    limits = [sign * float(profile.mean.min()), top]
    default = confirmation.default
    if default is not None and default.loss is not None:
        limits.append(sign * default.loss)
        axes.axhline(limits[-1], color=COLOURS[6], linestyle="--", label="untuned default")
    margin = 0.08 * (max(limits) - min(limits)) or 1.0
    axes.set(
        xlabel="learning_rate_init (no unit)",
        ylabel=fill(f"{name} on {confirmation.replicates} fresh replicates", LABEL_WIDTH),
        ylim=(min(limits) - margin, max(limits) + margin),
    )
    axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def unique_legend(axes: Axes) -> tuple[list[Artist], list[str]]:
    """Return the axes' legend handles and labels, each label once."""
    handles, labels = axes.get_legend_handles_labels()
    first = dict(zip(reversed(labels), reversed(handles), strict=True))
    return list(first.values())[::-1], list(first)[::-1]


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the file's ending names."""
    formats = figure.canvas.get_supported_filetypes()
    ending = path.suffix.lstrip(".").lower()
    if ending not in formats:
        raise InvalidInputError(
            f"a figure's file must end in one of {', '.join(sorted(formats))}, "
            f"but got {path.name!r}"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=150)
    try:
        write_file(path, buffer.getvalue())
    except OSError as error:
        raise InvalidInputError(
            f"a figure's file must be writable, but {str(path)!r} gave: {error.strerror}"
        ) from error
