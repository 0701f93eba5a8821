"""The figures of a report, each a pure function of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import FrozenTrial

from lrtune.review.plots import COLOURS, plain, plot_profile, plot_schedules, unique_legend
from lrtune.review.study import Study
from lrtune.review.subject import DIED, Subject
from lrtune.schedules.decays import DECAYS
from lrtune.support.numbers import number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import STATUSES, status

SIZE = (4.4, 3.5)
"""Width and height in inches, readable on paper and on a phone, which shrinks it by a fifth."""
MARKERS = "osD^vP*Xhd"
"""Markers of the decay types, distinguishable in greyscale too."""
MAX_DIVERGED = 3
RATE = "initial learning rate α₀ (no unit)"
BINS = 12
RECOMMENDED: dict[str, Any] = {"color": COLOURS[2], "linewidth": 2.4}
DEFAULT: dict[str, Any] = {"color": "black", "linewidth": 1.8, "linestyle": "--"}


def draw_losses(study: Study) -> Figure:
    """Draw the loss of every trial against α₀, by decay type, with the safe range and the edge."""
    figure, axes = _start(f"{_title(study)} by initial learning rate", height=4.4)
    decays = [name for name in DECAYS if name in study.facts.space.decay]
    for index, decay in enumerate(decays):
        trials = [trial for trial in study.trials if trial.params["decay"] == decay]
        _scatter(axes, study, trials, index, decay)
    if study.diverged:
        diverged = [trial.params["learning_rate_init"] for trial in study.diverged]
        axes.plot(diverged, [study.cap] * len(diverged), "x", color="black", label="diverged")
    mark_guess(axes, study)
    if study.confirmation is not None and study.confirmation.profile.safe_range is not None:
        low, high = study.confirmation.profile.safe_range
        axes.axvspan(
            low, high, color=COLOURS[2], alpha=0.18, linewidth=0, label=plain(study.safe_name)
        )
    _mark_edge(axes, study)
    _mark_trials(axes, study)
    axes.set(xlabel=RATE, ylabel=_label(study.subject, study.judged_on))
    logarithmic(axes.xaxis, study.rates)
    losses = [study.loss(trial) for trial in study.trials]
    if losses and study.sign > 0 and 0 < 5 * min(losses) < max(losses):
        logarithmic(axes.yaxis, (min(losses), max(losses)))
    return _finish(figure, axes)


def draw_learning_curves(study: Study) -> Figure:
    """Draw the loss by epoch of the named trials and of some that diverged, clipped at the cap."""
    figure, axes = _start("Learning curves")
    latest = sorted(study.diverged, key=lambda trial: (-TrialFacts.of(trial).epochs, trial.number))[
        :MAX_DIVERGED
    ]
    for trial in reversed(latest):
        label = f"diverged ({len(latest)} of {len(study.diverged)})"
        _curve(axes, study, trial, label, color=COLOURS[1], linewidth=1.2)
        axes.plot(max(trial.intermediate_values), study.cap, "x", color=COLOURS[1], zorder=3)
    for trial, label, style in _named(study):
        _curve(axes, study, trial, f"{label}, trial {trial.number}", **style)
    mark_guess(axes, study, f"{study.subject.reference} (cap)")
    n = study.n_replicates
    of = f"mean of {n} replicate{'' if n == 1 else 's'}"
    axes.set(xlabel="epoch", ylabel=_label(study.subject, of))
    axes.set_xlim(0, study.epochs * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    losses = [study.loss(trial) for trial, _, _ in _named(study)]
    if losses and study.sign > 0 and 0 < 5 * min(losses) < study.cap:
        logarithmic(axes.yaxis, (min(losses), study.cap))
    return _finish(figure, axes)


def draw_schedule(study: Study) -> Figure:
    """Draw the recommended schedule and the untuned default's."""
    assert study.recommended is not None  # noqa: S101
    schedules = {"recommended": study.recommended.schedule}
    default = study.default_schedule
    if default is not None and not DECAYS[default.decay].feedback:
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
    """Draw each replicate's divergence edge at a constant rate, and the range searched."""
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
    n_replicates = max(map(len, study.plan.edges), default=1)
    if study.setting is not None:
        axes.axvline(study.setting.learning_rate_init, color=COLOURS[2], label="recommended α₀")
    axes.set(xlabel=RATE, ylabel="replicate", ylim=(0.5, n_replicates + 0.5))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    logarithmic(axes.xaxis, (low, max([high, *(edge for edge, _ in points)])))
    return _finish(figure, axes)


