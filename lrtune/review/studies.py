"""The list of studies in a record."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from lrtune.support.numbers import number
from lrtune.tuning.record.schema import SearchFacts
from lrtune.tuning.record.storage import open_storage, public_name
from lrtune.tuning.record.trials import TrialCounts
from lrtune.tuning.result import SearchResult, result_of
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
    """Name of the optimised metric, or of the loss of a training function."""
    best_score: float | None = None
    """The value of that metric, if it is one of `scoring`; confirmed if it can be."""
    target: str | None = None
    task: str = ""


def setting_in_words(setting: Setting) -> str:
    """Return a setting in a few words.

    >>> setting_in_words(Setting(0.125, "cosine", 0.0512))
    '0.125 cosine 0.0512'
    >>> setting_in_words(Setting(0.125, "constant", 0.3, (("batch_size", 16),)))
    '0.125 constant, batch_size 16'
    """
    words = f"{number(setting.learning_rate_init, 4)} {setting.decay}"
    if setting.decay != "constant":
        words += f" {number(setting.decay_rate, 4)}"
    others = (
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in setting.others
    )
    return ", ".join([words, *others])


def summarise_studies(storage: str) -> list[StudySummary]:
    """Summarise lrtune's own studies in a storage, sorted by name."""
    opened, _ = open_storage(storage, must_exist=True)
    summaries = []
    for name in sorted(optuna.get_all_study_names(opened)):
        study = optuna.load_study(storage=opened, study_name=name)
        if SearchFacts.KEY not in study.user_attrs:
            continue
        summaries.append(_summary(name, result_of(study, public_name(storage))))
    return summaries


def _summary(name: str, result: SearchResult) -> StudySummary:
    trainer = result.facts.trainer
    best, loss, score = None, None, None
    if result.trials.complete:
        best = result.best
        loss = result.search_loss if result.confirmation is None else result.confirmed_loss
        score = result.confirmed_score if result.metric is not None else None
        if result.metric is not None and score is None and result.recommended_value is not None:
            score = -result.recommended_value
    return StudySummary(
        study=name,
        dataset=result.dataset,
        trials=result.trials,
        best=best,
        best_loss=loss,
        metric=result.metric or ("loss" if trainer.function is None else trainer.loss),
        best_score=score,
        target=result.facts.data.target,
        task=result.task,
    )
