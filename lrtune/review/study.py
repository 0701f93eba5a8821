"""A study for reports, figures and the dashboard: its result and quantities derived from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.export.provenance import Recommendation, recommend
from lrtune.review.importance import Importance, importances
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.range_result import Spread
from lrtune.tuning.record.trials import complete_trials, status
from lrtune.tuning.result import SearchResult
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.scoring import LOSS


class Study:
    """A search's result, with what its readers derive from it."""

    def __init__(self, result: SearchResult) -> None:
        self.result = result
        self.name, self.storage = str(result.study), str(result.storage)
        self.dataset = result.dataset or self.name
        self.facts, self.plan = result.facts, result.plan
        self.trials, self.counts = result.finished, result.trials
        self.confirmation, self.ending = result.confirmation, result.ending
        self.environment = result.environment
        self.rates = self.facts.space.rates
        self.n_replicates = self.facts.replicates
        self.epochs = self.facts.trainer.epochs
        self.parameters: Mapping[str, Any] = self.facts.trainer.parameters  # of the untuned network

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Return what to know before trusting the recommendation."""
        return self.result.advice

    @cached_property
    def ranked(self) -> list[FrozenTrial]:
        """Return the completed trials, the best value first."""
        return sorted(complete_trials(self.trials), key=lambda trial: (trial.value, trial.number))

    @cached_property
    def diverged(self) -> list[FrozenTrial]:
        """Return the diverged trials, the lowest α₀ first."""
        trials = [trial for trial in self.trials if status(trial) == "diverged"]
        return sorted(trials, key=lambda trial: float(trial.params["learning_rate_init"]))

    @cached_property
    def loss_name(self) -> str:
        """Return the name of the loss."""
        return self.facts.trainer.loss.replace("_", " ") or "loss"

    @cached_property
    def metric(self) -> str | None:
        """Return the metric that was optimised, if it was not the loss."""
        if self.facts.metric == "loss":
            return None
        return str(self.facts.scoring if self.facts.metric == LOSS else self.facts.metric)

    @cached_property
    def best(self) -> FrozenTrial | None:
        """Return the trial with the best value in the search; None if none completed."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def setting(self) -> Setting | None:
        """Return the recommended setting; None if no trial completed."""
        return None if self.best is None else self.result.best

    @cached_property
    def recommended(self) -> Recommendation | None:
        """Return the recommendation; None if no trial completed."""
        return None if self.best is None else recommend(self.result)

    @cached_property
    def recommended_trial(self) -> FrozenTrial | None:
        """Return the recommended setting's trial; None if no trial completed."""
        return None if self.best is None else self.result.recommended_trial

    @cached_property
    def default_trial(self) -> FrozenTrial | None:
        """Return the untuned default's trial, if it was tried."""
        default = (self.plan.default or {}).items()
        if not default:
            return None
        return next((trial for trial in self.trials if default <= trial.params.items()), None)

    @cached_property
    def default_schedule(self) -> Schedule:
        return self._schedule(self.parameters)

    def schedule_of(self, trial: FrozenTrial) -> Schedule:
        """Return the schedule that a trial trained with."""
        return self._schedule({**self.parameters, **self.facts.space.setting(trial.params).params})

    def _schedule(self, parameters: Mapping[str, Any]) -> Schedule:
        return Schedule(**{each.name: parameters[each.name] for each in fields(Schedule)})

    @cached_property
    def drawable(self) -> bool:
        """Return True if the recommended schedule is known before training."""
        if self.recommended is None:
            return False
        return not DECAYS[self.recommended.schedule.decay].feedback

    @cached_property
    def edge(self) -> Spread | None:
        """Return the divergence edge's median and quartiles; None without a range test."""
        edges = [edge for row in self.plan.edges for edge in row]
        if not edges:
            return None
        return Spread.of(np.array([np.nan if edge is None else edge for edge in edges]))

    @cached_property
    def naive_loss(self) -> float | None:
        """Return the loss of a guess that ignores the columns; None if it was not recorded."""
        if self.plan.naive_loss is not None:
            return self.plan.naive_loss
        naive = None if self.confirmation is None else self.confirmation.naive_loss
        return naive if naive is not None and math.isfinite(naive) else None

    @cached_property
    def cap(self) -> float:
        """Return the highest loss shown: that of a guess, or else of the worst completed trial."""
        if self.naive_loss is not None:
            return self.naive_loss
        return max(map(_last_loss, self.ranked), default=1.0)

    @cached_property
    def worst(self) -> float:
        """Return the highest value shown: the worst completed trial's; if a loss, at most `cap`."""
        worst = max(
            (trial.value for trial in self.ranked if trial.value is not None), default=self.cap
        )
        return worst if self.metric is not None else min(worst, self.cap)

    def loss(self, trial: FrozenTrial) -> float:
        """Return a trial's last mean validation loss, at most `cap`; `cap` if it diverged."""
        if status(trial) == "diverged":
            return self.cap
        return min(_last_loss(trial), self.cap)

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """Return each parameter's share of the loss's variance."""
        return importances(self.trials, [self.loss(trial) for trial in self.trials])


def _last_loss(trial: FrozenTrial) -> float:
    values = trial.intermediate_values
    return values[max(values)] if values else math.inf
