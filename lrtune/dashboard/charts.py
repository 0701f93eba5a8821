"""The figures on a study's page, as JSON that the page draws with plotly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.dashboard.attributes import capped_curve, setting_in_words
from lrtune.review.plots import COLOURS
from lrtune.review.study import Study
from lrtune.review.wording import headline
from lrtune.schedules.decays import DECAYS
from lrtune.support.numbers import number
from lrtune.tuning.record.trials import status

_SYMBOLS = [
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "pentagon",
    "star-triangle-up",
    "hexagram",
]
"""Symbols of the decay types, distinguishable in greyscale too."""
GREEN, GREY = COLOURS[2], "#8c8c8c"
MAX_CURVES = 6
"""Limit on the curves of completed trials, and on those of diverged ones."""

Trace = dict[str, Any]


def loss_by_rate(study: Study) -> dict[str, Any]:
    """Plot every trial's loss against α₀, by decay type, with the safe range and the edge."""
    decays = [name for name in DECAYS if name in study.facts.space.decay]
    traces = [_decay(study, name, index) for index, name in enumerate(decays)]
    traces = [trace for trace in traces if trace["x"]]
    if study.diverged:
        marker = {"symbol": "x", "color": GREY, "size": 7}
        traces.append(_points(study, study.diverged, "diverged (capped)", marker))
    traces += _profile(study)
    rates = [*study.rates, *(rate for trace in traces for rate in trace["x"])]
    losses = [loss for trace in traces for loss in trace["y"]]
    return {
        "data": traces,
        "layout": {
            **_layout(_title(study)),
            "xaxis": {"title": {"text": "initial learning rate α₀"}, **_log(rates)},
            "yaxis": {
                "title": {"text": f"{study.subject.row}{study.subject.better}"},
                **_log_if_wide(study, losses),
            },
            "shapes": _shapes(study),
            "annotations": _labels(study),
        },
    }


def learning_curves(study: Study) -> dict[str, Any]:
    """Plot the capped loss by epoch of the best trials, the default, and some that diverged."""
    named = _named(study)
    others = [trial for trial in study.ranked[:MAX_CURVES] if trial.number not in named]
    traces = [
        _curve(study, trial, {"color": colour, "width": 1.5}, f"trial {trial.number}")
        for trial, colour in zip(others, COLOURS, strict=False)
    ]
    traces += [_curve(study, trial, line, name) for trial, line, name in named.values()]
    line = {"color": GREY, "width": 1.5}
    traces += [
        _curve(study, trial, line, f"trial {trial.number}, diverged")
        for trial in study.diverged[:MAX_CURVES]
    ]
    losses = [loss for trace in traces for loss in trace["y"]]
    return {
        "data": traces,
        "layout": {
            **_layout("Learning curves: best, default, and diverged with the lowest rates (grey)"),
            "xaxis": {"title": {"text": "epochs"}, "rangemode": "tozero"},
            "yaxis": {
                "title": {"text": _capped(study)},
                **_log_if_wide(study, losses),
            },
        },
    }


CHARTS: dict[str, Callable[[Study], dict[str, Any]]] = {
    "losses": loss_by_rate,
    "curves": learning_curves,
}
"""Figures by name, in the order of the page."""


def _layout(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 13}},
        "legend": {"font": {"size": 11}},
        "margin": {"l": 60, "r": 10, "t": 80, "b": 50},
        "hovermode": "closest",
    }


def _title(study: Study) -> str:
    """Return the recommendation, in lines short enough for half a page."""
    if study.setting is None:
        return "No trial has completed"
    words = f"{setting_in_words(study.setting.params)}</b>"
    if study.confirmation is None:
        return f"<b>{headline(study)}<br>{words}"
    title = f"<b>{headline(study)}: {words}"
    expected = study.estimated(study.confirmation.recommended)
    fresh = f"on {study.confirmation.replicates} fresh replicates"
    return f"{title}<br>{study.measured.short} {expected} {fresh}"


