"""The tables and the code of a report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.export.export import export_schedule
from lrtune.review.study import Studied
from lrtune.review.wording import number
from lrtune.tuning.confirm.result import Contender
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.schema import TrainerFacts
from lrtune.tuning.record.storage import DEFAULT_STORAGE
from lrtune.tuning.record.trials import complete_trials
from lrtune.tuning.space import Space

__all__ = [
    "CODES",
    "Code",
    "MET_FRESH",
    "MOST_ROWS",
    "OWN",
    "Row",
    "Table",
    "best_settings",
    "codes",
    "fact_rows",
    "repeat",
]

MOST_ROWS = 10
OWN = ("learning_rate_init", "decay", "decay_rate")
MET_FRESH = (
    "The settings that met fresh replicates in the race that chose among them, the recommended one "
    "first; whoever was clearly worse left early. Ties go to a constant rate, then to the lower "
    "one. The winner of the race was then measured on replicates of its own: that is the loss to "
    "expect, above."
)
CODES = {
    "sklearn": "In Python, with lrtune's estimator:",
    "torch": "As a scheduler for torch",
    "keras": "As a callback for Keras",
}
"""What the code is written for, keys of `EXPORTERS`, and how it is introduced."""


@dataclass(frozen=True)
class Row:
    """A setting and what came of it."""

    cells: tuple[str, ...]
    recommended: bool = False


@dataclass(frozen=True)
class Table:
    """Settings, the best first."""

    caption: str
    heads: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Code:
    """Source to use the recommended setting, or why there is none."""

    title: str
    source: str = ""
    missing: str = ""


def best_settings(studied: Studied) -> Table:
    """Those that met fresh replicates, or else those that the search saw the best values of."""
    if studied.best is None:
        return Table("There are none: no trial completed.")
    value = "loss" if studied.metric is None else studied.metric
    others = tuple(name for name in studied.best.params if name not in OWN)
    heads = ("trial", *OWN, *others, f"search {value}")
    if studied.confirmation is not None:
        shown = studied.confirmation.contenders[:MOST_ROWS]
        heads = (*heads, f"fresh {value}", "replicates", "verdict")
        by_number = {trial.number: trial for trial in studied.trials}
        sign = 1 if studied.metric is None else -1
        rows = tuple(
            Row(
                (*_setting_cells(studied, by_number[each.trial], others), *_fresh(each, sign)),
                each.status == "recommended",
            )
            for each in shown
            if each.trial in by_number
        )
        return Table(MET_FRESH, heads, rows)
    best = sorted(complete_trials(studied.trials), key=lambda trial: (trial.value, trial.number))
    rows = tuple(Row(_setting_cells(studied, t, others), t is best[0]) for t in best[:MOST_ROWS])
    return Table("As the search saw them; none has met fresh replicates.", heads, rows)


def _setting_cells(studied: Studied, trial: FrozenTrial, others: Sequence[str]) -> tuple[str, ...]:
    params = trial.params
    value = trial.value if trial.value is not None else studied.loss(trial)
    return (
        str(trial.number),
        number(params["learning_rate_init"]),
        params["decay"],
        "–" if params["decay"] == "constant" else number(params["decay_rate"]),
        *(_plain(params[name]) for name in others),
        number(value if studied.metric is None else -value),
    )


def _fresh(contender: Contender, sign: int) -> tuple[str, ...]:
    loss = "–" if contender.loss is None else number(sign * contender.loss)
    return (loss, str(contender.replicates), contender.status)


def _plain(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def codes(studied: Studied) -> list[Code]:
    """The recommended setting as source, for lrtune and for other libraries."""
    return [] if studied.recommended is None else [_code(studied, to) for to in CODES]


def _code(studied: Studied, to: str) -> Code:
    found = studied.recommended
    assert found is not None  # noqa: S101
    try:
        return Code(CODES[to], export_schedule(found.schedule, to, origin=found).strip())
    except InvalidInputError as error:
        return Code(CODES[to], missing=str(error))


def repeat(studied: Studied) -> str:
    """The command that writes the report."""
    words = ["lrtune", "report", studied.name]
    if studied.storage != DEFAULT_STORAGE:
        words += ["--storage", studied.storage]
    return shlex.join(words)


def fact_rows(studied: Studied) -> list[tuple[str, str]]:
    """What it takes to get the same trials again, and what it took."""
    facts = studied.facts
    rows = {
        "data": _data(studied),
        "data fingerprint": facts.data_hash,
        "splits fingerprint": facts.splits_hash,
        "seed": facts.seed,
        "replicates": f"{studied.n_replicates} in the search" + _confirmed(studied),
        "searched": _space(facts.space),
        "optimised": studied.metric or f"{studied.loss_name}, in the last epoch",
        "pruner": facts.pruner or "none; diverging trials are stopped in any case",
        "estimator": _pipeline(facts.trainer),
        "network": _network(studied),
        "versions": _versions(studied),
        "searched on": _date(studied),
        "wall time": _seconds(studied),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def _data(studied: Studied) -> str:
    data = studied.facts.data
    parts = [data.dataset]
    if data.rows is not None and data.columns is not None:
        parts.append(f"{data.rows} rows, {data.columns} column{'s' if data.columns > 1 else ''}")
    if data.target is not None:
        parts.append(f"target column: {data.target}")
    parts.append(studied.facts.trainer.task)
    return "; ".join(part for part in parts if part)


def _pipeline(trainer: TrainerFacts) -> str:
    return ", ".join([*(step.source for step in trainer.steps), trainer.estimator])


def _confirmed(studied: Studied) -> str:
    if studied.confirmation is None:
        return ""
    return f", {studied.confirmation.replicates} fresh ones for the figures of the recommendation"


def _space(space: Space) -> str:
    ranges = {
        "learning_rate_init": " to ".join(number(rate) for rate in space.rates),
        "decay": ", ".join(space.decay),
        "decay_rate": " to ".join(number(rate) for rate in space.decay_rate),
        **{name: _range(dimension) for name, dimension in space.others},
    }
    return "; ".join(f"{name}: {shown}" for name, shown in ranges.items())


def _range(dimension: Dimension) -> str:
    if isinstance(dimension.distribution, CategoricalDistribution):
        return ", ".join(map(str, dimension.ends))
    return " to ".join(_plain(end) for end in dimension.ends)


def _network(studied: Studied) -> str:
    names = ("hidden_layer_sizes", "activation", "optimizer", "batch_size", "max_iter", "dtype")
    parameters = studied.parameters
    return ", ".join(f"{name}={parameters[name]}" for name in names if name in parameters)


def _versions(studied: Studied) -> str:
    versions = {"lrtune": studied.facts.version, **studied.environment.versions}
    return ", ".join(f"{name} {versions[name]}" for name in sorted(versions))


def _date(studied: Studied) -> str:
    begun = [trial.datetime_start for trial in studied.trials if trial.datetime_start]
    return f"{min(begun):%Y-%m-%d %H:%M}" if begun else ""


def _seconds(studied: Studied) -> str:
    if studied.ending is None or studied.ending.seconds is None:
        return ""
    seconds = studied.ending.seconds
    return f"{seconds.search:.1f} s of search, {seconds.confirm:.1f} s of confirmation"
