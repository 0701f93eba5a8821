"""Finished Optuna trials: made from a trainer's outcomes, counted, compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState, create_trial

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.record.schema import DIVERGED, TrialFacts
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome

STATUSES = ("complete", "pruned", "diverged", "failed")
"""Outcomes of a trial, the fields of `TrialCounts`."""
MAX_LOSSES = 5000
"""Limit on the numbers in a trial's recorded curves, as a study is read as a whole."""


def to_trial(
    params: Mapping[str, Any],
    outcome: Outcome,
    space: Space,
    replicates: Sequence[int],
    *,
    cap: float,
    begun: datetime,
    metric: str | None = None,
) -> FrozenTrial:
    """Return an outcome as a finished trial.

    A trial that diverged is PRUNED and infeasible, with `cap` as its last loss: samplers ignore
    FAILED trials, but rank infeasible ones last, and those that diverged early behind the others.
    A trial is FAILED if its training raised an error that the user lets pass, or if it trained to
    the end, but the metric gave no number.
    """
    curve = outcome.validation_curves.mean(axis=0)
    values = {epoch + 1: float(loss) for epoch, loss in enumerate(curve)}
    facts = TrialFacts(
        epochs=outcome.epochs,
        trainings=outcome.trainings,
        diverged=outcome.diverged,
        failure=outcome.failure,
        seconds=outcome.seconds,
        replicates=tuple(replicates),
        replicate_losses=tuple(outcome.validation_curves[:, -1].tolist()) if len(curve) else (),
        replicate_curves=_shortened(outcome.validation_curves),
    )
    violation = -1.0
    if outcome.diverged is not None:
        values[len(values) + 1] = cap
        violation = 1 / outcome.diverged.epoch
    value = values[max(values)] if values else math.nan
    if outcome.is_complete:
        facts = replace(facts, **_scores(outcome))
        if metric is not None:
            value = -float(np.mean(outcome.metrics[metric]))
    state = TrialState.COMPLETE if outcome.is_complete else TrialState.PRUNED
    if math.isnan(value) or outcome.failure is not None:
        state = TrialState.FAIL
    trial = create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=dict(params),
        distributions=space.distributions(),
        user_attrs=facts.to_json(),
        intermediate_values=values,
        constraints={DIVERGED: violation},
    )
    trial.datetime_start = begun
    return trial


def _scores(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of `TrialFacts` that only a trial which trained to the end has."""
    scores, metrics = outcome.scores, outcome.metrics
    return {
        "score": None if scores is None else float(np.mean(scores)),
        "replicate_scores": None if scores is None else tuple(scores.tolist()),
        "metrics": {name: tuple(each.tolist()) for name, each in metrics.items()},
    }


def _shortened(curves: npt.NDArray[Any]) -> tuple[tuple[float, ...], ...]:
    """Return losses with the digits that a figure shows; none if they are too many to record."""
    if curves.size > MAX_LOSSES:
        return ()
    return tuple(tuple(float(f"{loss:.5g}") for loss in curve) for curve in curves)


def status(trial: FrozenTrial) -> str:
    """Return the outcome of a finished trial, one of `STATUSES`."""
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.FAIL:
        return "failed"
    return "diverged" if trial.user_attrs.get(DIVERGED) else "pruned"


@dataclass(frozen=True)
class TrialCounts:
    """Numbers of trials by outcome; competition halted those `pruned`."""

    complete: int
    pruned: int
    diverged: int
    failed: int

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial]) -> TrialCounts:
        """Count finished trials."""
        counts = Counter(map(status, trials))
        return cls(**{name: counts[name] for name in STATUSES})

    def describe(self) -> str:
        """Return the counts that are not zero in words.

        >>> TrialCounts(complete=12, pruned=0, diverged=3, failed=0).describe()
        '12 complete, 3 diverged'
        """
        counts = asdict(self).items()
        return ", ".join(f"{count} {outcome}" for outcome, count in counts if count)


def complete_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that trained to the end and have a value."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def n_replicates(trials: Sequence[FrozenTrial]) -> int:
    """Return the number of replicates that trials used; 0 if it is not recorded."""
    return max((max(TrialFacts.of(each).replicates, default=-1) for each in trials), default=-1) + 1


def last_loss(trial: FrozenTrial) -> float:
    """Return a trial's loss after its last epoch, whatever its value is; infinite without one."""
    losses = trial.intermediate_values
    return losses[max(losses)] if losses else math.inf


def best_loss(trials: Sequence[FrozenTrial]) -> float | None:
    """Return the lowest finite loss of the trials that trained to the end; None without one."""
    losses = map(last_loss, complete_trials(trials))
    return min(filter(math.isfinite, losses), default=None)


def best_trial(trials: Sequence[FrozenTrial], cure: str = "") -> FrozenTrial:
    """Return the complete trial with the lowest value, the first one of equals.

    `cure` is for the message if all diverged; by default it is that of a table.

    Raises
    ------
    NothingCompletedError
        If no trial completed.
    """
    complete = complete_trials(trials)
    if not complete:
        counts = TrialCounts.of(trials)
        cure = cure or (
            "standardise the columns, look for outliers in them, or search lower rates "
            "(`space={'learning_rate_init': (LOW, HIGH)}`)"
        )
        if counts.failed:
            failures = (TrialFacts.of(trial).failure for trial in trials)
            failure = next(filter(None, failures), None)
            cure = f"the scorer gave no number for {counts.failed}, correct it"
            if failure is not None:
                cure = f"{counts.failed} failed, the first with {failure}: correct it"
        raise NothingCompletedError(
            f"none of {len(trials)} trials completed, {counts.diverged} diverged: {cure}"
        )
    return min(complete, key=lambda trial: (trial.value, trial.number))