def draw_profile(study: Study) -> Figure:
    """Draw the loss of the recommended decay on fresh replicates, at rates around its own."""
    assert study.confirmation is not None  # noqa: S101
    figure = plot_profile(study.confirmation, sign=study.measured.sign)
    axes = figure.axes[0]
    figure.suptitle("Sensitivity to the initial learning rate")
    axes.set(
        xlabel=RATE,
        ylabel=_label(study.measured, f"mean of {study.confirmation.replicates} fresh replicates"),
    )
    rates = study.confirmation.profile.rates
    logarithmic(axes.xaxis, (rates[0], rates[-1]))
    return _finish(figure, axes, height=3.9)


def draw_importances(study: Study) -> Figure:
    """Draw the share of the loss's variance that each parameter explains."""
    figure, axes = _start(plain(study.subject.titled("What the loss depends on")), height=2.4)
    importances = study.importances[::-1]
    shares = [100 * importance.share for importance in importances]
    errors = [100 * importance.error for importance in importances]
    names = [importance.parameter for importance in importances]
    axes.barh(names, shares, xerr=errors, color=COLOURS[0],
              error_kw={"ecolor": "black", "capsize": 3})  # fmt: skip
    for place, (share, error) in enumerate(zip(shares, errors, strict=True)):
        axes.text(share + error + 2, place, f"{share:.0f} %", va="center")
    axes.set(xlabel=plain(study.subject.titled("share of the loss's variance (%)")), xlim=(0, 118))
    axes.set_xticks(range(0, 101, 20))
    axes.grid(visible=False, axis="y")
    return figure


def draw_outcomes(study: Study) -> Figure:
    """Draw how many trials completed, did not learn, were pruned, diverged or failed, by α₀."""
    figure, axes = _start("Trial outcomes by initial learning rate")
    low, high = study.rates
    edges = np.geomspace(low, high, BINS + 1) if low < high else np.array([low / 2, low * 2])
    styles = {
        "complete": (COLOURS[0], ""),
        DIED: (COLOURS[3], "--"),
        "pruned": (COLOURS[4], ".."),
        "diverged": (COLOURS[1], "//"),
        "failed": ("0.6", "xx"),
    }
    below = np.zeros(len(edges) - 1)
    for kind in (STATUSES[0], DIED, *STATUSES[1:]):
        rates = [t.params["learning_rate_init"] for t in study.trials if study.outcome(t) == kind]
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
    """Move the legend below the axes, each label once."""
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


def _label(subject: Subject, of: str) -> str:
    return f"{plain(subject.axis)}\n({of})"


def _title(study: Study) -> str:
    row = study.subject.row
    return plain(f"{row[:1].upper()}{row[1:]}")


def logarithmic(axis: Any, bounds: tuple[float, float]) -> None:
    """Make an axis logarithmic, labelled at powers of ten; below two decades at 2 and 5 too."""
    low, high = bounds
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    if high < 100 * low:
        axis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axis.set_tick_params(which="minor", labelsize="small")
    else:
        axis.set_minor_formatter("")


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


def mark_guess(axes: Axes, study: Study, label: str | None = None) -> None:
    """Draw the loss of a guess, or of a training that did not learn, as a line, if it is known."""
    if study.has_reference:
        axes.axhline(study.cap, color="0.5", linestyle=":", label=label or study.subject.reference)


def _mark_edge(axes: Axes, study: Study) -> None:
    if study.edge is not None and study.edge.median is not None:
        label = f"divergence edge {number(study.edge.median, 2)}"
        axes.axvline(study.edge.median, color="black", linestyle="--", label=label)


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
    named: dict[int, tuple[FrozenTrial, str, dict[str, Any]]] = {}
    for trial, label, style in (
        (study.recommended_trial, "recommended", RECOMMENDED),
        (study.best, "best in the search", {"color": COLOURS[0], "linewidth": 1.8}),
        (study.default_trial, "untuned default", DEFAULT),
    ):
        if trial is not None:
            named.setdefault(trial.number, (trial, label, style))
    return list(named.values())


def _curve(axes: Axes, study: Study, trial: FrozenTrial, label: str, **style: Any) -> None:
    epochs = np.array(sorted(trial.intermediate_values))
    losses = np.array([trial.intermediate_values[int(epoch)] for epoch in epochs])
    points = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), 1000)).astype(int))
    axes.plot(epochs[points], study.shown(losses)[points], label=label, **style)
