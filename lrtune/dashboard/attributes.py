"""What the dashboard shows in its tables: attributes, and values that leave its axes readable."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial

from lrtune.review.facts import fact_rows
from lrtune.review.study import Studied
from lrtune.review.wording import SCORES, estimate, headline, number
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials, status
from lrtune.tuning.setting import Setting

__all__ = [
    "NOT_FINITE",
    "objective_name",
    "setting_words",
    "shown_curve",
    "shown_value",
    "study_attributes",
    "trial_attributes",
    "trial_columns",
]

NOT_FINITE = "not finite"
"""In place of a loss that is not a number, or no finite one."""
_DIGITS = 6


def setting_words(params: Mapping[str, Any]) -> str:
    """A setting, short.

    Examples
    --------
    >>> setting_words({"learning_rate_init": 0.125, "decay": "cosine", "decay_rate": 0.0512})
    'learning_rate_init 0.125, cosine with decay_rate 0.0512'
    >>> setting_words({"learning_rate_init": 0.125, "decay": "constant", "decay_rate": 0.3})
    'learning_rate_init 0.125, constant'
    """
    setting = Setting.from_params(params)
    words = f"learning_rate_init {number(setting.learning_rate_init, 4)}, {setting.decay}"
    if setting.decay != "constant":
        words += f" with decay_rate {number(setting.decay_rate)}"
    return ", ".join([words, *(f"{name} {value}" for name, value in setting.others)])


def objective_name(studied: Studied) -> str:
    """What is optimised, as it stands at the axes."""
    over = f"mean of {studied.n_replicates} replicates"
    if studied.n_replicates == 1:
        over = "1 replicate"
    name = "validation loss" if studied.metric is None else f"minus {studied.metric}"
    return f"{name}, {over}"


def shown_value(studied: Studied, trial: FrozenTrial) -> float:
    """A trial's value, at most the worst of a trial that completed, nor worse than a guess."""
    if trial.value is None or status(trial) == "diverged":
        return studied.worst
    return min(trial.value, studied.worst)


def shown_curve(studied: Studied, trial: FrozenTrial) -> dict[int, float]:
    """A trial's mean validation loss after each epoch, at most that of a guess."""
    told = sorted(trial.intermediate_values.items())
    return {epoch: min(loss, studied.cap) for epoch, loss in told}


def study_attributes(studied: Studied) -> dict[str, str]:
    """What a study found, and what it was, in words.

    The dashboard shows five of them at first: they say it all, the others more of it.
    """
    known = dict(fact_rows(studied))
    parameters = studied.parameters
    layers = "-".join(re.findall(r"\d+", str(parameters.get("hidden_layer_sizes"))))
    network = [f"layers {layers}", str(parameters.get("optimizer")), f"{studied.epochs} epochs"]
    first = {
        headline(studied).lower(): _found(studied),
        "trials": _trials(studied),
        "data": _data(studied),
        "network": ", ".join([*network, f"seed {known.pop('seed', '?')}"]),
        "versions": known.pop("versions", ""),
    }
    more = {
        **{_nth("warning", index): text for index, text in enumerate(studied.warnings)},
        **{f"{name} in full" if name in first else name: told for name, told in known.items()},
        "made by": studied.environment.command,
    }
    return {name: value for name, value in (first | more).items() if value}


def _data(studied: Studied) -> str:
    """Return the data set, as far as it was recorded."""
    data = studied.facts.data
    size = "" if data.rows is None else f"{data.rows} rows, {data.columns} columns"
    return "; ".join(part for part in (data.dataset, size, studied.facts.trainer.task) if part)


def _found(studied: Studied) -> str:
    """The recommendation with its uncertainty, and the safe range."""
    setting, confirmation = studied.setting, studied.confirmation
    if setting is None:
        return "no trial has completed"
    said = [setting_words(setting.params)]
    if confirmation is None and studied.recommended is not None:
        said.append(f"loss {estimate(studied.recommended.loss, None)} in the search")
    if confirmation is not None:
        recommended, default = confirmation.recommended, confirmation.default
        loss = estimate(recommended.loss, recommended.se)
        said.append(f"loss {loss} on {confirmation.replicates} fresh replicates")
        said.append(f"untuned default {estimate(default.loss, default.se)}")
        if confirmation.profile.safe_range is not None:
            low, high = confirmation.profile.safe_range
            said.append(f"safe from {number(low)} to {number(high)}")
    return "; ".join(said)


def _trials(studied: Studied) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in asdict(studied.counts).items() if count)
    planned = max(studied.plan.n_trials, len(studied.trials))
    said = f"{len(studied.trials)} of {planned}: {counts}" if counts else "none yet"
    edge = studied.edge
    if edge is not None and edge.median is not None:
        said += f"; divergence edge in the first steps: about {number(edge.median, 2)}"
    return said


def _nth(name: str, index: int) -> str:
    return name if index == 0 else f"{name} {index + 1}"


def trial_attributes(studied: Studied, trial: FrozenTrial) -> dict[str, str]:
    """Return the outcome of a trial; the names are among `trial_columns`."""
    facts = TrialFacts.of(trial)
    values: dict[str, Any] = {"outcome": status(trial)}
    if facts.diverged is not None:
        at = facts.diverged
        loss = NOT_FINITE if at.loss is None else at.loss
        values |= {"diverged at step": at.step, "diverged in epoch": at.epoch}
        values |= {"diverged on replicate": at.replicate, "loss at divergence": loss}
    elif facts.replicate_losses:
        losses = facts.replicate_losses
        values |= {"loss": fmean(losses), "spread over replicates": _spread(losses)}
    if facts.score is not None:
        values[_score_name(studied)] = facts.score
        values |= {name: fmean(each) for name, each in (facts.metrics or {}).items()}
    values["epochs trained, all replicates"] = round(facts.epochs, 2)
    return {name: _plain(value) for name, value in values.items() if value is not None}


def trial_columns(studied: Studied) -> dict[str, bool]:
    """The attributes that some trial has, and whether they are numbers to sort by."""
    columns = {"outcome": False, "loss": True, "spread over replicates": True}
    columns[_score_name(studied)] = True
    for trial in complete_trials(studied.trials)[:1]:
        columns |= dict.fromkeys(TrialFacts.of(trial).metrics or (), True)
    if studied.counts.diverged:
        names = ("diverged at step", "diverged in epoch", "diverged on replicate")
        columns |= dict.fromkeys((*names, "loss at divergence"), True)
    return {**columns, "epochs trained, all replicates": True}


def _score_name(studied: Studied) -> str:
    return SCORES.get(studied.facts.trainer.loss, "score")


def _spread(losses: Sequence[float]) -> float | None:
    """Standard deviation over replicates."""
    if len(losses) < 2:
        return None
    mean = fmean(losses)
    return math.sqrt(sum((loss - mean) ** 2 for loss in losses) / (len(losses) - 1))


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}" if math.isfinite(value) else NOT_FINITE
    return str(value)
