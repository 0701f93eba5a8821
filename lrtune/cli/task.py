"""What a search is asked to do: told by the command line, or to a worker by the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lrtune.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lrtune.tables.dataset import Dataset
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.result import SearchResult

__all__ = ["STANDARD_INPUT", "TASK", "Task"]

TASK = "task"
"""The study attribute that says what the search was asked to do."""
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Task:
    """The options of ``lrtune search`` that decide what it finds; names as there."""

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

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From a command's options, among which may be others."""
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    @classmethod
    def from_record(cls, record: Record, data: str | None = None) -> Self:
        """What the search of a study was asked to do.

        Parameters
        ----------
        record : Record
        data : str, optional
            Where its data lie on this machine, if elsewhere.

        Raises
        ------
        InvalidInputError
            If the study does not say, or if its data came from standard input and `data` is not
            given.
        """
        known = record.noted(TASK)
        if known is None:
            raise InvalidInputError(
                f"a worker helps with a study that lrtune search made, but {record.name!r} in "
                f"{record.storage} does not say what to train: start it with lrtune search"
            )
        as_tuples = {key: tuple(v) if isinstance(v, list) else v for key, v in known.items()}
        # the range that was found there, so that machines that round differently agree
        as_tuples["alpha0"] = tuple(record.facts["space"]["learning_rate_init"])
        told = cls.of(as_tuples)
        told = told if data is None else replace(told, data=data)
        if told.data == STANDARD_INPUT:
            raise InvalidInputError(
                f"the data of study {record.name!r} came from standard input: name a file that "
                "holds them with --data"
            )
        return told

    def to_record(self) -> dict[str, Any]:
        """JSON values; a file by its whole path."""
        path = Path(self.data)
        return {**asdict(self), "data": str(path.resolve()) if path.is_file() else self.data}

    def load(self) -> Dataset:
        """Read the data."""
        from lrtune.tables.dataset import load_dataset

        return load_dataset(
            self.data,
            target=self.target,
            task=self.task,
            separator=self.separator,
            encoding=self.encoding,
            preprocessor=self.preprocessor,
        )

    def estimator(self, dataset: Dataset) -> Any:
        """The untuned network, behind the dataset's preprocessing."""
        from sklearn.pipeline import make_pipeline

        from lrtune.estimators import MLPClassifier, MLPRegressor
        from lrtune.tuning.space import DEFAULT_RATES

        network = MLPClassifier if dataset.task == "classification" else MLPRegressor
        return make_pipeline(
            dataset.preprocessing,
            network(
                self.hidden,
                optimizer=self.optimizer,
                batch_size=self.batch_size,
                learning_rate_init=DEFAULT_RATES[self.optimizer],
                max_iter=self.epochs,
                dtype="float32",
            ),
        )

    def run(
        self,
        dataset: Dataset,
        estimator: Any,
        open_record: Callable[[Mapping[str, Any]], Record],
        **options: Any,
    ) -> SearchResult:
        """Search; further options are those of `lrtune.tuning.search.search`."""
        from lrtune.tuning.sampling.competitive import PRUNERS
        from lrtune.tuning.search import search
        from lrtune.tuning.space import LEARNING_RATE_FREE, Space
        from lrtune.tuning.trainers.replicates import draw_replicates, make_replicates

        y, kind, seed = dataset.y, dataset.task, self.seed
        fresh = draw_replicates(y, task=kind, seed=seed, first=self.replicates)
        return search(
            estimator,
            dataset.X,
            y,
            replicates=make_replicates(y, self.replicates, task=kind, seed=seed),
            space=Space.default(
                self.epochs,
                learning_rate_init=self.alpha0,
                decay=self.decays,
                decay_rate=self.decay_rate,
            ),
            n_trials=self.trials,
            seed=seed,
            fresh=fresh if self.confirm else None,
            baseline=LEARNING_RATE_FREE if self.baseline else None,
            pruner=PRUNERS[self.pruner](self.epochs),
            open_record=open_record,
            description=self._description(dataset),
            **options,
        ).result

    def _description(self, dataset: Dataset) -> dict[str, Any]:
        """What the record says of the search besides its configuration."""
        return {
            "dataset": dataset.name,
            "task": dataset.task,
            "target": dataset.target,
            "preprocessor": self.preprocessor,
            "rows": len(dataset.X),
            "columns": dataset.X.shape[1],
            "hidden": list(self.hidden),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": self.optimizer,
        }
