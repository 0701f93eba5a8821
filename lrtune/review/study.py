"""A study as reports, figures and the dashboard show it: its result, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.export.provenance import Recommendation, recommend
from lrtune.review.importance import Importance, importances
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.range_result import Spread
from lrtune.tuning.record.schema import Ending, Environment, Plan, SearchFacts
from lrtune.tuning.record.trials import TrialCounts, best_trial, complete_trials, status
from lrtune.tuning.result import SearchResult
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.scoring import LOSS

__all__ = ["Study"]


@dataclass(frozen=True)
class Study:
    """A search's result with the quantities that its readers derive from it."""

    result: SearchResult

    # --- parts of the result ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Return the study's name."""
        return str(self.result.study)

    @property
    def storage(self) -> str:
        """Return the record's public name."""
        return str(self.result.storage)

    @property
    def facts(self) -> SearchFacts:
        """Return what was searched."""
        return self.result.facts

    @property
    def trials(self) -> Sequence[FrozenTrial]:
        """Return the finished trials."""
        return self.result.finished

    @property
    def confirmation(self) -> Confirmation | None:
        """Return the outcome on fresh replicates."""
        return self.result.confirmation

    @property
    def plan(self) -> Plan:
        """Return what the search set out to do."""
        return self.result.plan

    @property
    def ending(self) -> Ending | None:
        """Return how the search ended; None if it did not."""
        return self.result.ending

    @property
    def environment(self) -> Environment:
        """Return the command and the versions."""
        return self.result.environment

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what to know before trusting the recommendation."""
        return self.result.advice

    @property
    def counts(self) -> TrialCounts:
        """Return the number of trials by outcome."""
        return self.result.trials

    @property
    def n_replicates(self) -> int:
        """Return the replicates that each setting was judged on."""
        return self.facts.replicates

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the untuned network's parameters."""
        return self.facts.trainer.parameters

    @property
    def epochs(self) -> int:
        """Return the epochs of a trial."""
        return self.facts.trainer.epochs

    @property
    def rates(self) -> tuple[float, float]:
        """Return the lowest and highest α₀ searched."""
        return self.facts.space.rates

    # --- what follows from them -------------------------------------------------------------------

    @property
    def dataset(self) -> str:
        """Return the data set's name, or the study's if there is none."""
        return self.result.dataset or self.name

    @property
    def loss_name(self) -> str:
        """Return what the loss is, in words."""
        return self.facts.trainer.loss.replace("_", " ") or "loss"

    @property
    def metric(self) -> str | None:
        """Return the metric that was optimised, if it was not the loss."""
        if self.facts.metric == "loss":
            return None
        return str(self.facts.scoring if self.facts.metric == LOSS else self.facts.metric)

    @cached_property
    def best(self) -> FrozenTrial | None:
        """Return the trial with the best value in the search; None if none completed."""
        return best_trial(self.trials) if complete_trials(self.trials) else None

    @property
    def setting(self) -> Setting | None:
        """Return the recommended setting; None if no trial completed."""
        return None if self.best is None else self.result.best

    @cached_property
    def recommended(self) -> Recommendation | None:
        """Return the recommendation; None if no trial completed."""
        return None if self.best is None else recommend(self.result)

    @property
    def recommended_trial(self) -> FrozenTrial | None:
        """Return the recommended setting's trial; None if no trial completed."""
        return None if self.best is None else self.result.recommended_trial

    @property
    def default_trial(self) -> FrozenTrial | None:
        """Return the untuned default's trial, if it was tried."""
        default = (self.plan.default or {}).items()
        if not default:
            return None
        return next((trial for trial in self.trials if default <= trial.params.items()), None)

    @property
    def default_schedule(self) -> Schedule:
        """Return the untuned default's schedule."""
        return self._schedule(self.parameters)

    def schedule_of(self, trial: FrozenTrial) -> Schedule:
        """Return the schedule that a trial trained with."""
        return self._schedule({**self.parameters, **self.facts.space.setting(trial.params).params})

    def _schedule(self, parameters: Mapping[str, Any]) -> Schedule:
        return Schedule(**{each.name: parameters[each.name] for each in fields(Schedule)})

    @property
    def drawable(self) -> bool:
        """Return whether the recommended schedule is known before training."""
        if self.recommended is None:
            return False
        return not DECAYS[self.recommended.schedule.decay].feedback

    @property
    def edge(self) -> Spread | None:
        """Return median and quartiles of the divergence edge; None if none was sought."""
        edges = [edge for row in self.plan.edges for edge in row]
        if not edges:
            return None
        return Spread.of(np.array([np.nan if edge is None else edge for edge in edges]))

    @cached_property
    def naive_loss(self) -> float | None:
        """Return the loss of a prediction that ignores the columns; figures are capped there."""
        if self.plan.naive_loss is not None:
            return self.plan.naive_loss
        naive = None if self.confirmation is None else self.confirmation.naive_loss
        return naive if naive is not None and math.isfinite(naive) else None

    @cached_property
    def cap(self) -> float:
        """Return the highest loss that is shown: that of a guess, or else the worst completed."""
        if self.naive_loss is not None:
            return self.naive_loss
        return max((_last(trial) for trial in complete_trials(self.trials)), default=1.0)

    @cached_property
    def worst(self) -> float:
        """Return the highest value shown: the worst completed, but no worse than a guess."""
        values = [trial.value for trial in complete_trials(self.trials) if trial.value is not None]
        worst = max(values, default=self.cap)
        return worst if self.metric is not None else min(worst, self.cap)

    def loss(self, trial: FrozenTrial) -> float:
        """Return a trial's last mean validation loss, at most `cap`; `cap` if it diverged."""
        if status(trial) == "diverged":
            return self.cap
        return min(_last(trial), self.cap)

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """Return what the loss depends on; see `lrtune.review.importance.importances`."""
        return importances(self.trials, [self.loss(trial) for trial in self.trials])


def _last(trial: FrozenTrial) -> float:
    """Return the last mean validation loss."""
    values = trial.intermediate_values
    return values[max(values)] if values else math.inf
