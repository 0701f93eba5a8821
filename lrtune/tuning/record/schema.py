"""The schema of the record: every fact that a study or a trial carries, typed, under one version.

A study's facts are its user attributes, one attribute per dataclass, named by its `KEY`; a trial's
facts are its user attributes, named by the fields of `TrialFacts`. Each dataclass has one `to_json`
and one `from_json`; whoever writes or reads a record uses these. What a confirmation measured is
the one fact with a home of its own, `lrtune.tuning.confirm.result`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.tables.columns import Column
from lrtune.tuning.space import Space

__all__ = [
    "DIVERGED",
    "DataFacts",
    "DivergedAt",
    "Ending",
    "Environment",
    "Fact",
    "Plan",
    "PruningAudit",
    "Request",
    "SCHEMA_VERSION",
    "SHARED",
    "SearchFacts",
    "Seconds",
    "Source",
    "Step",
    "TableFacts",
    "TrainerFacts",
    "TrialFacts",
    "decode",
    "encode",
    "stable_repr",
]

SCHEMA_VERSION = 2
"""Of all facts below; release 0.1.0 wrote version 1, which `lrtune.tuning.record.upgrade` reads."""
SHARED = "shared"
"""The study attribute that is true once workers have joined."""
DIVERGED = "diverged"
"""The trial attribute, and the constraint, of a trial that diverged."""


class Fact(Protocol):
    """A dataclass that is kept as one attribute of a study."""

    KEY: ClassVar[str]

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self: ...


# --- values ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Python source of a value that JSON cannot hold, such as a function; its repr is the source.

    Examples
    --------
    >>> {"random_state": Source("RandomState(MT19937)")}
    {'random_state': RandomState(MT19937)}
    """

    text: str

    def __repr__(self) -> str:
        return self.text


def stable_repr(value: Any) -> str:
    """Return a repr that is the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def encode(value: Any) -> Any:
    """Return a parameter's value as JSON.

    Examples
    --------
    >>> encode((50, 12)), encode({0: 2.0}), encode(print)
    ([50, 12], {'pairs': [[0, 2.0]]}, {'source': '<built-in function print>'})
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [encode(each) for each in value]
    if isinstance(value, Mapping):
        return {"pairs": [[encode(key), encode(each)] for key, each in value.items()]}
    if isinstance(value, int | float | str | bool | None) and value == value:
        return value
    return {"source": stable_repr(value)}


def decode(value: Any) -> Any:
    """Return what `encode` made JSON of; sequences come back as tuples.

    Examples
    --------
    >>> decode(encode([50, 12])), decode(encode({0: 2.0}))
    ((50, 12), {0: 2.0})
    """
    if isinstance(value, list):
        return tuple(decode(each) for each in value)
    if isinstance(value, Mapping):
        if "source" in value:
            return Source(value["source"])
        return {decode(key): decode(each) for key, each in value["pairs"]}
    return value


def _encode_all(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: encode(value) for name, value in values.items()}


def _decode_all(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: decode(value) for name, value in values.items()}


def _of_fields(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a dataclass has a field for."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


# --- what is searched: a resumed search must share it --------------------------------------------


@dataclass(frozen=True)
class DataFacts:
    """The data as the user knows them; empty for arrays in Python.

    Attributes
    ----------
    dataset : str
        The bundled name, or the file's name without its ending.
    target : str or None
        Name of the target column.
    preprocessor : str
        Key of `lrtune.tables.preprocessing.PREPROCESSORS`.
    rows, columns : int or None
    """

    dataset: str = ""
    target: str | None = None
    preprocessor: str = ""
    rows: int | None = None
    columns: int | None = None


@dataclass(frozen=True)
class Step:
    """A transformer before the network in its pipeline.

    Attributes
    ----------
    kind : str
        Name of its class.
    source : str
        The Python expression that makes it, on one line.
    parameters : mapping
        All of its parameters.
    changed : bool
        Whether one of them differs from its default.
    """

    kind: str
    source: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "parameters": _encode_all(self.parameters)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**values, "parameters": _decode_all(values["parameters"])})


