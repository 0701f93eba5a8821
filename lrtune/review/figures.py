"""The figures of a report; each is a pure function of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from optuna.trial import FrozenTrial

from lrtune.review.plots import COLOURS, plot_profile, plot_schedules, unique_legend
from lrtune.review.study import Study
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import STATUSES, status

__all__ = [
    "BINS",
    "DEFAULT",
    "MARKERS",
    "MAX_DIVERGED",
    "RATE",
    "RECOMMENDED",
    "SIZE",
    "draw_importances",
    "draw_learning_curves",
    "draw_losses",
    "draw_outcomes",
    "draw_profile",
    "draw_range",
    "draw_schedule",
    "logarithmic",
]

SIZE = (4.4, 3.5)
"""Width and height in inches, for paper and for a phone, which shrinks it by a fifth."""
MARKERS = "osD^vP*Xhd"
"""Markers of decay types in the order of their colours, so that they differ in grey too."""
MAX_DIVERGED = 3
RATE = "initial learning rate α₀ (no unit)"
BINS = 12
RECOMMENDED: dict[str, Any] = {"color": COLOURS[2], "linewidth": 2.4}
DEFAULT: dict[str, Any] = {"color": "black", "linewidth": 1.8, "linestyle": "--"}


def draw_losses(study: Study) -> Figure:
    """Draw the loss of every trial against α₀, by decay type, with the safe range and the edge."""
    figure, axes = _start("Validation loss by initial learning rate", height=4.4)
    decays = [name for name in DECAYS if name in study.facts.space.decay]
    for index, decay in enumerate(decays):
        trials = [trial for trial in study.trials if trial.params["decay"] == decay]
        _scatter(axes, study, trials, index, decay)
    diverged = [trial for trial in study.trials if status(trial) == "diverged"]
    _mark_diverged(axes, diverged, study.cap)
    if study.naive_loss is not None:
        axes.axhline(study.cap, color="0.5", linestyle=":", label="a guess")
    _mark_range(axes, study)
    _mark_trials(axes, study)
    axes.set(xlabel=RATE, ylabel=_loss_label(study, f"{study.n_replicates}"))
    logarithmic(axes.xaxis, study.rates)
    losses = [study.loss(trial) for trial in study.trials]
    if losses and 0 < 5 * min(losses) < max(losses):
        logarithmic(axes.yaxis, (min(losses), max(losses)))
    return _finish(figure, axes)


def draw_learning_curves(study: Study) -> Figure:
    """Draw the loss by epoch of the named trials and of some that diverged, capped."""
    figure, axes = _start("Learning curves")
    diverged = [trial for trial in study.trials if status(trial) == "diverged"]
    latest = sorted(diverged, key=lambda trial: -TrialFacts.of(trial).epochs)[:MAX_DIVERGED]
    for trial in reversed(latest):
        label = f"diverged ({len(latest)} of {len(diverged)})"
        _curve(axes, study, trial, label, color=COLOURS[1], linewidth=1.2)
        axes.plot(max(trial.intermediate_values), study.cap, "x", color=COLOURS[1], zorder=3)
    for trial, label, style in _named(study):
        _curve(axes, study, trial, f"{label}, trial {trial.number}", **style)
    if study.naive_loss is not None:
        axes.axhline(study.cap, color="0.5", linestyle=":", label="a guess (cap)")
    axes.set(xlabel="epoch", ylabel=_loss_label(study, f"{study.n_replicates}"))
    axes.set_xlim(0, study.epochs * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    losses = [study.loss(trial) for trial, _, _ in _named(study)]
    if losses and 0 < 5 * min(losses) < study.cap:
        logarithmic(axes.yaxis, (min(losses), study.cap))
    return _finish(figure, axes)


def draw_schedule(study: Study) -> Figure:
    """Draw the recommended schedule and the untuned default's."""
    assert study.recommended is not None  # noqa: S101
    schedules = {"recommended": study.recommended.schedule}
    default: Schedule = study.default_schedule
    if not DECAYS[default.decay].feedback:
        schedules["untuned default"] = default
    figure = plot_schedules(schedules, study.epochs)
    axes = figure.axes[0]
    figure.suptitle("Recommended schedule")
    axes.set(xlabel="time t (epochs)", ylabel="learning rate (no unit)")
    axes.set_ylim(top=1.06 * max(np.max(line.get_ydata()) for line in axes.lines))
    for line, style in zip(axes.lines, (RECOMMENDED, DEFAULT), strict=False):
        line.set(**style)
    return _finish(figure, axes)


