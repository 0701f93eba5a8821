"""The figure of `benchmark_scaling`: trials, rows, memory, jobs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrtune.review.plots import COLOURS

Array = npt.NDArray[Any]


def draw(
    n_trials: Sequence[int],
    trials: Array,
    n_rows: Sequence[int],
    rows: Array,
    memory: Array,
    jobs: Array,
) -> Figure:
    """Draw the measurements of `benchmark_scaling`, a panel for each part."""
    figure = Figure(figsize=(9.4, 7.4), layout="constrained")
    panels = figure.subplots(2, 2)
    draw_trials(panels[0, 0], n_trials, trials)
    draw_rows(panels[0, 1], n_rows, rows)
    draw_memory(panels[1, 0], n_rows, memory)
    draw_jobs(panels[1, 1], jobs)
    for axes in panels.flat:
        axes.set_axisbelow(True)
        axes.title.set_fontsize("medium")
    return figure


def draw_trials(axes: Axes, n_trials: Sequence[int], times: Array) -> None:
    """Stacked bars: asking, recording, the rest."""
    whole, ask, record = np.median(times, axis=0).T
    names = [f"{n:,}" for n in n_trials]
    bottom = np.zeros(len(names))
    shown = (
        ("asking", ask),
        ("recording", record),
        ("training and the rest", whole - ask - record),
    )
    for (label, spent), colour in zip(shown, COLOURS, strict=False):
        axes.bar(names, spent, bottom=bottom, label=label, color=colour, width=0.6)
        bottom += spent
    axes.axhline(2 * whole[0], color="0.3", linestyle="--", label=f"twice that of {names[0]}")
    axes.set(
        title="trials: iris, 50-12, 5 epochs, one replicate",
        xlabel="trials of a search",
        ylabel="time per trial (ms)",
        ylim=(0, 1.35 * max(*whole, 2 * whole[0])),
    )
    axes.legend(fontsize="small", ncols=2, loc="upper left")
    axes.grid(axis="y", alpha=0.3)


def draw_rows(axes: Axes, n_rows: Sequence[int], times: Array) -> None:
    """Relative to the second size, with the band that is called flat."""
    medians = np.median(times, axis=0)
    relative = np.median(times[..., :2] / times[:, 1:2, :2], axis=0)
    axes.axhspan(0.75, 1.25, color="0.9", label="within 25 %")
    for index, (label, marker) in enumerate((("fit", "o"), ("block of 16 settings", "s"))):
        label += f", {medians[1, index]:.2f} µs at {n_rows[1]:,}"
        axes.plot(n_rows, relative[:, index], f"-{marker}", color=COLOURS[index], label=label)
    axes.set(
        title="rows: 50 columns, 50-12 network, batches of 32",
        xlabel="rows of the table",
        ylabel=f"time per row and epoch\n(times that of {n_rows[1]:,} rows)",
        xscale="log",
        ylim=(0, 1.1 * max(1.9, relative.max())),
    )
    axes.legend(fontsize="small", loc="lower left")
    axes.grid(alpha=0.3)


def draw_memory(axes: Axes, n_rows: Sequence[int], units: Array) -> None:
    """In units of the table, on logarithmic axes."""
    labels = (("fit", "o"), ("search with confirmation", "s"))
    for index, (label, marker) in enumerate(labels):
        axes.plot(n_rows, units[:, index], f"-{marker}", color=COLOURS[index], label=label)
    axes.axhline(2.5, color="0.3", linestyle="--", label="2.5 tables")
    axes.axhline(1, color="0.6", linestyle=":", label="the table itself")
    axes.set(
        title="memory: 50 columns, the table counted",
        xlabel="rows of the table",
        ylabel="highest resident memory (tables)",
        xscale="log",
        yscale="log",
    )
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)


def draw_jobs(axes: Axes, times: Array) -> None:
    """Search and confirmation, one above the other."""
    one, first, later, one_search, later_search = np.median(times, axis=0)
    names = ["1 process", "2 processes,\nrunning already", "2 processes,\nstarted anew"]
    searches = [one_search, later_search, later_search]
    starts = [0, 0, first - later]
    confirmations = [one - one_search, later - later_search, later - later_search]
    bottom = np.zeros(len(names))
    shown = (("the start of processes", starts, 4), ("search", searches, 5))
    for label, spent, colour in (*shown, ("confirmation", confirmations, 0)):
        axes.bar(names, spent, bottom=bottom, color=COLOURS[colour], width=0.6, label=label)
        bottom += spent
    for place, spent in enumerate(bottom):
        ratio = np.median(times[:, 0] / times[:, (0, 2, 1)[place]])
        axes.text(place, spent, f"{spent:.1f} s, {ratio:.2f}×", ha="center", va="bottom")
    axes.legend(fontsize="small")
    axes.set(
        title="jobs: the default search on digits, 64-32",
        ylabel="wall time (s)",
        ylim=(0, 1.3 * one),
    )
    axes.grid(axis="y", alpha=0.3)
