"""The frozen result of a search: `search` returns it, and `read_result` reads it from a record."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from html import escape
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.support.numbers import estimate, number
from lrtune.tuning.confirm.advice import advise, not_confirmed
from lrtune.tuning.confirm.result import Confirmation, Estimate
from lrtune.tuning.record.record import open_own_study, read_facts
from lrtune.tuning.record.schema import (
    Balance,
    Ending,
    Environment,
    FinalTest,
    Plan,
    PruningAudit,
    SearchFacts,
    Seconds,
    TrialFacts,
)
from lrtune.tuning.record.storage import public_name
from lrtune.tuning.record.trials import TrialCounts, best_loss, best_trial, complete_trials
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.objective import metric_name
from lrtune.tuning.trainers.scale import is_dead

UNFINISHED = (
    "the search did not end: it was interrupted after {finished} of {total} trials, or it still "
    "runs; go on with it by "
)
SURPLUS = (
    "beyond the {total} trials of the search, {surplus} more were finished, by workers at the same "
    "time or later: they are in the record, but not in this result"
)


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The result of a search, finished or not; reports, exports and `show` read nothing else.

    Attributes
    ----------
    facts : SearchFacts
        The data, the space and the trainer.
    plan : Plan
        Budget of the search, and facts from before its first trial.
    finished : tuple of FrozenTrial
        Optuna's finished trials.
    confirmation : Confirmation or None
        The outcome on fresh replicates.
    ending : Ending or None
        None while the search runs, and if it was interrupted.
    environment : Environment
        Command and versions that made it.
    study, storage : str or None
        Name and place of the record; None if there is none.
    balance : Balance or None
        The balanced accuracy, where one class holds most rows of a table.
    test : FinalTest or None
        Scores on a further table, if one was given.
    surplus : tuple of FrozenTrial
        Trials that were finished beyond the budget: workers do not wait for each other.
    trainer : object or None
        What trained the modules of a `TorchTrainer`; None for all else, and if it was read from a
        record or unpickled.
    """

    facts: SearchFacts
    plan: Plan
    finished: tuple[FrozenTrial, ...]
    confirmation: Confirmation | None
    ending: Ending | None
    environment: Environment
    study: str | None = None
    storage: str | None = None
    balance: Balance | None = None
    test: FinalTest | None = None
    surplus: tuple[FrozenTrial, ...] = ()
    trainer: Any = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "trainer": None}

    def module(self, replicate: int = 0) -> Any:
        """Return a torch module that is trained with the recommended setting.

        It is trained anew, one by one, as the search of a `TorchTrainer` trains on a replicate:
        with its split, initial weights and batches, so that it holds out the same rows.

        Parameters
        ----------
        replicate : int, default=0
            Another one has another seed.

        Returns
        -------
        torch.nn.Module
            In evaluation mode.

        Raises
        ------
        InvalidInputError
            If the search was not of a `TorchTrainer`, or this result was read from its record.
        NothingCompletedError
            If the training diverges, or there is no recommended setting.
        """
        if self.trainer is None:
            raise InvalidInputError(
                "a module can be trained by the search's own result, of a TorchTrainer, but this "
                "result has no trainer, as one of another training or one that was read from a "
                "record: search again with `resume=True`, which only confirms again, or set the "
                "rate of a loop of your own to `result.schedule`"
            )
        return self.trainer.module(self.best, replicate)

    @property
    def dataset(self) -> str:
        """Return the data set's name; empty for arrays."""
        return self.facts.data.dataset

    @property
    def task(self) -> str:
        """Return "classification", "regression" or, of a user's function, "training"."""
        return self.facts.trainer.task

    @property
    def trials(self) -> TrialCounts:
        """Return the number of trials by outcome."""
        return TrialCounts.of(self.finished)

    @cached_property
    def comparable(self) -> dict[int, Estimate]:
        """Return the value of each completed trial, by number, without its replicate's effect."""
        if self.facts.replicates is not None:
            return {
                each.number: Estimate(each.value, None) for each in complete_trials(self.finished)
            }
        from lrtune.tuning.comparison import comparable_values

        return comparable_values(self.finished, self.facts.space, self.facts.trainer.epochs)

    @cached_property
    def recommended_trial(self) -> FrozenTrial:
        """Return the recommended setting's trial.

        Raises
        ------
        NothingCompletedError
            If no trial completed.
        """
        if not self.finished:
            raise NothingCompletedError(
                f"study {self.study!r} in {self.storage} has no finished trial yet: go on with "
                "its search by the same options and `resume=True`"
            )
        if self.confirmation is not None:
            number = self.confirmation.contenders[0].trial
        elif self._recorded_best is not None:
            number, _ = self._recorded_best
        else:
            best_trial(self.finished)  # raises if none completed
            number = min(self.comparable, key=lambda each: (self.comparable[each].loss, each))
        return next(trial for trial in self.finished if trial.number == number)

    @property
    def _recorded_best(self) -> tuple[int, float] | None:
        """Return the recommended trial and its value as recorded; None if they may have changed."""
        ending = self.ending
        if ending is None or ending.best_trial is None or ending.best_value is None:
            return None
        is_confirmed = self.confirmation is not None
        if (ending.n_trials, ending.confirmed) != (len(self.finished), is_confirmed):
            return None
        return ending.best_trial, ending.best_value

    @property
    def recommended_value(self) -> float | None:
        """Return the recommended trial's value in the search, without its replicate's effect."""
        if self._recorded_best is not None:
            return self._recorded_best[1]
        return self.comparable[self.best_trial].loss

    @property
    def best_trial(self) -> int:
        """Return the number of the recommended setting's trial."""
        return self.recommended_trial.number

    @property
    def best(self) -> Setting:
        """Return the recommended setting."""
        if self.confirmation is not None:
            return self.confirmation.contenders[0].setting
        return self.facts.space.setting(self.recommended_trial.params)

    @property
    def best_params(self) -> dict[str, Any]:
        """Return the recommended setting as estimator parameters.

        The decay rate of a constant rate has no effect and is left out.
        """
        return self.best.effective_params

    @property
    def schedule(self) -> Schedule:
        """Return the recommended setting's schedule: call it with t in epochs."""
        names = {each.name for each in fields(Schedule)}
        parameters = {**self.facts.trainer.parameters, **self.best.params}
        return Schedule(**{name: parameters[name] for name in names & parameters.keys()})

    @property
    def search_loss(self) -> float:
        """Return its mean validation loss in the search at the last epoch.

        Where each block of settings had a replicate of its own, the effect of this replicate is
        taken out.

        In a regression it is the squared error in the target's unit; of a user's function it is the
        user's number, which is not a loss if higher is better.
        """
        trial = self.recommended_trial
        loss = float(np.mean(TrialFacts.of(trial).replicate_losses))
        if self.facts.metric == "loss" or self.facts.trainer.function is not None:
            loss = self.recommended_value or loss
        return -loss if self.facts.trainer.maximize else loss

    @property
    def score(self) -> float | None:
        """Return its mean accuracy or R², from the confirmation or else from the search.

        None if the trainer has no score.
        """
        if self.confirmation is not None:
            return self.confirmation.score
        return TrialFacts.of(self.recommended_trial).score

    @property
    def metric(self) -> str | None:
        """Return the name of the metric that the search maximised; None if it was the loss."""
        if self.facts.metric == "loss":
            return None
        return metric_name(self.facts.metric, self.facts.scoring)

    @property
    def confirmed_score(self) -> float | None:
        """Return its mean metric on replicates that were not used to choose it.

        As the two that follow, it is None unless a metric was confirmed, the one that a search with
        `scoring` maximises.
        """
        return None if self._scored is None else _negated(self._scored.recommended)

    @property
    def confirmed_score_se(self) -> float | None:
        """Return the standard error of `confirmed_score`."""
        return None if self._scored is None else self._scored.recommended.se

    @property
    def default_score(self) -> float | None:
        """Return the untuned default's mean metric on the same replicates."""
        return None if self._scored is None else _negated(self._scored.default)

    @property
    def _scored(self) -> Confirmation | None:
        """Return the confirmation if it is of a metric."""
        confirmation = self.confirmation
        return confirmation if confirmation is not None and confirmation.metric else None

    @property
    def confirmed_loss(self) -> float | None:
        """Return its mean loss on replicates that were not used to choose it."""
        return None if self.confirmation is None else self.own(self.confirmation.losses[0].loss)

    def own(self, loss: float | None) -> float | None:
        """Return a recorded loss as the user's number: with its sign, if higher is better."""
        return -loss if loss is not None and self.facts.trainer.maximize else loss

    @property
    def confirmed_se(self) -> float | None:
        """Return the standard error of `confirmed_loss`."""
        return None if self.confirmation is None else self.confirmation.losses[0].se

    @property
    def default_loss(self) -> float | None:
        """Return the untuned default's mean loss on the same replicates.

        None if it diverged, or if there is no default.
        """
        default = None if self.confirmation is None else self.confirmation.losses[1]
        return None if default is None else self.own(default.loss)

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """Return the lowest and highest α₀ whose loss is within 10 % and that never diverged.

        Where a metric was confirmed, it is the metric that is within 10 %: of its distance to 1 if
        that is its best value, as of accuracy or AUC, else of its size.
        `confirmation.safe_range_is_measured` says whether they were trained, or are predicted.
        """
        return None if self.confirmation is None else self.confirmation.safe_range

    @property
    def trainings(self) -> dict[str, int | None]:
        """Return the trainings of the search and of the confirmation, and their total.

        Those of a confirmation that a release before 0.2 recorded are None.
        """
        facts = [TrialFacts.of(trial) for trial in self.finished]
        search = sum(
            self.facts.n_replicates if each.trainings is None else each.trainings for each in facts
        )
        confirm = 0 if self.confirmation is None else self.confirmation.trainings
        total = None if confirm is None else search + confirm
        return {"search": search, "confirm": confirm, "total": total}

    @property
    def died(self) -> int:
        """Return the number of the search's trainings that did not learn."""
        losses = [loss for each in self.finished for loss in TrialFacts.of(each).replicate_losses]
        best = best_loss(self.finished)
        return int(is_dead(losses, self.plan.dead_loss, best).sum())

    @property
    def trial_epochs(self) -> float:
        """Return the epochs trained, over all trials and replicates."""
        return round(self._epochs, 2)

    @property
    def epochs_saved(self) -> float:
        """Return the epochs that were not trained, as trials diverged or were pruned."""
        in_full = self.facts.trainer.epochs * self.facts.n_replicates * len(self.finished)
        return round(in_full - self._epochs, 2)

    @property
    def _epochs(self) -> float:
        return sum(TrialFacts.of(trial).epochs for trial in self.finished)

    @property
    def seconds(self) -> Seconds:
        """Return the wall time; for a search that did not end, the time that its trials took."""
        if self.ending is not None and self.ending.seconds is not None:
            return self.ending.seconds
        spent = math.fsum(TrialFacts.of(trial).seconds for trial in self.finished)
        return Seconds(spent, 0.0, spent)

    @property
    def pruning_audit(self) -> PruningAudit | None:
        """Return the audit of the pruned trials, if there was one."""
        return None if self.ending is None else self.ending.pruning_audit

    @property
    def advice(self) -> tuple[str, ...]:
        """Return the warnings to read before trusting the recommendation."""
        return (*self._own_advice, *self._imbalance())

    def _imbalance(self) -> tuple[str, ...]:
        """Return what to know where one class holds most rows of a table; nothing elsewhere."""
        balance = self.balance
        if balance is None:
            return ()
        measured = ""
        if balance.replicates:
            measured = "it diverged where its balanced accuracy was measured; "
        elif self.plan.confirm:
            measured = "the time limit left none to measure its balanced accuracy; "
        if balance.balanced_accuracy is not None:
            measured = (
                f"its balanced accuracy is {estimate(balance.balanced_accuracy, balance.se)}, "
                f"where {1 / balance.classes:.3g} is that of a guess; "
            )
        reached = "" if self.score is None else f", and this network has {self.score:.3f}"
        cure = "`metric='balanced_accuracy'` searches for it"
        if self.facts.trainer.parameters.get("class_weight") is None:
            cure += ", and `class_weight='balanced'` weighs the classes alike"
        return (
            f"the largest class holds {balance.share:.1%} of the rows, so that always to answer "
            f"with it has an accuracy of {balance.share:.3f}{reached}: "
            f"{measured}{cure}",
        )

    @property
    def _own_advice(self) -> tuple[str, ...]:
        ending, is_confirmed = self.ending, self.confirmation is not None
        if ending is not None and ending.failure is None and ending.confirmed == is_confirmed:
            return ending.warnings
        if self.confirmation is None:
            return (not_confirmed(self.facts.trainer, self.metric),) if self.trials.complete else ()
        facts = self.facts
        return tuple(advise(self.confirmation, facts.space, self.plan.n_validation, facts.trainer))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the advice, after a note if the search did not end or was extended later."""
        n_finished = len(self.finished)
        if self.plan.n_trials == 0 or (
            self.ending is not None and self.ending.n_trials == n_finished
        ):
            return (*self.advice, self.surplus_note) if self.surplus else self.advice
        total, command = max(self.plan.n_trials, n_finished), self.environment.command
        cure = f"the same search again, with the study's name, {self.study!r}"
        if command:
            cure = f"its command and `study_name='{self.study}'` `resume=True`: {command}"
        return (UNFINISHED.format(finished=n_finished, total=total) + cure, *self.advice)

    @property
    def surplus_note(self) -> str:
        """Return what to say of the surplus trials; "" if there are none."""
        if not self.surplus:
            return ""
        return SURPLUS.format(total=len(self.finished), surplus=len(self.surplus))

    def to_dict(self) -> dict[str, Any]:
        """Return the documented JSON object, in which a number that is not finite is null."""
        return _finite(
            {
                "study": self.study,
                "storage": self.storage,
                "dataset": self.dataset,
                "task": self.task,
                "validation": {"group": self.facts.data.group, "time": self.facts.data.time},
                "best": self.best.params,
                "search_loss": self.search_loss,
                "confirmed_loss": self.confirmed_loss,
                "confirmed_se": self.confirmed_se,
                "default_loss": self.default_loss,
                "confirmed_score": self.confirmed_score,
                "confirmed_score_se": self.confirmed_score_se,
                "default_score": self.default_score,
                "score": self.score,
                "balance": None if self.balance is None else self.balance.to_json(),
                "test": None if self.test is None else self.test.to_json(),
                "safe_range": None if self.safe_range is None else list(self.safe_range),
                "confirmation": None if self.confirmation is None else self.confirmation.summary(),
                "trials": asdict(self.trials),
                "pruning_audit": None if self.pruning_audit is None else asdict(self.pruning_audit),
                "trial_epochs": self.trial_epochs,
                "epochs_saved": self.epochs_saved,
                "trainings": self.trainings,
                "warnings": list(self.warnings),
                "seconds": {key: round(value, 3) for key, value in asdict(self.seconds).items()},
            }
        )

    def describe_loss(self) -> str:
        """Return the loss as text, with its standard error if it is confirmed."""
        loss = self.search_loss if self.confirmed_loss is None else self.confirmed_loss
        return estimate(loss, self.confirmed_se)

    def describe_score(self) -> str:
        """Return the confirmed metric as text, with its standard error; "" if there is none."""
        return (
            "" if self._scored is None else estimate(self.confirmed_score, self.confirmed_score_se)
        )

    def describe_default(self) -> str:
        """Return the untuned default's metric, or else its loss, as text; "" if there is none."""
        confirmation = self.confirmation
        if confirmation is None or confirmation.default is None:
            return ""
        default, sign = confirmation.default, 1.0
        if self._scored is not None or self.facts.trainer.maximize:
            sign = -1.0
        loss = None if default.loss is None else sign * default.loss
        return estimate(loss, default.se)

    def describe_safe_range(self) -> str:
        """Return the safe range as text; "" if there is none."""
        if self.confirmation is None or self.safe_range is None:
            return ""
        low, high = map(number, self.safe_range)
        return f"{low} to {high}" + (
            "" if self.confirmation.safe_range_is_measured else " (predicted)"
        )

    def _describe_trials(self) -> str:
        return ", ".join(f"{n} {name}" for name, n in asdict(self.trials).items() if n)

    def __repr__(self) -> str:
        texts = {"trials": self._describe_trials() or "none"}
        if self.trials.complete:
            confirmed = "search" if self.confirmation is None else "confirmed"
            default = "default_loss" if self._scored is None else "default_score"
            texts = {
                "schedule": _brief(self.schedule),
                "confirmed_score": self.describe_score(),
                f"{confirmed}_loss": self.describe_loss(),
                default: self.describe_default(),
                "safe_range": self.describe_safe_range(),
                **texts,
                "warnings": str(len(self.warnings) or ""),
            }
        return f"SearchResult({', '.join(f'{k}={text}' for k, text in texts.items() if text)})"

    def _repr_html_(self) -> str:
        """Return a small table for notebooks."""
        if not self.trials.complete:
            return f"<pre>{escape(repr(self))}</pre>"
        is_function, total = self.facts.trainer.function is not None, self.trainings["total"]
        rows: dict[str, Any] = {
            **self.best_params,
            str(self.metric): self.describe_score(),
            self.facts.trainer.loss if is_function else "validation loss": self.describe_loss(),
            "untuned": self.describe_default(),
            "score": None if self.score is None else f"{self.score:.4g}",
            "safe range": self.describe_safe_range(),
            "trials": self._describe_trials(),
            "trainings": total if is_function else None,
            "study": self.study,
            "storage": self.storage,
            "note": "; ".join(self.warnings),
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in rows.items()
            if value not in (None, "")
        )
        return f"<table>{cells}</table>"