def draw_range(study: Study) -> Figure:
    """Draw where training at a constant rate diverges, by replicate, and the range searched."""
    figure, axes = _start("Range test: where training diverges", height=2.8)
    low, high = study.rates
    axes.axvspan(low, high, color=COLOURS[5], alpha=0.2, linewidth=0, label="range searched")
    points = [
        (edge, replicate)
        for row in study.plan.edges
        for replicate, edge in enumerate(row, start=1)
        if edge is not None
    ]
    for edge, replicate in points:
        axes.plot(edge, replicate, "o", color=COLOURS[1], label="edge of a replicate")
    _mark_edge(axes, study)
    if study.setting is not None:
        axes.axvline(study.setting.learning_rate_init, color=COLOURS[2], label="recommended α₀")
    axes.set(xlabel=RATE, ylabel="replicate", ylim=(0.5, study.n_replicates + 0.5))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    logarithmic(axes.xaxis, (low, max([high, *(edge for edge, _ in points)])))
    return _finish(figure, axes)


def draw_profile(study: Study) -> Figure:
    """Draw the loss of the recommended decay on fresh replicates, at rates around its own."""
    assert study.confirmation is not None  # noqa: S101
    figure = plot_profile(study.confirmation)
    axes = figure.axes[0]
    figure.suptitle("Sensitivity to the initial learning rate")
    axes.set(xlabel=RATE, ylabel=_loss_label(study, f"{study.confirmation.replicates} fresh"))
    rates = study.confirmation.profile.rates
    logarithmic(axes.xaxis, (rates[0], rates[-1]))
    return _finish(figure, axes, height=3.9)


def draw_importances(study: Study) -> Figure:
    """Draw the share of the loss's variance that each parameter explains."""
    figure, axes = _start("What the loss depends on", height=2.4)
    importances = study.importances[::-1]
    shares = [100 * importance.share for importance in importances]
    errors = [100 * importance.error for importance in importances]
    names = [importance.parameter for importance in importances]
    axes.barh(names, shares, xerr=errors, color=COLOURS[0],
              error_kw={"ecolor": "black", "capsize": 3})  # fmt: skip
    for place, (share, error) in enumerate(zip(shares, errors, strict=True)):
        axes.text(share + error + 2, place, f"{share:.0f} %", va="center")
    axes.set(xlabel="share of the loss's variance (%)", xlim=(0, 118))
    axes.set_xticks(range(0, 101, 20))
    axes.grid(visible=False, axis="y")
    return figure


def draw_outcomes(study: Study) -> Figure:
    """Draw how many trials completed, were pruned, diverged or failed, by α₀."""
    figure, axes = _start("Trial outcomes by initial learning rate")
    low, high = study.rates
    edges = np.geomspace(low, high, BINS + 1) if low < high else np.array([low / 2, low * 2])
    styles = {"complete": (COLOURS[0], ""), "pruned": (COLOURS[4], ".."),
              "diverged": (COLOURS[1], "//"), "failed": ("0.6", "xx")}  # fmt: skip
    below = np.zeros(len(edges) - 1)
    for kind in STATUSES:
        rates = [t.params["learning_rate_init"] for t in study.trials if status(t) == kind]
        if not rates:
            continue
        counts = np.histogram(np.clip(rates, edges[0], edges[-1]), edges)[0]
        colour, hatch = styles[kind]
        axes.bar(edges[:-1], counts, np.diff(edges), below, align="edge", color=colour,
                 hatch=hatch, edgecolor="white", label=f"{len(rates)} {kind}")  # fmt: skip
        below += counts
    axes.set(xlabel=RATE, ylabel="trials")
    axes.set_ylim(0, max(1.0, 1.08 * below.max()))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    logarithmic(axes.xaxis, (edges[0], edges[-1]))
    return _finish(figure, axes)


# --- parts of figures -----------------------------------------------------------------------------


