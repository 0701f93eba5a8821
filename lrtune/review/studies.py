"""The list of studies in a record."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from lrtune.tuning.record.schema import SearchFacts
from lrtune.tuning.record.storage import open_storage, public_name
from lrtune.tuning.record.trials import TrialCounts
from lrtune.tuning.result import result_of
from lrtune.tuning.setting import Setting


@dataclass(frozen=True)
class StudySummary:
    """One line on a study; the best setting and loss are the confirmed ones if there are any.

    They are None if no trial completed.
    """

    study: str
    dataset: str
    trials: TrialCounts
    best: Setting | None
    best_loss: float | None
    metric: str = "loss"
    """The user's name for the loss of a training function."""


def summarise_studies(storage: str) -> list[StudySummary]:
    """Summarise lrtune's own studies in a storage, sorted by name."""
    opened, _ = open_storage(storage, must_exist=True)
    summaries = []
    for name in sorted(optuna.get_all_study_names(opened)):
        study = optuna.load_study(storage=opened, study_name=name)
        if SearchFacts.KEY not in study.user_attrs:
            continue
        result = result_of(study, public_name(storage))
        trainer = result.facts.trainer
        best, loss = None, None
        if result.trials.complete:
            best, loss = result.best, result.search_loss
        if result.confirmation is not None:
            loss = result.confirmed_loss
        metric = "loss" if trainer.function is None else trainer.loss
        summaries.append(StudySummary(name, result.dataset, result.trials, best, loss, metric))
    return summaries