_V = TypeVar("_V")


def _finite(value: _V) -> _V:
    """Return JSON values with null in place of numbers that JSON does not know."""
    found: Any = value
    if isinstance(value, dict):
        found = {name: _finite(each) for name, each in value.items()}
    elif isinstance(value, list | tuple):
        found = [_finite(each) for each in value]
    elif isinstance(value, float) and not math.isfinite(value):
        found = None
    return found  # type: ignore[no-any-return]


def _brief(schedule: Schedule) -> str:
    """Return a schedule as text, without fields that are as by default."""
    parts = []
    for each in fields(schedule):
        value = getattr(schedule, each.name)
        has_effect = each.name != "decay_rate" or schedule.decay != "constant"
        if value != each.default and has_effect:
            text = number(value, 4) if isinstance(value, float) else repr(value)
            parts.append(f"{each.name}={text}")
    return f"Schedule({', '.join(parts)})"


def _negated(measured: Estimate | None) -> float | None:
    """Return a metric as the user's number, of minus its values; None if there is none."""
    return None if measured is None or measured.loss is None else -measured.loss


def read_result(
    study: str, storage: str, *, purpose: str = "read", otherwise: str = ""
) -> SearchResult:
    """Read the result of one of lrtune's own studies from its record.

    `purpose` and `otherwise` are for messages, as in `open_own_study`.
    """
    opened = open_own_study(storage, study, purpose=purpose, otherwise=otherwise)
    return result_of(opened, public_name(storage))


def result_of(study: optuna.Study, storage: str) -> SearchResult:
    """Return the result of one of lrtune's own studies that is already open."""
    attributes = study.user_attrs

    def read(kind: type[Any]) -> Any:
        values = attributes.get(kind.KEY)
        return None if values is None else kind.from_json(values)

    trials = [each for each in study.get_trials(deepcopy=False) if each.state.is_finished()]
    plan, ending = read(Plan) or Plan(), read(Ending)
    n_trials = len(trials)
    if ending is not None and 0 < plan.n_trials <= ending.n_trials:
        n_trials = ending.n_trials
    return SearchResult(
        facts=read_facts(study),
        plan=plan,
        finished=tuple(trials[:n_trials]),
        confirmation=read(Confirmation),
        ending=ending,
        environment=read(Environment) or Environment(),
        study=study.study_name,
        storage=storage,
        balance=read(Balance),
        test=read(FinalTest),
        surplus=tuple(trials[n_trials:]),
    )
