"""Progress of a search, as its listener gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from optuna.trial import FrozenTrial

from lrtune.support.numbers import duration, number
from lrtune.tuning.record.trials import TrialCounts, best_trial


class StopExploring(Exception):  # noqa: N818 -- it is no error
    """Raised by a listener to end the exploring, so that the best of its trials are confirmed."""


@dataclass(frozen=True)
class Progress:
    """Progress of a search; its text is a line for people.

    It is reported at the start, when trials or a long training end, and before the confirmation.

    Attributes
    ----------
    study : str or None
    finished, total : int
        Trials.
    best : FrozenTrial or None
    trials : TrialCounts
    confirming : bool
    trainings, planned : int
        Trainings that ended in this run, of about how many; 0 where they end many at once.
    median_seconds : float or None
        Of a training.
    maximize : bool
        Whether higher is better, and `best` has minus the user's number.
    ended : sequence of FrozenTrial
        The finished trials.
    """

    study: str | None
    finished: int
    total: int
    best: FrozenTrial | None
    trials: TrialCounts
    confirming: bool = False
    trainings: int = 0
    planned: int = 0
    median_seconds: float | None = None
    maximize: bool = False
    ended: Sequence[FrozenTrial] = field(default=(), repr=False)

    @property
    def best_loss(self) -> float | None:
        """Return the best trial's loss so far, or the user's number."""
        if self.best is None or self.best.value is None:
            return None
        return -self.best.value if self.maximize else self.best.value

    def __str__(self) -> str:
        parts = [f"{self.finished} of {self.total} trials"]
        if self.trainings and self.median_seconds is not None:
            left = max(0, self.planned - self.trainings) * self.median_seconds
            parts = [
                f"{self.trainings} of about {self.planned} trainings",
                f"{duration(self.median_seconds)} each (median)",
                f"about {duration(left)} left at one a time",
            ]
        if self.best is not None and self.best_loss is not None:
            parts.append(f"best so far: trial {self.best.number}, {number(self.best_loss)}")
        return ", ".join(parts) + (", confirming" if self.confirming else "")


class Reporter:
    """Reports progress to a listener, if there is one, which may raise StopExploring."""

    def __init__(
        self,
        listener: Callable[[Progress], Any] | None,
        study: str | None,
        finished: Sequence[FrozenTrial],
        *,
        total: int,
        planned: int,
        maximize: bool = False,
    ) -> None:
        self._listener = listener
        self._study = study
        self._finished = finished
        self._total = total
        self._seconds: list[float] = []
        self._confirming = False
        self._planned = planned
        self._maximize = maximize

    def count_training(self, seconds: float) -> None:
        """Count a training that ended, and report."""
        self._seconds.append(seconds)
        self.report(confirming=self._confirming)

    def report(self, *, confirming: bool = False) -> None:
        """Report the progress."""
        self._confirming = confirming
        if self._listener is None:
            return
        counts = TrialCounts.of(self._finished)
        self._listener(
            Progress(
                self._study,
                len(self._finished),
                self._total,
                best_trial(self._finished) if counts.complete else None,
                counts,
                confirming,
                len(self._seconds),
                self._planned,
                median(self._seconds) if self._seconds else None,
                self._maximize,
                tuple(self._finished),
            )
        )
