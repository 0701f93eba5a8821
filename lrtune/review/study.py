"""A study as a reader of reports sees it: what the record says, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.export.provenance import (
    Recommendation,
    load_study,
    network_parameters,
    recommendation_of,
)
from lrtune.review.importance import Importance, importances
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.confirm.advice import FEW_ROWS, NOT_CONFIRMED, advise
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.range_result import Spread
from lrtune.tuning.record.record import CONFIGURATION, CONFIRMATION
from lrtune.tuning.record.schema import ENDING, ENVIRONMENT, PLAN, Ending, Plan
from lrtune.tuning.record.storage import DEFAULT_STORAGE, public_name
from lrtune.tuning.record.trials import TrialCounts, best_trial, complete_trials
from lrtune.tuning.space import Setting, Space
from lrtune.tuning.trainers.scoring import LOSS

__all__ = ["OUTCOMES", "Studied", "outcome", "read_study", "study_of"]

OUTCOMES = ("complete", "pruned", "diverged", "failed")
"""What may come of a trial; the fields of `TrialCounts`."""


@dataclass(frozen=True)
class Studied:
    """What the record says of one study.

    Attributes
    ----------
    name, storage : str
        As they may be shown.
    configuration : mapping
    trials : sequence of FrozenTrial
        Those that finished.
    confirmation : Confirmation or None
    plan : Plan
    ending : Ending or None
        None if the search was killed, runs still, or was made by an older release.
    environment : mapping
        The command and the versions, if they were recorded.
    recommended : Recommendation or None
        None if nothing completed.
    """

    name: str
    storage: str
    configuration: Mapping[str, Any]
    trials: Sequence[FrozenTrial]
    confirmation: Confirmation | None
    plan: Plan
    ending: Ending | None
    environment: Mapping[str, Any]
    recommended: Recommendation | None

    @property
    def dataset(self) -> str:
        """Name of the data, or of the study if that was not recorded."""
        return str(self.configuration.get("dataset") or self.name)

    @property
    def loss_name(self) -> str:
        """What the loss is."""
        return self.plan.loss.replace("_", " ") or "loss"

    @property
    def metric(self) -> str | None:
        """What was optimised, if it was not the loss."""
        known = self.configuration
        metric = known.get("metric", "loss")
        if metric == "loss":
            return None
        return str(known.get("scoring") if metric == LOSS else metric)

    @property
    def counts(self) -> TrialCounts:
        """Trials by outcome."""
        return TrialCounts.of(self.trials)

    @property
    def n_replicates(self) -> int:
        """Replicates that each setting was judged on."""
        return int(self.configuration["replicates"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The estimator's as they were recorded, without a pipeline's prefix."""
        return network_parameters(self.configuration)

    @property
    def epochs(self) -> int:
        """Epochs of a trial."""
        return int(self.parameters["max_iter"])

    @property
    def rates(self) -> tuple[float, float]:
        """Lowest and highest α₀ searched."""
        low, high = self.configuration["space"]["learning_rate_init"]
        return low, high

    @cached_property
    def setting(self) -> Setting | None:
        """The recommended setting."""
        if self.confirmation is not None:
            return self.confirmation.contenders[0].setting
        return None if self.best is None else Setting.of(self.best.params)

    @cached_property
    def best(self) -> FrozenTrial | None:
        """The trial that the search saw the best value of."""
        try:
            return best_trial(self.trials)
        except NothingCompletedError:
            return None

    @cached_property
    def recommended_trial(self) -> FrozenTrial | None:
        """The recommended setting's."""
        number = None if self.recommended is None else self.recommended.trial
        return next((trial for trial in self.trials if trial.number == number), None)

    @property
    def default_trial(self) -> FrozenTrial | None:
        """The untuned default's, if it was tried."""
        wanted = (self.plan.default or {}).items()
        if not wanted:
            return None
        return next((trial for trial in self.trials if wanted <= trial.params.items()), None)

    @property
    def default_schedule(self) -> Schedule:
        """The untuned default's."""
        names = [field.name for field in fields(Schedule)]
        return Schedule(**{name: self.parameters[name] for name in names})

    @property
    def drawable(self) -> bool:
        """Whether the recommended schedule is known ahead, as one that follows losses is not."""
        if self.recommended is None:
            return False
        return not DECAYS[self.recommended.schedule.decay].feedback

    @property
    def edge(self) -> Spread | None:
        """Median and quartiles of the divergence edge; None if none was sought."""
        edges = [edge for row in self.plan.edges for edge in row]
        if not edges:
            return None
        return Spread.of(np.array([np.nan if edge is None else edge for edge in edges]))

    @cached_property
    def naive_loss(self) -> float | None:
        """Loss of a prediction that ignores the columns, which figures are capped at."""
        if self.plan.naive_loss is not None:
            return self.plan.naive_loss
        known = None if self.confirmation is None else self.confirmation.naive_loss
        return known if known is not None and math.isfinite(known) else None

    @cached_property
    def cap(self) -> float:
        """What a loss counts as at most: that of a guess, or else the worst that completed."""
        complete = [_last(trial) for trial in complete_trials(self.trials)]
        known = self.naive_loss
        return known if known is not None else max(complete, default=1.0)

    @cached_property
    def worst(self) -> float:
        """What a value counts as at most: the worst that completed, but no worse than a guess."""
        values = [trial.value for trial in complete_trials(self.trials) if trial.value is not None]
        known = max(values, default=self.cap)
        return known if self.metric is not None else min(known, self.cap)

    def loss(self, trial: FrozenTrial) -> float:
        """A trial's last mean validation loss, at most `cap`; that, if it diverged."""
        if outcome(trial) == "diverged":
            return self.cap
        return min(_last(trial), self.cap)

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """What the loss depends on; see `lrtune.review.importance.importances`."""
        return importances(self.trials, [self.loss(trial) for trial in self.trials])

    @property
    def warnings(self) -> list[str]:
        """Those of the result; told anew if they were not recorded."""
        ending = self.ending
        confirmed = self.confirmation is not None
        if ending is not None and ending.failure is None and ending.confirmed == confirmed:
            return list(ending.warnings)
        if self.confirmation is None:
            return [] if self.best is None else [NOT_CONFIRMED]
        n_validation = self.plan.n_validation or FEW_ROWS  # if not known, nothing is said of it
        return advise(self.confirmation, self._space(), n_validation)

    def _space(self) -> Space:
        searched = self.configuration["space"]
        return Space(self.rates, tuple(searched["decay"]), tuple(searched["decay_rate"]))


