"""The tables and the code samples of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.export.export import export_schedule
from lrtune.export.hooks import HOOKS
from lrtune.review.study import Study
from lrtune.review.subject import DIED
from lrtune.support.commands import as_typed
from lrtune.support.numbers import number
from lrtune.tuning.confirm.result import Contender
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.storage import DEFAULT_STORAGE
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space

MAX_ROWS = 10
SCHEDULE_PARAMETERS = ("learning_rate_init", "decay", "decay_rate")
COMPARABLE = (
    "Values of the search are on a replicate of average difficulty: each block of settings had a "
    "replicate of its own, and its effect, as the model of the losses estimates it, is taken out."
)
RACE_CAPTION = (
    "The settings that raced on fresh replicates, the recommended one first; settings that were "
    "clearly worse were dropped early. Ties go to a constant rate, then to the lower rate. The "
    "winner was then measured on further replicates; the loss to expect, stated above, is from "
    "there."
)
CODE_TITLES: dict[Any, str] = {
    "sklearn": "In Python, with lrtune's estimator:",
    "torch": "As a scheduler for torch",
    "keras": "As a callback for Keras",
}
"""Title of each code sample, by its key in `EXPORTERS`."""
FUNCTION_TITLES: dict[Any, str] = {
    "function": "In Python, for the function itself:",
    "torch hook": "For any torch loop, with lrtune",
    "keras hook": "For fit of Keras, with lrtune",
    "torch": "As a scheduler for torch, without lrtune",
    "keras": "As a callback for Keras, without lrtune",
}
"""The same for a user's training function; keys of `HOOKS` and of `EXPORTERS`."""


@dataclass(frozen=True)
class Row:
    """A setting and its results."""

    cells: tuple[str, ...]
    recommended: bool = False


@dataclass(frozen=True)
class SettingsTable:
    """The best settings, the best one first."""

    caption: str
    heads: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Code:
    """Source code that uses the recommended setting, or the reason why there is none."""

    title: str
    source: str = ""
    missing: str = ""


def best_settings(study: Study) -> SettingsTable:
    """Return the settings that raced on fresh replicates, or else the best of the search."""
    if study.best is None:
        return SettingsTable("There are no settings to list: no trial completed.")
    value = study.subject.short if study.metric is None else study.metric
    others = tuple(name for name in study.best.params if name not in SCHEDULE_PARAMETERS)
    heads = ("trial", *SCHEDULE_PARAMETERS, *others, f"search {value}")
    if study.confirmation is not None:
        heads = (*heads, f"fresh {value}", "replicates", "verdict")
        trials = {trial.number: trial for trial in study.trials}
        rows = tuple(
            Row(
                (
                    *_setting_cells(study, trials[contender.trial], others, contender.setting),
                    "–" if contender.loss is None else number(study.optimised(contender.loss)),
                    str(contender.replicates),
                    verdict(contender),
                ),
                contender.status == "recommended",
            )
            for contender in study.confirmation.contenders[:MAX_ROWS]
            if contender.trial in trials
        )
        caption = study.measured.titled(RACE_CAPTION)
        if study.has_fresh_replicates:
            caption += f" {COMPARABLE}"
        return SettingsTable(caption, heads, rows)
    rows = tuple(
        Row(_setting_cells(study, trial, others), trial is study.best)
        for trial in study.ranked[:MAX_ROWS]
    )
    caption = "Ranked by their values in the search; none was tried on fresh replicates."
    if study.has_fresh_replicates:
        caption += f" {COMPARABLE}"
    return SettingsTable(caption, heads, rows)


def verdict(contender: Contender) -> str:
    """Return the outcome of a setting in the race."""
    return DIED if contender.status == "dead" else contender.status


def _setting_cells(
    study: Study, trial: FrozenTrial, others: Sequence[str], setting: Setting | None = None
) -> tuple[str, ...]:
    """Return the cells of a trial; a `setting` that raced may be simpler than the trial's."""
    params = trial.params if setting is None else {**trial.params, **setting.schedule_params}
    value = study.loss(trial) if trial.value is None else study.optimised(study.comparable(trial))
    return (
        str(trial.number),
        number(params["learning_rate_init"]),
        params["decay"],
        "–" if params["decay"] == "constant" else number(params["decay_rate"]),
        *(to_text(params[name]) for name in others),
        number(value),
    )


def to_text(value: Any, digits: int = 3) -> str:
    """Return a parameter's value as text."""
    return number(value, digits) if isinstance(value, float) else str(value)


