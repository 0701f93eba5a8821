"""What a record holds, study by study."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.record import CONFIGURATION, CONFIRMATION
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.trials import TrialCounts, best_trial
from lrtune.tuning.space import Setting

__all__ = ["StudySummary", "summarise_studies"]


@dataclass(frozen=True)
class StudySummary:
    """What a study holds: the recommended setting and its confirmed loss, if it was confirmed.

    Else the best of the search; None if no trial completed.
    """

    study: str
    dataset: str
    trials: TrialCounts
    best: Setting | None
    best_loss: float | None


def summarise_studies(storage: str) -> list[StudySummary]:
    """Summaries of lrtune's own studies in a storage, by name.

    Parameters
    ----------
    storage : str
        A journal file or a database URL.

    Raises
    ------
    InvalidInputError
        If there is no such storage, or it cannot be read.
    """
    opened, _ = open_storage(storage, must_exist=True)
    summaries = []
    for name in sorted(optuna.get_all_study_names(opened)):
        study = optuna.load_study(storage=opened, study_name=name)
        configuration = study.user_attrs.get(CONFIGURATION)
        if configuration is None:
            continue
        trials = study.get_trials(deepcopy=False)
        counts = TrialCounts.of(trials)
        best = best_trial(trials) if counts.complete else None
        loss = None if best is None else best.value
        confirmed = study.user_attrs.get(CONFIRMATION)
        if confirmed is not None:
            known = Confirmation.from_dict(confirmed)
            best, loss = trials[known.contenders[0].trial], known.recommended.loss
        summaries.append(
            StudySummary(
                name,
                configuration.get("dataset", ""),
                counts,
                None if best is None else Setting.of(best.params),
                loss,
            )
        )
    return summaries