def outcome(trial: FrozenTrial) -> str:
    """What came of a trial, one of `OUTCOMES`."""
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "failed"
    return "diverged" if trial.user_attrs.get("diverged") else "pruned"


def _last(trial: FrozenTrial) -> float:
    """Its last mean validation loss."""
    values = trial.intermediate_values
    return values[max(values)] if values else math.inf


def read_study(study: str | None, storage: str | None = DEFAULT_STORAGE) -> Studied:
    """Read one of lrtune's own studies.

    Parameters
    ----------
    study : str or None
        Its name; None, of a search that kept no record, is refused.
    storage : str or None, default="lrtune.journal"
        A journal file or a database URL.

    Raises
    ------
    InvalidInputError
        If there is no such study, or it was made by another program.
    """
    if study is None:
        raise InvalidInputError(
            "a report needs a study in a record, but this search kept none: search again with "
            "--storage (storage=)"
        )
    storage = storage or DEFAULT_STORAGE
    loaded = load_study(
        study, storage, purpose="report on", otherwise="look at it with optuna-dashboard"
    )
    return study_of(loaded, storage)


def study_of(loaded: optuna.Study, storage: str) -> Studied:
    """What the record says of one of lrtune's own studies, which is open already."""
    facts = loaded.user_attrs
    trials = [trial for trial in loaded.get_trials(deepcopy=False) if trial.state.is_finished()]
    complete = bool(complete_trials(trials))
    return Studied(
        name=loaded.study_name,
        storage=public_name(storage),
        configuration=facts[CONFIGURATION],
        trials=trials,
        confirmation=Confirmation.from_dict(facts[CONFIRMATION]) if CONFIRMATION in facts else None,
        plan=Plan.of(facts.get(PLAN, {})),
        ending=Ending.of(facts[ENDING]) if ENDING in facts else None,
        environment=facts.get(ENVIRONMENT, {}),
        recommended=recommendation_of(loaded) if complete else None,
    )
