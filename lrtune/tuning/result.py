"""The frozen result of a search, which everything that reports only reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from lrtune.tuning.audit import PruningAudit
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.trials import TrialCounts
from lrtune.tuning.space import Setting

__all__ = ["SearchResult", "Seconds"]


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
    score : float
        Its mean accuracy, or R², on the replicates of the confirmation, or else of the search.
    trials : TrialCounts
    trial_epochs : float
        Epochs trained, over all trials and replicates.
    epochs_saved : float
        Epochs that diverged and pruned trials were spared.
    warnings : tuple of str
    seconds : Seconds
    confirmation : Confirmation or None
        What fresh replicates said; None if they were not asked.
    best_trial : int
        The recommended setting's trial.
    pruning_audit : PruningAudit or None
        What finishing some of the pruned trials showed; None if that was not asked for.
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
    confirmation: Confirmation | None = None
    best_trial: int = 0
    pruning_audit: PruningAudit | None = None

    @property
    def confirmed_loss(self) -> float | None:
        """Mean loss of the recommended setting on replicates that had no part in choosing it."""
        return None if self.confirmation is None else self.confirmation.recommended.loss

    @property
    def confirmed_se(self) -> float | None:
        """Its standard error."""
        return None if self.confirmation is None else self.confirmation.recommended.se

    @property
    def default_loss(self) -> float | None:
        """Mean loss of the untuned default there; None also if it diverged."""
        return None if self.confirmation is None else self.confirmation.default.loss

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """Lowest and highest α₀ that lose at most 10 % and never diverged."""
        return None if self.confirmation is None else self.confirmation.profile.safe_range

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
            "confirmation": None if self.confirmation is None else self.confirmation.summary(),
            "trials": asdict(self.trials),
            "pruning_audit": None if self.pruning_audit is None else asdict(self.pruning_audit),
            "trial_epochs": self.trial_epochs,
            "epochs_saved": self.epochs_saved,
            "warnings": list(self.warnings),
            "seconds": {key: round(value, 3) for key, value in asdict(self.seconds).items()},
        }

    def describe_loss(self) -> str:
        """The loss in words: confirmed if it is, with its standard error."""
        if self.confirmed_loss is None:
            return f"{self.search_loss:.4g}"
        if self.confirmed_se is None:
            return f"{self.confirmed_loss:.4g}"
        return f"{self.confirmed_loss:.4g} ± {self.confirmed_se:.2g}"

    def _repr_html_(self) -> str:
        """A small table for notebooks."""
        rows: dict[str, Any] = {
            **self.best_params,
            "validation loss": self.describe_loss(),
            "score": f"{self.score:.4g}",
            "trials": ", ".join(f"{n} {name}" for name, n in asdict(self.trials).items() if n),
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
