"""The search of lrtune's network on a table, as ``lrtune search`` and its workers run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.pipeline import make_pipeline

from lrtune.estimators import MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError
from lrtune.tables.dataset import Dataset, load_dataset
from lrtune.tables.metrics import require_metric
from lrtune.tuning.confirm.budget import Split, split_budget
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.schema import DataFacts, Request
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.sampling.competitive import PRUNERS
from lrtune.tuning.search import REFERENCE, Budget, Recording, search
from lrtune.tuning.setting import LEARNING_RATE_FREE
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.metrics import metric_objective, positive_class
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.splitting import RowSplit, make_split

TRAININGS = 256
"""Trainings of a search if neither their number nor that of the trials is given."""
STANDARD_INPUT = "-"
"""Data argument that reads a table from standard input."""


def read_request(record: Record, data: str | None = None) -> Request:
    """Read the request of a search from its record, for a worker.

    `data` is the place of its data on this machine, if it differs.

    Raises
    ------
    InvalidInputError
        If the study has no request, or its data came from standard input and `data` is None.
    """
    request = record.read(Request)
    if request is None:
        raise InvalidInputError(
            f"a worker helps with a study that lrtune search made, but {record.name!r} in "
            f"{record.storage} does not say what to train: start it with lrtune search"
        )
    # a range test on this machine may round differently
    request = replace(
        request, alpha0=read_facts(record.study).space.rates, data=data or request.data
    )
    if request.data == STANDARD_INPUT:
        raise InvalidInputError(
            f"the data of study {record.name!r} came from standard input: name a file that holds "
            "them with `data`"
        )
    return request


def with_path(request: Request) -> Request:
    """Return the request with its data file's absolute path."""
    path = Path(request.data)
    return replace(request, data=str(path.resolve())) if path.is_file() else request


def load(request: Request) -> Dataset:
    """Load the table of a request.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or the metric or the class weight is none of its task.
    """
    dataset = load_dataset(
        request.data,
        target=request.target,
        task=request.task,
        preprocessor=request.preprocessor,
        **request.reading,
        group=request.group,
        time=request.time,
    )
    require_metric(request.metric, dataset.task)
    if request.class_weight is not None and dataset.task != "classification":
        raise InvalidInputError(
            f"`class_weight` is for a classification, but got {request.class_weight!r} for the "
            f"{dataset.task} of {dataset.target!r}: leave it out"
        )
    positive = positive_class(request.metric, dataset.y)
    if positive is None:
        return dataset
    note = f"metric: {request.metric} of class {str(positive)!r}"
    return replace(dataset, notes=(*dataset.notes, note))


def split_of(dataset: Dataset) -> RowSplit:
    """Return the function that splits the rows of a table, by its groups or times if it has any."""
    return make_split(dataset.y, task=dataset.task, groups=dataset.groups, times=dataset.times)


def make_network(request: Request, dataset: Dataset) -> Any:
    """Return the dataset's preprocessing and the untuned network in a pipeline."""
    options: dict[str, Any] = {
        "optimizer": request.optimizer,
        "batch_size": request.batch_size,
        "max_iter": request.epochs,
        "dtype": "float32",
    }
    if dataset.task == "classification":
        weights = request.class_weight
        network: Any = MLPClassifier(request.hidden, class_weight=weights, **options)
    else:
        network = MLPRegressor(request.hidden, **options)
    return make_pipeline(dataset.preprocessing, network)


def split_request(request: Request) -> Split:
    """Return the trials, replicates and confirmation that a request pays for."""
    replicates = request.replicates
    if replicates is None and request.pruner != "none":  # which cannot know replicates
        replicates = REFERENCE
    return split_budget(
        TRAININGS if request.trainings is None and request.trials is None else request.trainings,
        request.trials,
        replicates,
        n_others=1 + request.baseline,
        confirm=request.confirm,
    )


def search_table(
    request: Request,
    dataset: Dataset,
    *,
    recording: Recording,
    timeout: float | None = None,
    audit_share: float | None = None,
    n_jobs: int | None = None,
    worker: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> SearchResult:
    """Run a requested search; further arguments are those of `search`, `Budget` and `Sampling`."""
    split = split_request(request)
    budget = Budget(
        split.n_trials,
        split.replicates,
        timeout,
        request.confirm,
        baseline=LEARNING_RATE_FREE if request.baseline else None,
        audit_share=audit_share,
        confirmation=split.confirmation,
    )
    network = make_network(request, dataset)
    objective = metric_objective(request.metric, network, dataset.y, dataset.task)
    trainer = NetworkTrainer.on_random_splits(
        network,
        dataset.X,
        dataset.y,
        split.replicates or REFERENCE,
        seed=request.seed,
        split=split_of(dataset),
        objective=objective,
        n_jobs="auto" if n_jobs is None and not worker else n_jobs,
    )
    space = Space.default(
        request.epochs,
        learning_rate_init=request.alpha0,
        decay=request.decays,
        decay_rate=request.decay_rate,
    )
    rows, columns = dataset.X.shape
    facts = DataFacts(
        dataset.name,
        dataset.target,
        request.preprocessor,
        rows,
        columns,
        reading=request.reading,
        group=request.group,
        time=request.time,
    )
    return search(
        trainer,
        space,
        budget=budget,
        sampling=Sampling(
            request.seed, pruner=PRUNERS[request.pruner](request.epochs), worker=worker
        ),
        data=facts,
        scoring=None if objective is None else objective.name,
        recording=recording,
        on_progress=on_progress,
    )
