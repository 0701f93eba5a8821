"""The schema of the record: every fact of a study or a trial, typed, under one version number.

A study's facts are user attributes of the Optuna study, one per dataclass, stored under its `KEY`.
A trial's facts are user attributes of the trial, one per field of `TrialFacts`. Everything that
reads or writes a record goes through these dataclasses. The one fact defined elsewhere is
`lrtune.tuning.confirm.result.Confirmation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from optuna.trial import FrozenTrial

from lrtune.tables.columns import Column
from lrtune.training.optimizers import OptimizerName
from lrtune.tuning.space import Space

SCHEMA_VERSION = 2
"""Version of all facts below; `lrtune.tuning.record.upgrade` reads version 1, of release 0.1.0."""
SHARED = "shared"
"""Study attribute that is true once a worker has joined."""
DIVERGED = "diverged"
"""Trial attribute and constraint of a trial that diverged."""


class Fact(Protocol):
    """A dataclass that is stored as one attribute of a study."""

    KEY: ClassVar[str]

    def to_json(self) -> dict[str, Any]: ...

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self: ...


# --- conversion to and from JSON ------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Python source of a value that JSON cannot hold, such as a function; its repr is the source.

    >>> {"random_state": Source("RandomState(MT19937)")}
    {'random_state': RandomState(MT19937)}
    """

    text: str

    def __repr__(self) -> str:
        return self.text


def stable_repr(value: Any) -> str:
    """Return the repr without memory addresses, so that it is the same in every process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def encode(value: Any) -> Any:
    """Return a parameter's value as JSON.

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
    """Return the value that `encode` encoded; sequences come back as tuples.

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


def _plain(value: Any) -> Any:
    """Return JSON values: dataclasses as objects, tuples as lists."""
    if is_dataclass(value):
        return _plain(vars(value))
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _tuples(value: Any) -> Any:
    """Return JSON values with tuples in place of lists."""
    if isinstance(value, Mapping):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


class _Json:
    """Base of the dataclasses below; one whose fields are not plain values overrides a method."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values by field."""
        values: dict[str, Any] = _plain(vars(self))
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the dataclass that `to_json` converted; other keys are left out."""
        return cls(**_tuples(cls._own(values)))

    @classmethod
    def _own(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the dataclass has a field for."""
        names = {each.name for each in fields(cls)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if name in names}


# --- what is searched: the same in a resumed search -----------------------------------------------


@dataclass(frozen=True)
class DataFacts(_Json):
    """Name and size of the data; empty for arrays in Python."""

    dataset: str = ""
    """The bundled name, or the file's name without its extension."""
    target: str | None = None
    preprocessor: str = ""
    """Key of `lrtune.tables.preprocessors.PREPROCESSORS`."""
    rows: int | None = None
    columns: int | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Options of `lrtune.tables.dataset.load_dataset` that reading took."""
    group: str | None = None
    """Column whose groups are held out as a whole, if rows are not split at random."""
    time: str | None = None
    """Column by which validation rows are later than training rows, likewise."""


@dataclass(frozen=True)
class Step(_Json):
    """A transformer before the network in its pipeline."""

    kind: str
    """Name of its class."""
    source: str
    """The Python expression that makes it, on one line."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False
    """True if a parameter differs from its default."""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "parameters": _encode_all(self.parameters)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**cls._own(values), "parameters": _decode_all(values["parameters"])})


@dataclass(frozen=True)
class FunctionFacts(_Json):
    """A user's training function."""

    name: str
    path: str | None
    """File that it is in; None if it has none, as in a notebook."""
    digest: str
    """SHA-256 of the file, or else of the function's source."""
    source: str
    """The function's own source; empty if Python has none."""


@dataclass(frozen=True)
class LockstepChoice(_Json):
    """Whether the settings of a torch module train in lockstep."""

    lockstep: bool
    reason: str
    is_random: bool = False
    """True if the module draws random numbers in a training step."""

    def describe(self) -> str:
        """Return the choice in words, with the reason."""
        return f"{'in lockstep' if self.lockstep else 'one by one'}: {self.reason}"