@dataclass(frozen=True)
class TrainerFacts:
    """What trains: an estimator with its parameters, and what stands before it.

    Attributes
    ----------
    estimator : str
        Name of its class.
    task : {"classification", "regression"}
    loss : {"log_loss", "squared_error"}
    parameters : mapping
        All of the untuned estimator's, by name.
    changed : tuple of str
        Those that differ from their defaults.
    steps : tuple of Step
        The transformers before it, in order.
    """

    estimator: str
    task: str
    loss: str
    parameters: Mapping[str, Any]
    changed: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def epochs(self) -> int:
        """Return the epochs of a training."""
        return int(self.parameters["max_iter"])

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "parameters": _encode_all(self.parameters),
            "changed": list(self.changed),
            "steps": [step.to_json() for step in self.steps],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        typed = {
            "parameters": _decode_all(values["parameters"]),
            "changed": tuple(values["changed"]),
            "steps": tuple(map(Step.from_json, values["steps"])),
        }
        return cls(**{**values, **typed})


@dataclass(frozen=True)
class SearchFacts:
    """What is searched, on what, by which trainer: what a resumed search must share.

    Attributes
    ----------
    version : str
        lrtune's; the one fact that may differ.
    data : DataFacts
    seed : int
        Of the sampler.
    replicates : int
        That each setting is judged on in the search.
    trainer : TrainerFacts
    metric : str
        What is optimised: "loss", or the name of the user's metric.
    scoring : JSON value
        As the user gave it.
    data_hash, splits_hash : str
        Of X, y and weights; of the replicates' rows and seeds.
    space : Space
        With a range of α₀.
    block_size : int
        Settings asked for at once.
    pruner : str or None
        Class of the competitive pruner.
    """

    KEY: ClassVar[str] = "lrtune"

    version: str
    data: DataFacts
    seed: int
    replicates: int
    trainer: TrainerFacts
    metric: str
    scoring: Any
    data_hash: str
    splits_hash: str
    space: Space
    block_size: int
    pruner: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA_VERSION,
            **vars(self),
            "data": asdict(self.data),
            "trainer": self.trainer.to_json(),
            "space": self.space.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        typed = {
            "data": DataFacts(**values["data"]),
            "trainer": TrainerFacts.from_json(values["trainer"]),
            "space": Space.from_json(values["space"]),
        }
        return cls(**{**_of_fields(cls, values), **typed})


# --- what a search set out to do, by which command, and how it ended -----------------------------


