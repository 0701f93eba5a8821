"""The frozen result of a search, which everything that reports only reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.space import Setting

__all__ = ["SearchResult", "Seconds", "TrialCounts", "best_trial"]

DIVERGED, EPOCHS, SCORE = "diverged", "epochs", "score"
"""Trial attributes: where it diverged (if it did), epochs trained, mean score."""
METRICS, SECONDS = "metrics", "seconds"
"""Trial attributes: what the user's scorers said, by replicate; its share of the training time."""


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


@dataclass(frozen=True)
class Seconds:
    """Wall time."""

    search: float
    confirm: float
    total: float


@dataclass(frozen=True)
class SearchResult:
    """What a search found; the fields are those of ``lrtune search --json``.

    Attributes
    ----------
    study, storage : str or None
        The record; None if the search kept none.
    dataset, task : str
    best : Setting
        The recommended setting.
    search_loss : float
        Its mean validation loss over the replicates at the last epoch, as the search saw it (in
        a regression, the squared error in the target's own unit).
    confirmed_loss, confirmed_se, default_loss, safe_range
        What confirmation on fresh replicates adds; None where there was none.
    score : float
        Its mean accuracy, or R², over the replicates.
    trials : TrialCounts
    trial_epochs : float
        Epochs trained, over all trials and replicates.
    epochs_saved : float
        Epochs that diverged and pruned trials were spared.
    warnings : tuple of str
    seconds : Seconds
    """

    study: str | None
    storage: str | None
    dataset: str
    task: str
    best: Setting
    search_loss: float
    score: float
    trials: TrialCounts
    trial_epochs: float
    epochs_saved: float
    seconds: Seconds
    warnings: tuple[str, ...] = ()
    confirmed_loss: float | None = None
    confirmed_se: float | None = None
    default_loss: float | None = None
    safe_range: tuple[float, float] | None = None

    @property
    def best_params(self) -> dict[str, Any]:
        """The recommended setting as estimator parameters."""
        return self.best.params

    def to_dict(self) -> dict[str, Any]:
        """JSON values, in the order of the documented object."""
        return {
            "study": self.study,
            "storage": self.storage,
            "dataset": self.dataset,
            "task": self.task,
            "best": self.best_params,
            "search_loss": self.search_loss,
            "confirmed_loss": self.confirmed_loss,
            "confirmed_se": self.confirmed_se,
            "default_loss": self.default_loss,
            "score": self.score,
            "safe_range": None if self.safe_range is None else list(self.safe_range),
            "trials": asdict(self.trials),
            "trial_epochs": self.trial_epochs,
            "epochs_saved": self.epochs_saved,
            "warnings": list(self.warnings),
            "seconds": {key: round(value, 3) for key, value in asdict(self.seconds).items()},
        }

    def _repr_html_(self) -> str:
        """A small table for notebooks."""
        rows: dict[str, Any] = {
            **self.best_params,
            "validation loss": f"{self.search_loss:.4g}",
            "score": f"{self.score:.4g}",
            "trials": ", ".join(f"{n} {name}" for name, n in asdict(self.trials).items() if n),
            "study": self.study,
            "storage": self.storage,
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in rows.items()
            if value not in (None, "")
        )
        return f"<table>{cells}</table>"


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The completed trial with the lowest value, the first of equals.

    Raises
    ------
    NothingCompletedError
        If no trial completed.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        counts = TrialCounts.of(trials)
        cure = "standardise the columns, or search lower rates (--alpha0 LOW:HIGH, "
        cure += "learning_rate_init of the space)"
        if counts.failed:
            cure = f"{counts.failed} got no number from the scorer, see to that"
        raise NothingCompletedError(
            f"none of {len(trials)} trials completed, {counts.diverged} diverged: {cure}"
        )
    return min(complete, key=lambda trial: (trial.value, trial.number))