@dataclass(frozen=True)
class TrainerFacts(_Json):
    """The estimator or function that trains, its parameters, and the transformers before it."""

    estimator: str
    """Name of its class, or of the function."""
    task: str
    """Either "classification", "regression" or, for a function, "training"."""
    loss: str
    """Either "log_loss", "squared_error" or the user's name for the loss."""
    epochs: int
    """Epochs of a training."""
    parameters: Mapping[str, Any]
    """All parameters of the untuned estimator, or those of a function's schedule."""
    changed: tuple[str, ...] = ()
    """Names of the parameters that differ from their defaults."""
    steps: tuple[Step, ...] = ()
    function: FunctionFacts | None = None
    is_network: bool = True
    """True for one of lrtune's networks."""
    maximize: bool = False
    """True if higher is better: the record then holds minus the user's numbers."""
    weighted: bool = False
    """True if the rows have weights, which count in training and in validation."""
    choice: LockstepChoice | None = None
    """How the settings of a `TorchTrainer` train; None for all else."""

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "choice": self.choice and self.choice.to_json(),
            "parameters": _encode_all(self.parameters),
            "changed": list(self.changed),
            "steps": [step.to_json() for step in self.steps],
            "function": self.function and self.function.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        typed = {
            "parameters": _decode_all(values["parameters"]),
            "changed": tuple(values["changed"]),
            "steps": tuple(map(Step.from_json, values["steps"])),
            "function": values["function"] and FunctionFacts.from_json(values["function"]),
        }
        if values.get("choice"):
            typed["choice"] = LockstepChoice.from_json(values["choice"])
        return cls(**{**cls._own(values), **typed})


@dataclass(frozen=True)
class SearchFacts(_Json):
    """The subject of a search: data, trainer and space. A resumed search must have the same."""

    KEY: ClassVar[str] = "lrtune"

    version: str
    """Version of lrtune; the one fact that may differ."""
    data: DataFacts
    seed: int
    """Seed of the sampler."""
    replicates: int | None
    """Replicates of each setting, the same for all; None if each block has a fresh one."""
    trainer: TrainerFacts
    metric: str
    """The optimised quantity: "loss", or the name of the user's metric."""
    scoring: Any
    """The user's `scoring`, as JSON."""
    data_hash: str
    """Hash of X, y and weights."""
    splits_hash: str
    """Hash of the replicates' rows and seeds."""
    space: Space
    """Includes a range of α₀."""
    block_size: int
    """Settings per block."""
    pruner: str | None = None
    """Class of the competitive pruner."""

    @property
    def n_replicates(self) -> int:
        """Return the number of replicates of a setting."""
        return self.replicates or 1

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA_VERSION,
            **vars(self),
            "data": self.data.to_json(),
            "trainer": self.trainer.to_json(),
            "space": _plain(self.space.to_json()),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        typed = {
            "data": DataFacts.from_json(values["data"]),
            "trainer": TrainerFacts.from_json(values["trainer"]),
            "space": Space.from_json(values["space"]),
        }
        return cls(**{**cls._own(values), **typed})


# --- plan, ending, command ------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan(_Json):
    """The plan of a search, written before its first trial."""

    KEY: ClassVar[str] = "plan"

    n_trials: int = 0
    confirm: bool = False
    """True to train the best settings on fresh replicates."""
    n_validation: int | None = None
    """Validation rows of a replicate."""
    naive_loss: float | None = None
    """Validation loss of a prediction that ignores the columns, mean over the replicates."""
    dead_loss: float | None = None
    """Loss of a training that does not learn; None where none is told apart."""
    default: Mapping[str, Any] | None = None
    """Optuna's parameters of the untuned default; None if the space does not contain it."""
    edges: tuple[tuple[float | None, ...], ...] = ()
    """Divergence edges around which the range of α₀ was laid, by replicate: one row for each
    combination of the other parameters' ends. None is an edge above the rates tested. Empty if the
    user gave the range."""


