"""Finished trials, as Optuna, the record and every reader see them: made, counted, compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial, TrialState, create_trial

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.judging import Outcome

__all__ = ["TrialCounts", "best_trial", "complete_trials", "to_trial"]

DIVERGED, EPOCHS, SCORE = "diverged", "epochs", "score"
"""Trial attributes: where it diverged (if it did), epochs trained, mean score."""
METRICS, SECONDS = "metrics", "seconds"
"""Trial attributes: what the user's scorers said, by replicate; its share of the training time."""
CURVES, MOST_LOSSES = "replicate_curves", 5000
"""Trial attribute: validation loss by replicate and epoch, for figures; left out if these are more
numbers, as some databases take no text longer than 64 kB."""


def to_trial(
    params: Mapping[str, Any],
    outcome: Outcome,
    space: Space,
    cap: float,
    begun: datetime,
    *,
    metric: str | None = None,
) -> FrozenTrial:
    """A finished trial; one that diverged is PRUNED, infeasible, and ends in a finite capped loss.

    Told so, the sampler learns where the cliff is: it ignores failed trials, ranks infeasible
    ones last, the later in training they diverged the better. FAILED is a trial that trained to
    the end, but that the metric has no number for.

    Parameters
    ----------
    params : mapping
        As they were drawn.
    outcome : Outcome
    space : Space
    cap : float
        Told in place of the loss at which it diverged.
    begun : datetime
        When its block was begun.
    metric : str, optional
        The metric that counts in place of the loss.
    """
    curve = outcome.validation_curves.mean(axis=0)
    values = {epoch + 1: float(loss) for epoch, loss in enumerate(curve)}
    attributes: dict[str, Any] = {
        EPOCHS: outcome.epochs,
        DIVERGED: None,
        SECONDS: outcome.seconds,
        "replicate_losses": outcome.validation_curves[:, -1].tolist() if len(curve) else [],
        CURVES: _shortened(outcome.validation_curves),
    }
    state, violation = TrialState.PRUNED, -1.0
    if outcome.diverged is not None:
        attributes[DIVERGED] = asdict(outcome.diverged)
        values[len(values) + 1] = cap
        violation = 1 / outcome.diverged.epoch
    value = values[max(values)]
    if outcome.scores is not None:
        state = TrialState.COMPLETE
        attributes[SCORE] = float(np.mean(outcome.scores))
        attributes["replicate_scores"] = outcome.scores.tolist()
        attributes[METRICS] = {name: told.tolist() for name, told in outcome.metrics.items()}
        if metric is not None:
            value = -float(np.mean(outcome.metrics[metric]))
        if math.isnan(value):
            state = TrialState.FAIL
    trial = create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=dict(params),
        distributions=space.distributions(),
        user_attrs=attributes,
        intermediate_values=values,
        constraints={DIVERGED: violation},
    )
    trial.datetime_start = begun
    return trial


def _shortened(curves: npt.NDArray[Any]) -> list[list[float]]:
    """Losses with the digits that a figure shows; none if they are too many to keep."""
    if curves.size > MOST_LOSSES:
        return []
    return [[float(f"{loss:.5g}") for loss in curve] for curve in curves]


@dataclass(frozen=True)
class TrialCounts:
    """Trials by outcome; `pruned` were halted by competition, `diverged` by divergence."""

    complete: int
    pruned: int
    diverged: int
    failed: int

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial]) -> TrialCounts:
        """Count trials."""
        states = [trial.state for trial in trials]
        diverged = sum(bool(trial.user_attrs.get(DIVERGED)) for trial in trials)
        return cls(
            complete=states.count(TrialState.COMPLETE),
            pruned=states.count(TrialState.PRUNED) - diverged,
            diverged=diverged,
            failed=states.count(TrialState.FAIL),
        )

    def describe(self) -> str:
        """Return the counts that are not zero in words.

        >>> TrialCounts(complete=12, pruned=0, diverged=3, failed=0).describe()
        '12 complete, 3 diverged'
        """
        counts = asdict(self).items()
        return ", ".join(f"{count} {outcome}" for outcome, count in counts if count)


def complete_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that trained to the end and have a value."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The completed trial with the lowest value, the first of equals.

    Raises
    ------
    NothingCompletedError
        If no trial completed.
    """
    complete = complete_trials(trials)
    if not complete:
        counts = TrialCounts.of(trials)
        cure = (
            "standardise the columns, look for outliers in them, or search lower rates (--alpha0 "
        )
        cure += "LOW:HIGH, learning_rate_init of the space)"
        if counts.failed:
            cure = f"{counts.failed} got no number from the scorer, see to that"
        raise NothingCompletedError(
            f"none of {len(trials)} trials completed, {counts.diverged} diverged: {cure}"
        )
    return min(complete, key=lambda trial: (trial.value, trial.number))