def _log(values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis with ticks at 1, 2 and 5, or at powers of ten only.

    They are labelled here, since plotly labels 0.02 and 200 alike as 2.
    """
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if high < 500 * low else (1,)
    ticks = [float(f"{factor}e{power}") for power in powers for factor in factors]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _capped(study: Study) -> str:
    subject = study.subject
    cap = number(study.cap) if subject.is_function else "a guess's"
    return f"{subject.row}{subject.better}, capped at {cap}"


def _log_if_wide(study: Study, losses: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis if losses are positive and span more than a factor of three."""
    is_wide = study.sign > 0 and losses and min(losses) > 0 and max(losses) > 3 * min(losses)
    return _log(losses) if is_wide else {}


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _points(
    study: Study, trials: Sequence[FrozenTrial], name: str, marker: Mapping[str, Any]
) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [_rounded(trial.params["learning_rate_init"]) for trial in trials],
        "y": [_rounded(study.loss(trial)) for trial in trials],
        "text": [f"trial {trial.number}" for trial in trials],
        "marker": dict(marker),
    }


def _decay(study: Study, decay: str, index: int) -> Trace:
    """Return the trials of one decay type that completed or were pruned."""
    trials = [
        trial
        for trial in study.trials
        if trial.params["decay"] == decay and status(trial) in ("complete", "pruned")
    ]
    marker = {
        "symbol": _SYMBOLS[index % len(_SYMBOLS)],
        "color": COLOURS[index % len(COLOURS)],
        "size": 7,
        "opacity": 0.75,
    }
    return _points(study, trials, decay, marker)


def _profile(study: Study) -> list[Trace]:
    """Plot the recommended decay's loss on fresh replicates, at rates around its own.

    There is none where a metric was measured, which has no place on an axis of the loss.
    """
    if study.confirmation is None or study.is_scored:
        return []
    profile = study.confirmation.profile
    mean = study.shown(profile.mean)
    is_finite = np.isfinite(profile.mean)
    error = np.where(np.isfinite(profile.error), profile.error, 0.0)
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "recommended decay,<br>fresh replicates",
            "x": [_rounded(rate) for rate in np.array(profile.rates)[is_finite]],
            "y": [_rounded(loss) for loss in mean[is_finite]],
            "error_y": {"array": [_rounded(bar) for bar in error[is_finite]], "thickness": 1},
            "line": {"color": "#000000", "width": 2},
            "marker": {"size": 5},
        }
    ]


def _spans(study: Study) -> list[tuple[str, str, float, float]]:
    """Return the name, colour and range of each mark on the axis of α₀."""
    spans = []
    confirmation, edge = study.confirmation, study.edge
    if confirmation is not None and confirmation.profile.safe_range is not None:
        spans.append((study.safe_name, GREEN, *confirmation.profile.safe_range))
    if study.setting is not None:
        rate = study.setting.learning_rate_init
        spans.append((f"α₀ {number(rate)}", GREEN, rate, rate))
    if edge is not None and edge.median is not None:
        spans.append(("edge (first steps)", COLOURS[1], edge.median, edge.median))
    return spans


def _shapes(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "layer": "below",
            "x0": low,
            "x1": high,
            "y0": 0,
            "y1": 1,
            "fillcolor": colour,
            "opacity": 0.18 if low < high else 0.9,
            "line": {"width": 0 if low < high else 1.5, "color": colour},
        }
        for _, colour, low, high in _spans(study)
    ]


def _labels(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "text": name,
            "xref": "x",
            "yref": "paper",
            # plotly expects the exponent on a logarithmic axis
            "x": math.log10(math.sqrt(low * high)),
            "y": 1 if low == high else 0,
            "yanchor": "bottom",
            "showarrow": False,
            "font": {"size": 11, "color": colour},
        }
        for name, colour, low, high in _spans(study)
    ]


def _named(study: Study) -> dict[int, tuple[FrozenTrial, dict[str, Any], str]]:
    """Return the default and the recommended trial with line and name, by number."""
    named = {}
    if (trial := study.default_trial) is not None:
        line = {"color": "#000000", "width": 1.5, "dash": "dash"}
        named[trial.number] = (trial, line, f"trial {trial.number}, untuned")
    if (trial := study.recommended_trial) is not None:
        line = {"color": "#000000", "width": 3}
        name = "recommended" if study.confirmation is not None else "best"
        named[trial.number] = (trial, line, f"trial {trial.number}, {name}")
    return named


def _curve(study: Study, trial: FrozenTrial, line: Mapping[str, Any], name: str) -> Trace:
    curve = capped_curve(study, trial)
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(curve) < 3 else "lines",
        "name": name,
        "x": list(curve),
        "y": [_rounded(loss) for loss in curve.values()],
        "line": dict(line),
        "hovertext": setting_in_words(trial.params),
    }