@dataclass(frozen=True)
class Seconds(_Json):
    """Wall time."""

    search: float
    confirm: float
    total: float


@dataclass(frozen=True)
class PruningAudit(_Json):
    """Result of training some of the pruned trials to the end."""

    pruned: int
    """Trials halted by competition."""
    finished: int
    """Number of them that were drawn at random and trained to the end."""
    best_tenth: int
    """Size of the best tenth of all trials that trained to the end."""
    lost: int
    """Number of trials in that tenth that the pruner had halted."""


@dataclass(frozen=True)
class Ending(_Json):
    """The end of a search; a study that still runs, or whose search was killed, has none."""

    KEY: ClassVar[str] = "ending"

    n_trials: int = 0
    """Trials in the study at that time."""
    confirmed: bool = False
    warnings: tuple[str, ...] = ()
    seconds: Seconds | None = None
    """Wall time of the run that ended the search."""
    failure: str | None = None
    """Why there is no result."""
    pruning_audit: PruningAudit | None = None
    best_trial: int | None = None
    """Number of the recommended trial; None without one, or if a release before 0.2 wrote it."""
    best_value: float | None = None
    """Its value without its replicate's effect, which takes a model of all trials to tell."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        seconds, audit = values.get("seconds"), values.get("pruning_audit")
        typed = {
            "warnings": tuple(values.get("warnings", ())),
            "seconds": Seconds.from_json(seconds) if seconds else None,
            "pruning_audit": PruningAudit.from_json(audit) if audit else None,
        }
        return cls(**{**cls._own(values), **typed})


@dataclass(frozen=True)
class Balance(_Json):
    """Balanced accuracy of the recommended setting, where one class holds most rows."""

    KEY: ClassVar[str] = "balance"

    share: float
    """Share of the rows that the largest class holds."""
    classes: int
    """Number of classes."""
    balanced_accuracy: float | None
    """Mean over the replicates; None if there are none, or the setting diverged on one."""
    se: float | None
    replicates: int
    """Fresh replicates that it was trained on for this."""


@dataclass(frozen=True)
class FinalTest(_Json):
    """Scores on a further table of the recommended setting, trained on all rows."""

    KEY: ClassVar[str] = "test"

    file: str
    rows: int
    loss: float | None = None
    score: float | None = None
    """Accuracy or R²; None where it has no value."""
    metric: str | None = None
    """Name of the metric that the search maximised; None if it was the loss."""
    metric_score: float | None = None
    failure: str | None = None
    """Why there are no scores."""


@dataclass(frozen=True)
class TableFacts:
    """Columns of the table that was read, and the notes on reading it."""

    notes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Environment(_Json):
    """The command and the versions that made a study."""

    KEY: ClassVar[str] = "environment"

    command: str = ""
    """As typed, without passwords; empty for a search in Python."""
    versions: Mapping[str, str] = field(default_factory=dict)
    table: TableFacts = field(default_factory=TableFacts)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        table = values["table"]
        columns = tuple(map(Column.from_dict, table["columns"]))
        return cls(
            values["command"], values["versions"], TableFacts(tuple(table["notes"]), columns)
        )


@dataclass(frozen=True)
class Process(_Json):
    """A process at work on a study; its attribute is null once it has left."""

    PREFIX: ClassVar[str] = "process "
    """Of its key, which a random number completes."""

    host: str
    pid: int
    begun: str
    """Time at which it began with the study."""
    place: str
    """Where its id is unique: a start of the machine, and a namespace of processes."""
    started: str = ""
    """When the process itself was started, by the machine's clock; "" if it is unknown."""


