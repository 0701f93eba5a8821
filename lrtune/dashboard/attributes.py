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
from lrtune.review.wording import SCORES, headline
from lrtune.support.numbers import estimate, number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import status
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
    name = "validation loss" if study.metric is None else f"minus {study.metric}"
    if study.n_replicates == 1:
        return f"{name}, 1 replicate"
    return f"{name}, mean of {study.n_replicates} replicates"


def capped_value(study: Study, trial: FrozenTrial) -> float:
    """Return a trial's value, capped at the worst completed trial and at a guess."""
    if trial.value is None or status(trial) == "diverged":
        return study.worst
    return min(trial.value, study.worst)


def capped_curve(study: Study, trial: FrozenTrial) -> dict[int, float]:
    """Return a trial's mean validation loss after each epoch, capped at that of a guess."""
    return {
        epoch: min(loss, study.cap) for epoch, loss in sorted(trial.intermediate_values.items())
    }


def study_attributes(study: Study) -> dict[str, str]:
    """Describe the result and the origin of a study, as attributes.

    The dashboard shows the first five, and the others on demand.
    """
    origin = dict(reproduction_rows(study))
    layers = "-".join(map(str, np.atleast_1d(study.parameters["hidden_layer_sizes"])))
    optimizer, seed = study.parameters.get("optimizer"), origin.pop("seed", "?")
    first = {
        headline(study).lower(): _recommendation(study),
        "trials": _trials(study),
        "data": data_in_words(study, with_target=False),
        "network": f"layers {layers}, {optimizer}, {study.epochs} epochs, seed {seed}",
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


def _recommendation(study: Study) -> str:
    setting, confirmation = study.setting, study.confirmation
    if setting is None:
        return "no trial has completed"
    parts = [setting_in_words(setting.params)]
    if confirmation is None and study.recommended is not None:
        parts.append(f"loss {estimate(study.recommended.loss, None)} in the search")
    if confirmation is not None:
        recommended, default = confirmation.recommended, confirmation.default
        loss = estimate(recommended.loss, recommended.se)
        parts.append(f"loss {loss} on {confirmation.replicates} fresh replicates")
        parts.append(f"untuned default {estimate(default.loss, default.se)}")
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
    values: dict[str, Any] = {"outcome": status(trial)}
    losses = facts.replicate_losses
    if losses and facts.diverged is None:
        values["loss"] = fmean(losses)
        if len(losses) > 1:
            values["spread over replicates"] = float(np.std(losses, ddof=1))
    if facts.score is not None:
        values[_score_name(study)] = facts.score
        values |= {name: fmean(scores) for name, scores in (facts.metrics or {}).items()}
    if facts.diverged is not None:
        loss = facts.diverged.loss
        values |= {
            "diverged at step": facts.diverged.step,
            "diverged in epoch": facts.diverged.epoch,
            "diverged on replicate": facts.diverged.replicate,
            "loss at divergence": NOT_FINITE if loss is None else loss,
        }
    values["epochs trained, all replicates"] = round(facts.epochs, 2)
    return {name: _to_text(value) for name, value in values.items() if value is not None}


def trial_columns(study: Study) -> dict[str, bool]:
    """Return the attributes of trials; True for those that are numbers, by which to sort."""
    columns = {"outcome": False, "loss": True, "spread over replicates": True}
    columns[_score_name(study)] = True
    if study.best is not None:
        columns |= dict.fromkeys(TrialFacts.of(study.best).metrics or (), True)
    if study.counts.diverged:
        names = ("diverged at step", "diverged in epoch", "diverged on replicate")
        columns |= dict.fromkeys((*names, "loss at divergence"), True)
    return {**columns, "epochs trained, all replicates": True}


def _score_name(study: Study) -> str:
    return SCORES.get(study.facts.trainer.loss, "score")


def _to_text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else NOT_FINITE
    return str(value)
