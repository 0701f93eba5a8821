"""Figures of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lrtune.exceptions import InvalidInputError
from lrtune.training.schedules import Schedule

__all__ = ["COLOURS", "POINTS_PER_EPOCH", "plot_schedules", "save_figure"]

POINTS_PER_EPOCH = 50
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
    t = np.linspace(0, epochs, epochs * POINTS_PER_EPOCH + 1)
    for index, (label, schedule) in enumerate(schedules.items()):
        style = ("-", "--")[index // len(COLOURS) % 2]
        axes.plot(t, schedule(t), style, label=label, color=COLOURS[index % len(COLOURS)])
    axes.set(xlabel="time t (epochs)", ylabel="learning rate", xlim=(0, epochs))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the format follows the file's ending.

    Raises
    ------
    InvalidInputError
        If the ending names no format, or the file cannot be written.
    """
    formats = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in formats:
        raise InvalidInputError(
            f"a figure's file must end in one of {', '.join(sorted(formats))}, "
            f"but got {path.name!r}"
        )
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InvalidInputError(
            f"a figure's file must be writable, but {str(path)!r} gave: {error.strerror}"
        ) from error