@dataclass(frozen=True)
class Request(_Json):
    """The options of ``lrtune search`` that decide its result, for its workers."""

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
    optimizer: OptimizerName
    decays: tuple[str, ...] | None
    alpha0: tuple[float, float] | None
    decay_rate: tuple[float, float] | None
    trials: int | None
    replicates: int | None
    confirm: bool
    baseline: bool
    pruner: str
    seed: int
    trainings: int | None = None
    """Trainings in all, in place of `trials`."""
    skip_lines: int | None = None
    header: bool = True
    missing: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    """Kinds of columns by name."""

    group: str | None = None
    time: str | None = None
    metric: str = "loss"
    """Key of `lrtune.tuning.trainers.metrics.METRICS`, or "loss"."""
    class_weight: Literal["balanced"] | None = None

    @property
    def reading(self) -> dict[str, Any]:
        """Return the options of reading that were given."""
        names = ("separator", "encoding", "skip_lines", "missing", "columns")
        given = {name: getattr(self, name) for name in names}
        header = {} if self.header else {"header": False}
        return {name: v for name, v in given.items() if v not in (None, (), {})} | header


@dataclass(frozen=True)
class ScriptRequest(_Json):
    """The options of ``lrtune search train.py`` that decide its result, for its workers."""

    KEY: ClassVar[str] = "script"

    path: str
    function: str
    name: str
    """Name of the data: the file's, and the function's if it is not called "train"."""
    epochs: int
    space: Space
    trainings: int | None
    n_trials: int | None
    replicates: int | None
    metric: str
    direction: str
    default: float | None
    modifiers: Mapping[str, Any]
    """Fields of `Schedule` that hold for every setting."""
    confirm: bool
    pruner: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "space": _plain(self.space.to_json())}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**cls._own(values), "space": Space.from_json(values["space"])})


# --- outcome of a trial ---------------------------------------------------------------------------


@dataclass(frozen=True)
class DivergedAt(_Json):
    """The place where a trial diverged; replicate and epoch are counted from 1."""

    replicate: int
    epoch: int
    step: int
    """Updates of that replicate before it diverged."""
    loss: float | None
    """Loss of the batch, in the target's own unit; None if it was not finite."""


@dataclass(frozen=True)
class TrialFacts(_Json):
    """Outcome of a trial, beside its value."""

    epochs: float = 0.0
    """Epochs trained, over all replicates; fractional if a replicate stopped within an epoch."""
    trainings: int | None = None
    """Trainings begun; None if a release before 0.2 wrote it: one for each replicate."""
    diverged: DivergedAt | None = None
    failure: str | None = None
    """The error that ended a training, of a kind that the user lets pass."""
    seconds: float = 0.0
    """The trial's share of its population's training time."""
    replicates: tuple[int, ...] = ()
    """Numbers of its replicates; empty if a release before 0.2 wrote it: the first ones."""
    replicate_losses: tuple[float, ...] = ()
    """Validation loss of each replicate at the last epoch."""
    replicate_curves: tuple[tuple[float, ...], ...] = ()
    """Validation loss by replicate and epoch, for figures; empty if it would be too long."""
    score: float | None = None
    """Mean accuracy or R²; like the next two, None if the trial did not train to the end."""
    replicate_scores: tuple[float, ...] | None = None
    metrics: Mapping[str, tuple[float, ...]] | None = None
    """The user's metrics by replicate."""
    worker: int = 0
    """Worker id; 0 is the main process."""

    def to_json(self) -> dict[str, Any]:
        """Return the trial's user attributes."""
        values = super().to_json()
        for name in ("failure", "score", "replicate_scores", "metrics"):
            if values[name] is None:
                del values[name]
        if not self.worker:
            del values["worker"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the facts among a trial's user attributes."""
        diverged = values.get(DIVERGED)
        typed = {DIVERGED: DivergedAt.from_json(diverged) if diverged else None}
        return cls(**{**_tuples(cls._own(values)), **typed})

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """Return the facts of a trial."""
        return cls.from_json(trial.user_attrs)