def code_samples(study: Study) -> list[Code]:
    """Return the recommended setting as source, for lrtune and for other libraries."""
    recommended = study.recommended
    if recommended is None:
        return []
    samples = []
    titles = FUNCTION_TITLES if recommended.is_function else CODE_TITLES
    for to, title in titles.items():
        try:
            if to in HOOKS:
                source = HOOKS[to](recommended)
            else:
                source = export_schedule(recommended.schedule, to, origin=recommended)
            samples.append(Code(title, source.strip()))
        except InvalidInputError as error:
            samples.append(Code(title, missing=str(error)))
    return samples


def report_command(study: Study) -> str:
    """Return the command that writes the report; "" without a record."""
    if study.storage is None:
        return ""
    words = ["lrtune", "report", study.name]
    if study.storage != DEFAULT_STORAGE:
        words += ["--storage", study.storage]
    return as_typed(words)


def reproduction_rows(study: Study) -> list[tuple[str, str]]:
    """Return what it takes to repeat the search, and the time it took, as names and values."""
    facts = study.facts
    rows = {
        "data": data_in_words(study),
        "data fingerprint": facts.data_hash,
        "splits fingerprint": facts.splits_hash,
        "seed": facts.seed,
        "replicates": _replicates(study),
        "validation": validation_in_words(study),
        "searched": _space(facts.space),
        "optimised": study.metric or _optimised(study),
        "pruner": facts.pruner or "none; diverging trials are stopped in any case",
        **dict(study.subject.trained),
        "trainings": _trainings(study),
        "versions": _versions(study),
        "searched on": _start(study),
        "wall time": _seconds(study),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def data_in_words(study: Study, *, with_target: bool = True) -> str:
    """Describe the data set, its size, its target and the task, as far as recorded.

    It is empty for a user's function, whose data are its own.
    """
    if study.subject.is_function:
        return ""
    data = study.facts.data
    parts = [data.dataset]
    if data.rows is not None and data.columns is not None:
        parts.append(f"{data.rows} rows, {data.columns} column{'s' if data.columns > 1 else ''}")
    if with_target and data.target is not None:
        parts.append(f"target column: {data.target}")
    parts.append(study.facts.trainer.task)
    return "; ".join(filter(None, parts))


def _replicates(study: Study) -> str:
    text = f"{study.n_replicates} in the search"
    if study.has_fresh_replicates:
        text = "one for each block of settings in the search"
    if study.confirmation is None:
        return text
    return f"{text}, {study.confirmation.replicates} fresh ones to measure the recommendation"


def validation_in_words(study: Study) -> str:
    """Say which rows are held out; "" for a user's function, or data in Python."""
    data = study.facts.data
    if data.group is not None:
        return f"whole groups by column {data.group!r}, which is no feature"
    if data.time is not None:
        return f"rows that are later by column {data.time!r}, which is no feature"
    return ""


def _space(space: Space) -> str:
    ranges = {
        "learning_rate_init": " to ".join(map(number, space.rates)),
        "decay": ", ".join(space.decay),
        "decay_rate": " to ".join(map(number, space.decay_rate)),
        **{name: _range(dimension) for name, dimension in space.others},
    }
    return "; ".join(f"{name}: {text}" for name, text in ranges.items())


def _range(dimension: Dimension) -> str:
    if isinstance(dimension.distribution, CategoricalDistribution):
        return ", ".join(map(str, dimension.ends))
    return " to ".join(map(to_text, dimension.ends))


def _trainings(study: Study) -> str:
    """Return how many trainings it took; "" for lrtune's network, which trains many at once."""
    if not study.subject.is_function:
        return ""
    return f"{study.result.trainings['total']}: {study.trainings}"


def _optimised(study: Study) -> str:
    return f"{study.subject.loss}, in the last epoch{study.subject.better}"


def _versions(study: Study) -> str:
    versions = {"lrtune": study.facts.version, **study.environment.versions}
    return ", ".join(f"{name} {versions[name]}" for name in sorted(versions))


def _start(study: Study) -> str:
    starts = [trial.datetime_start for trial in study.trials if trial.datetime_start]
    return f"{min(starts):%Y-%m-%d %H:%M}" if starts else ""


def _seconds(study: Study) -> str:
    if study.ending is None or study.ending.seconds is None:
        return ""
    seconds = study.ending.seconds
    return f"{seconds.search:.1f} s of search, {seconds.confirm:.1f} s of confirmation"
