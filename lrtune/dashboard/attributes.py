"""Attributes in the dashboard's tables, and values capped to keep its axes readable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.review.study import Study
from lrtune.review.tables import data_in_words, reproduction_rows
from lrtune.review.wording import headline
from lrtune.support.numbers import number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.setting import Setting

NOT_FINITE = "not finite"
"""Text shown for a loss that is infinite or NaN."""


def setting_in_words(params: Mapping[str, Any]) -> str:
    """Describe a setting in a few words.

    >>> setting_in_words({"learning_rate_init": 0.125, "decay": "cosine", "decay_rate": 0.0512})
    'learning_rate_init 0.125, cosine with decay_rate 0.0512'
    >>> setting_in_words({"learning_rate_init": 0.125, "decay": "constant", "decay_rate": 0.3})
    'learning_rate_init 0.125, constant'
    """
    setting = Setting.from_params(params)
    words = f"learning_rate_init {number(setting.learning_rate_init, 4)}, {setting.decay}"
    if setting.decay != "constant":
        words += f" with decay_rate {number(setting.decay_rate)}"
    return ", ".join([words, *(f"{name} {value}" for name, value in setting.others)])


def objective_name(study: Study) -> str:
    """Return the label of axes that show the optimised value."""
    name = study.subject.row if study.metric is None else f"minus {study.metric}"
    return f"{name}, {study.judged_on}"


def capped_value(study: Study, trial: FrozenTrial) -> float:
    """Return a trial's value, capped at the worst completed trial and at a guess."""
    return study.value(trial)


def capped_curve(study: Study, trial: FrozenTrial) -> dict[int, float]:
    """Return a trial's mean validation loss after each epoch, capped at that of a guess."""
    curve = sorted(trial.intermediate_values.items())
    losses = study.shown([loss for _, loss in curve]).tolist()
    return {epoch: loss for (epoch, _), loss in zip(curve, losses, strict=True)}


def study_attributes(study: Study) -> dict[str, str]:
    """Describe the result and the origin of a study, as attributes.

    The dashboard shows the first five, and the others on demand.
    """
    origin = dict(reproduction_rows(study))
    seed = origin.pop("seed", "?")
    first = {
        headline(study).lower(): _recommendation(study),
        "trials": _trials(study),
        "trainings": origin.pop("trainings", ""),
        "data": data_in_words(study, with_target=False),
        **_trained(study, seed),
        "versions": origin.pop("versions", ""),
    }
    more = {
        **{
            f"warning {index}" if index > 1 else "warning": text
            for index, text in enumerate(study.warnings, start=1)
        },
        **{f"{name} in full" if name in first else name: text for name, text in origin.items()},
        "made by": study.environment.command,
    }
    return {name: value for name, value in (first | more).items() if value}


def _trained(study: Study, seed: str) -> dict[str, str]:
    """Describe what was trained, under the name of its kind."""
    if study.subject.is_function:
        name = study.facts.trainer.estimator
        return {"function": f"{name}, {study.epochs} epochs, seed {seed}"}
    words = [study.facts.trainer.estimator]
    if "hidden_layer_sizes" in study.parameters:
        layers = "-".join(map(str, np.atleast_1d(study.parameters["hidden_layer_sizes"])))
        words = [f"layers {layers}", str(study.parameters.get("optimizer"))]
    return {"network": ", ".join([*words, f"{study.epochs} epochs", f"seed {seed}"])}


def _recommendation(study: Study) -> str:
    setting, confirmation = study.setting, study.confirmation
    if setting is None:
        return "no trial has completed"
    name, parts = study.measured.short, [setting_in_words(setting.params)]
    if confirmation is None:
        parts.append(f"{name} {number(study.in_search, 4)} in the search")
    if confirmation is not None:
        recommended, default = confirmation.recommended, confirmation.default
        fresh = f"on {confirmation.replicates} fresh replicates"
        parts.append(f"{name} {study.estimated(recommended)} {fresh}")
        if confirmation.keeps_default:
            parts.append("which is the untuned default")
        elif default is not None:
            parts.append(f"untuned default {study.estimated(default)}")
        if study.is_scored:
            parts.append(f"{study.subject.row} {study.result.describe_loss()}")
        if confirmation.profile.safe_range is not None:
            low, high = confirmation.profile.safe_range
            parts.append(f"safe from {number(low)} to {number(high)}")
    return "; ".join(parts)


def _trials(study: Study) -> str:
    n_planned = max(study.plan.n_trials, len(study.trials))
    counts = study.counts.describe()
    text = f"{len(study.trials)} of {n_planned}: {counts}" if counts else "none yet"
    if study.edge is not None and study.edge.median is not None:
        text += f"; divergence edge in the first steps: about {number(study.edge.median, 2)}"
    return text


def trial_attributes(study: Study, trial: FrozenTrial) -> dict[str, str]:
    """Describe the results of a trial, under names that are among `trial_columns`."""
    facts = TrialFacts.of(trial)
    values: dict[str, Any] = {"outcome": study.outcome(trial)}
    losses = facts.replicate_losses
    if losses and facts.diverged is None:
        values[study.subject.short] = study.sign * fmean(losses)
        if len(losses) > 1:
            values["spread over replicates"] = float(np.std(losses, ddof=1))
    if facts.score is not None and study.subject.score is not None:
        values[study.subject.score] = facts.score
    if facts.diverged is None:
        metrics = (facts.metrics or {}).items()
        values |= {study.named(name): fmean(scores) for name, scores in metrics}
    if facts.diverged is not None:
        loss = study.result.own(facts.diverged.loss)
        where = {
            "diverged at step": facts.diverged.step,
            "diverged in epoch": facts.diverged.epoch,
            "diverged on replicate": facts.diverged.replicate,
            _at_divergence(study): NOT_FINITE if loss is None else loss,
        }
        values |= {name: value for name, value in where.items() if name in _divergence(study)}
    values["error"] = facts.failure
    values["epochs trained, all replicates"] = round(facts.epochs, 2)
    return {name: _to_text(value) for name, value in values.items() if value is not None}


def trial_columns(study: Study) -> dict[str, bool]:
    """Return the attributes of trials; True for those that are numbers, by which to sort."""
    columns = {"outcome": False, study.subject.short: True, "spread over replicates": True}
    if study.subject.score is not None:
        columns[study.subject.score] = True
    if study.best is not None:
        metrics = TrialFacts.of(study.best).metrics or ()
        columns |= dict.fromkeys(map(study.named, metrics), True)
    if study.counts.diverged:
        columns |= dict.fromkeys(_divergence(study), True)
    if study.failures:
        columns["error"] = False
    return {**columns, "epochs trained, all replicates": True}


def _divergence(study: Study) -> tuple[str, ...]:
    """Return the attributes of diverged trials; a function's steps are unknown."""
    step = () if study.subject.is_function else ("diverged at step",)
    return (*step, "diverged in epoch", "diverged on replicate", _at_divergence(study))


def _at_divergence(study: Study) -> str:
    return f"{study.subject.short} at divergence"


def _to_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else NOT_FINITE
    return str(value)