def _start(title: str, *, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIZE[0], height), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(title)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def _finish(figure: Figure, axes: Axes, *, height: float | None = None) -> Figure:
    """Put the legend below the axes, with each label once."""
    if height is not None or figure.get_figwidth() != SIZE[0]:
        figure.set_size_inches(SIZE[0], height or SIZE[1])
    if (legend := axes.get_legend()) is not None:
        legend.remove()
    handles, labels = unique_legend(axes)
    if labels:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False,
            columnspacing=1.2,
        )  # fmt: skip
    return figure


def _loss_label(study: Study, replicates: str) -> str:
    return f"validation {study.loss_name}\n(mean of {replicates} replicates)"


def logarithmic(axis: Any, bounds: tuple[float, float]) -> None:
    """Make an axis logarithmic, with plain numbers; if it is short, at 2 and 5 too."""
    low, high = bounds
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if high < 100 * low:
        axis.set_minor_formatter(FuncFormatter(_two_or_five))
        axis.set_tick_params(which="minor", labelsize="small")
    else:
        axis.set_minor_formatter(NullFormatter())


def _two_or_five(value: float, _: Any) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _scatter(
    axes: Axes, study: Study, trials: Sequence[FrozenTrial], index: int, label: str
) -> None:
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    for kind, filled in (("complete", colour), ("pruned", "none")):
        of_kind = [trial for trial in trials if status(trial) == kind]
        axes.scatter(
            [trial.params["learning_rate_init"] for trial in of_kind],
            [study.loss(trial) for trial in of_kind],
            s=26, marker=marker, facecolors=filled, edgecolors=colour, alpha=0.85,
            label=label if kind == "complete" and trials else None,
        )  # fmt: skip


def _mark_diverged(axes: Axes, trials: Sequence[FrozenTrial], height: float) -> None:
    rates = [trial.params["learning_rate_init"] for trial in trials]
    if rates:
        axes.plot(rates, [height] * len(rates), "x", color="black", label="diverged")


def _mark_range(axes: Axes, study: Study) -> None:
    safe = None if study.confirmation is None else study.confirmation.profile.safe_range
    if safe is not None:
        axes.axvspan(*safe, color=COLOURS[2], alpha=0.18, linewidth=0, label="safe range")
    _mark_edge(axes, study)


def _mark_edge(axes: Axes, study: Study) -> None:
    edge = study.edge
    if edge is not None and edge.median is not None:
        label = f"divergence edge {number(edge.median, 2)}"
        axes.axvline(edge.median, color="black", linestyle="--", label=label)


def _mark_trials(axes: Axes, study: Study) -> None:
    """Draw rings around the recommended trial and the default's."""
    styles = {"recommended": ("o", COLOURS[2]), "untuned default": ("s", "black")}
    for trial, label, _ in _named(study):
        if label in styles:
            marker, colour = styles[label]
            place = (trial.params["learning_rate_init"], study.loss(trial))
            axes.plot(*place, marker, markersize=12, markerfacecolor="none",
                      markeredgecolor=colour, markeredgewidth=1.8, linestyle="none",
                      label=label)  # fmt: skip


def _named(study: Study) -> list[tuple[FrozenTrial, str, dict[str, Any]]]:
    """Return the recommended, best and default trials, each once, with label and line style."""
    candidates: list[tuple[FrozenTrial | None, str, dict[str, Any]]] = [
        (study.recommended_trial, "recommended", RECOMMENDED),
        (study.best, "best in the search", {"color": COLOURS[0], "linewidth": 1.8}),
        (study.default_trial, "untuned default", DEFAULT),
    ]
    named: dict[int, tuple[FrozenTrial, str, dict[str, Any]]] = {}
    for trial, label, style in candidates:
        if trial is not None:
            named.setdefault(trial.number, (trial, label, style))
    return list(named.values())


def _curve(axes: Axes, study: Study, trial: FrozenTrial, label: str, **style: Any) -> None:
    """Draw a trial's loss by epoch, cut at the cap."""
    epochs = np.array(sorted(trial.intermediate_values))
    losses = np.array([trial.intermediate_values[int(epoch)] for epoch in epochs])
    points = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), 1000)).astype(int))
    axes.plot(epochs[points], np.minimum(losses, study.cap)[points], label=label, **style)
