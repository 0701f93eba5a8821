"""A study for reports, figures and the dashboard: its result and quantities derived from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from lrtune.export.provenance import Recommendation, recommend
from lrtune.review.importance import Importance, importances
from lrtune.review.subject import DIED, DIED_BECAUSE, Subject
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import estimate
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.range_result import Spread
from lrtune.tuning.record.schema import DataFacts, TrialFacts
from lrtune.tuning.record.trials import best_loss, complete_trials, last_loss, status
from lrtune.tuning.result import SearchResult
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.scale import is_dead


def split_in_words(data: DataFacts) -> str:
    """Say how rows were held out, after "splits"; "" if at random.

    >>> split_in_words(DataFacts(group="patient"))
    " by whole groups of 'patient'"
    """
    if data.group is not None:
        return f" by whole groups of {data.group!r}"
    return "" if data.time is None else f" in the order of {data.time!r}"


class Study:
    """A search's result, with what its readers derive from it.

    Its losses are the user's numbers. In the record, and in `facts`, `trials` and `confirmation`,
    they are minus these where higher is better.
    """

    def __init__(self, result: SearchResult) -> None:
        self.result = result
        self.name = result.study or result.dataset or "search"
        self.storage = result.storage
        self.dataset = result.dataset or self.name
        self.subject = Subject.of(result.facts)
        self.facts, self.plan = result.facts, result.plan
        self.trials, self.counts = result.finished, result.trials
        self.confirmation, self.ending = result.confirmation, result.ending
        self.environment = result.environment
        self.rates = self.facts.space.rates
        self.n_replicates = self.facts.n_replicates
        self.epochs = self.facts.trainer.epochs
        self.parameters: Mapping[str, Any] = self.facts.trainer.parameters  # of what was untuned
        self.sign = self.subject.sign

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Return what to know before trusting the recommendation."""
        return self.result.advice

    @cached_property
    def ranked(self) -> list[FrozenTrial]:
        """Return the completed trials, the best comparable value first."""
        values = self.result.comparable
        return sorted(
            complete_trials(self.trials), key=lambda each: (values[each.number].loss, each.number)
        )

    @cached_property
    def diverged(self) -> list[FrozenTrial]:
        """Return the diverged trials, the lowest α₀ first."""
        trials = [trial for trial in self.trials if status(trial) == "diverged"]
        return sorted(trials, key=lambda trial: float(trial.params["learning_rate_init"]))

    @property
    def has_fresh_replicates(self) -> bool:
        """Return whether each block of settings had a replicate of its own."""
        return self.facts.replicates is None

    @property
    def judged_on(self) -> str:
        """Return in words the replicates that a setting's loss in the search is of."""
        if self.has_fresh_replicates:
            return "on a replicate of average difficulty"
        return f"mean of {self.n_replicates} replicate{'' if self.n_replicates == 1 else 's'}"

    @property
    def error_is_over(self) -> str:
        """Return in words what a standard error is over."""
        n_splits = None if self.confirmation is None else self.confirmation.fixed_splits
        if self.subject.is_function or n_splits == 1:
            return "seeds"
        if n_splits is None:
            return f"seeds and splits of this table{split_in_words(self.facts.data)}"
        return f"seeds and the choice of the {n_splits} splits"

    @cached_property
    def metric(self) -> str | None:
        """Return the metric that was optimised, if it was not the loss."""
        return self.result.metric

    def named(self, metric: str) -> str:
        """Return the name that the user knows a recorded metric by."""
        return metric if self.metric is None or metric != self.facts.metric else self.metric

    @cached_property
    def measured(self) -> Subject:
        """Return the words, and the sign, of what is measured: of the metric, or of the loss.

        It is what the confirmation was of: before 0.2, the loss in any case.
        """
        confirmation = self.confirmation
        if self.metric is None or (confirmation is not None and confirmation.metric is None):
            return self.subject
        ideal = None if confirmation is None else confirmation.profile.ideal
        return self.subject.of_metric(self.metric, None if ideal is None else -ideal)

    @property
    def is_scored(self) -> bool:
        """Return whether a metric is measured, and the loss stands beside it."""
        return self.measured is not self.subject

    @property
    def safe_name(self) -> str:
        """Return the name of the safe range beside figures of the loss."""
        return f"safe range by {self.measured.short}" if self.is_scored else "safe range"

    def estimated(self, measured: Estimate) -> str:
        """Return what was measured on fresh replicates as text, as the user's number."""
        value = None if measured.loss is None else self.measured.sign * measured.loss
        return estimate(value, measured.se)

    @cached_property
    def in_search(self) -> float:
        """Return the recommended trial's value in the search, of what is measured."""
        if self.is_scored:
            value = self.result.recommended_value
            return self.optimised(math.nan if value is None else value)
        return self.result.search_loss

    @cached_property
    def best(self) -> FrozenTrial | None:
        """Return the trial with the best value in the search; None if none completed."""
        return self.ranked[0] if self.ranked else None

    @cached_property
    def setting(self) -> Setting | None:
        """Return the recommended setting; None if no trial completed."""
        return self.result.best if self.counts.complete else None

    @cached_property
    def recommended(self) -> Recommendation | None:
        """Return the recommendation; None if no trial completed."""
        return recommend(self.result) if self.counts.complete else None

    @cached_property
    def recommended_trial(self) -> FrozenTrial | None:
        """Return the recommended setting's trial; None if no trial completed."""
        return self.result.recommended_trial if self.counts.complete else None

    @cached_property
    def default_trial(self) -> FrozenTrial | None:
        """Return the untuned default's trial, if it was tried."""
        default = (self.plan.default or {}).items()
        if not default:
            return None
        return next((trial for trial in self.trials if default <= trial.params.items()), None)

    @property
    def default_rate(self) -> float | None:
        """Return the untuned rate; None if the record does not tell another estimator's."""
        rates = {**(self.plan.default or {}), **self.parameters}
        rate: float | None = rates.get("learning_rate_init")
        return rate

    @cached_property
    def default_schedule(self) -> Schedule | None:
        """Return the untuned schedule; None if none was given to compare with."""
        return self._schedule(self.parameters) if "decay" in self.parameters else None

    def schedule_of(self, trial: FrozenTrial) -> Schedule:
        """Return the schedule that a trial trained with."""
        return self._schedule({**self.parameters, **self.facts.space.setting(trial.params).params})

    def _schedule(self, parameters: Mapping[str, Any]) -> Schedule:
        names = {each.name for each in fields(Schedule)} & parameters.keys()
        return Schedule(**{name: parameters[name] for name in names})

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
    def has_reference(self) -> bool:
        """Return True if `cap` is the loss of a guess, or of a training that did not learn."""
        return self._reference is not None

    @cached_property
    def _reference(self) -> float | None:
        dead = self.plan.dead_loss
        best = min(map(last_loss, self.ranked), default=None)
        if self.naive_loss is None and dead is not None and best is not None and best < dead:
            return dead
        return self.naive_loss

    @cached_property
    def _cap(self) -> float:
        if self._reference is not None:
            return self._reference
        return max(map(last_loss, self.ranked), default=1.0)

    @cached_property
    def cap(self) -> float:
        """Return the worst loss shown: that of a guess, or else of the worst completed trial.

        Where a guess's loss is unknown, that of a training that did not learn takes its place.
        """
        return self.sign * self._cap

    @cached_property
    def _worst(self) -> float:
        worst = max(
            (trial.value for trial in self.ranked if trial.value is not None), default=self._cap
        )
        return worst if self.metric is not None else min(worst, self._cap)

    @cached_property
    def worst(self) -> float:
        """Return the worst value shown: the worst completed trial's; of losses, at most `cap`."""
        return self.sign * self._worst

    def loss(self, trial: FrozenTrial) -> float:
        """Return a trial's last mean validation loss, at most `cap`; `cap` if it diverged.

        Where each block had a replicate of its own, the replicate's effect is taken out.
        """
        if status(trial) == "diverged":
            return self.cap
        loss = last_loss(trial) if self.metric is not None else self.comparable(trial)
        return self.sign * min(loss, self._cap)

    def comparable(self, trial: FrozenTrial) -> float:
        """Return a completed trial's recorded value without its replicate's effect."""
        found = self.result.comparable.get(trial.number)
        return last_loss(trial) if found is None or found.loss is None else found.loss

    def value(self, trial: FrozenTrial) -> float:
        """Return a trial's value, at most `worst`; `worst` if it has none or diverged."""
        if trial.value is None or status(trial) == "diverged":
            return self.worst
        return self.sign * min(self.comparable(trial), self._worst)

    def optimised(self, value: float) -> float:
        """Return a recorded value as the number that was optimised: the metric, or the loss."""
        return -value if self.metric is not None else self.sign * value

    def shown(self, losses: Any) -> npt.NDArray[np.float64]:
        """Return recorded losses as the user's numbers, at most `cap`."""
        return np.asarray(self.sign * np.minimum(losses, self._cap), dtype=float)

    def died(self, trial: FrozenTrial) -> int:
        """Return the number of a completed trial's trainings that did not learn."""
        if status(trial) != "complete":
            return 0
        losses = TrialFacts.of(trial).replicate_losses
        return int(is_dead(losses, self.plan.dead_loss, self._best_loss).sum())

    @cached_property
    def _best_loss(self) -> float | None:
        return best_loss(self.trials)

    def outcome(self, trial: FrozenTrial) -> str:
        """Return a trial's status, or that some of its trainings did not learn."""
        return DIED if self.died(trial) else status(trial)

    @cached_property
    def failures(self) -> dict[str, int]:
        """Return the errors that made trials fail, and how many each."""
        errors = (TrialFacts.of(trial).failure for trial in self.trials)
        return dict(Counter(error for error in errors if error is not None).most_common())

    @cached_property
    def trainings(self) -> str:
        """Describe what the trainings were for, and how many of them did not learn."""
        n = self.result.trainings
        text = f"{n['search']} in the search"
        if n["confirm"]:
            text += f", {n['confirm']} to confirm"
        if self.result.died:
            because = self.subject.titled(DIED_BECAUSE)
            text += f"; {self.result.died} of those in the search {DIED}: {because}"
        return text

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """Return each parameter's share of the loss's variance."""
        return importances(self.trials, [self.loss(trial) for trial in self.trials])