@dataclass(frozen=True)
class Plan:
    """What a search set out to do, known before its first trial.

    Attributes
    ----------
    n_trials : int
    confirm : bool
        Whether the best settings are to meet fresh replicates.
    n_validation : int or None
        Validation rows of a replicate.
    naive_loss : float or None
        Validation loss of a prediction that ignores the columns, mean over the replicates.
    default : mapping or None
        Optuna's parameters of the untuned default; None if the space does not hold it.
    edges : tuple of tuple of (float or None)
        The divergence edges that the range was laid around, by replicate; a row for each end of
        what else is searched. None is an edge above the rates tested. Empty if the range of α₀
        was given.
    """

    KEY: ClassVar[str] = "plan"

    n_trials: int = 0
    confirm: bool = False
    n_validation: int | None = None
    naive_loss: float | None = None
    default: Mapping[str, Any] | None = None
    edges: tuple[tuple[float | None, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "edges": [list(row) for row in self.edges]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        edges = tuple(tuple(row) for row in values.get("edges", ()))
        return cls(**{**_of_fields(cls, values), "edges": edges})


@dataclass(frozen=True)
class Seconds:
    """Wall time."""

    search: float
    confirm: float
    total: float


@dataclass(frozen=True)
class PruningAudit:
    """The outcome of finishing some of the pruned trials after all.

    Attributes
    ----------
    pruned : int
        Trials halted by competition.
    finished : int
        Of them, drawn at random and trained to the end.
    best_tenth : int
        Number of trials in the best tenth of those known to the end.
    lost : int
        Of these, the number that the pruner had halted.
    """

    pruned: int
    finished: int
    best_tenth: int
    lost: int


@dataclass(frozen=True)
class Ending:
    """How a search ended; missing while it runs, and if it was killed.

    Attributes
    ----------
    n_trials : int
        Trials that the study held then.
    confirmed : bool
    warnings : tuple of str
        Of its result.
    seconds : Seconds or None
        Wall time of the run that ended it.
    failure : str or None
        Why there is no result.
    pruning_audit : PruningAudit or None
    """

    KEY: ClassVar[str] = "ending"

    n_trials: int = 0
    confirmed: bool = False
    warnings: tuple[str, ...] = ()
    seconds: Seconds | None = None
    failure: str | None = None
    pruning_audit: PruningAudit | None = None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        seconds, audit = values.get("seconds"), values.get("pruning_audit")
        typed = {
            "warnings": tuple(values.get("warnings", ())),
            "seconds": Seconds(**seconds) if seconds else None,
            "pruning_audit": PruningAudit(**audit) if audit else None,
        }
        return cls(**{**_of_fields(cls, values), **typed})


@dataclass(frozen=True)
class TableFacts:
    """The columns of the table that was read, and the notes on it."""

    notes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Environment:
    """The command and the versions that a study was made with.

    Attributes
    ----------
    command : str
        As it was typed, without passwords; empty for a search in Python.
    versions : mapping of str to str
    table : TableFacts
    """

    KEY: ClassVar[str] = "environment"

    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    table: TableFacts = field(default_factory=TableFacts)

    def to_json(self) -> dict[str, Any]:
        columns = [column.to_dict() for column in self.table.columns]
        table = {"notes": list(self.table.notes), "columns": columns}
        return {"command": self.command, "versions": dict(self.versions), "table": table}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        table = values["table"]
        columns = tuple(map(Column.from_dict, table["columns"]))
        return cls(
            values["command"], values["versions"], TableFacts(tuple(table["notes"]), columns)
        )


@dataclass(frozen=True)
class Request:
    """The options of ``lrtune search`` that decide its result, named as there, for its workers."""

    KEY: ClassVar[str] = "task"

    data: str
    target: str | None
    task: Any
    separator: str | None
    encoding: str | None
    preprocessor: str
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    optimizer: str
    decays: tuple[str, ...] | None
    alpha0: tuple[float, float] | None
    decay_rate: tuple[float, float] | None
    trials: int
    replicates: int
    confirm: bool
    baseline: bool
    pruner: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the request of a record, or of a command's options, among which may be others."""
        own: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in _of_fields(cls, values).items()
        }
        return cls(**own)


# --- what came of a trial -------------------------------------------------------------------------


@dataclass(frozen=True)
class DivergedAt:
    """Where a trial diverged.

    Attributes
    ----------
    replicate, epoch : int
        Counted from 1.
    step : int
        Updates made before, on that replicate.
    loss : float or None
        Of the batch there, in the target's own unit; None if it was not finite.
    """

    replicate: int
    epoch: int
    step: int
    loss: float | None


@dataclass(frozen=True)
class TrialFacts:
    """What came of a trial, beside its value.

    Attributes
    ----------
    epochs : float
        Epochs trained, over all replicates; fractional where one was broken off.
    diverged : DivergedAt or None
    seconds : float
        Its share of the time that its population took.
    replicate_losses : tuple of float
        Validation loss of each replicate at the last epoch.
    replicate_curves : tuple of tuple of float
        Validation loss by replicate and epoch, for figures; left out where it would be too long.
    score : float or None
        Mean accuracy or R²; None if it did not train to the end, as for the next two.
    replicate_scores : tuple of float or None
    metrics : mapping of str to tuple of float, or None
        The user's metrics by replicate.
    worker : int
        Worker id; 0 is the search itself.
    """

    epochs: float = 0.0
    diverged: DivergedAt | None = None
    seconds: float = 0.0
    replicate_losses: tuple[float, ...] = ()
    replicate_curves: tuple[tuple[float, ...], ...] = ()
    score: float | None = None
    replicate_scores: tuple[float, ...] | None = None
    metrics: Mapping[str, tuple[float, ...]] | None = None
    worker: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the trial's user attributes."""
        values: dict[str, Any] = {
            "epochs": self.epochs,
            "diverged": None if self.diverged is None else asdict(self.diverged),
            "seconds": self.seconds,
            "replicate_losses": list(self.replicate_losses),
            "replicate_curves": [list(curve) for curve in self.replicate_curves],
        }
        if self.score is not None:
            values["score"] = self.score
        if self.replicate_scores is not None:
            values["replicate_scores"] = list(self.replicate_scores)
        if self.metrics is not None:
            values["metrics"] = {name: list(each) for name, each in self.metrics.items()}
        return values | ({"worker": self.worker} if self.worker else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the facts among a trial's user attributes."""
        typed: dict[str, Any] = {}
        for name in ("replicate_losses", "replicate_scores"):
            if values.get(name) is not None:
                typed[name] = tuple(values[name])
        if values.get("diverged"):
            typed["diverged"] = DivergedAt(**values["diverged"])
        if values.get("replicate_curves"):
            typed["replicate_curves"] = tuple(map(tuple, values["replicate_curves"]))
        if values.get("metrics") is not None:
            typed["metrics"] = {name: tuple(each) for name, each in values["metrics"].items()}
        return cls(**{**_of_fields(cls, values), **typed})

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """Return the facts of a trial."""
        return cls.from_json(trial.user_attrs)
