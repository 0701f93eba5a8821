"""Further scores of what a search on a table recommends: balanced accuracy, and on a test table."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import (
    DivergenceWarning,
    InvalidInputError,
    NothingCompletedError,
    RecordLostError,
)
from lrtune.tables.apply import read_rows
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import Dataset, load_dataset
from lrtune.tables.kinds import as_numbers, as_texts, find_kind
from lrtune.tables.metrics import LOSS
from lrtune.tables.reading import read_table
from lrtune.tables.wording import listed
from lrtune.training.population import Population
from lrtune.tuning.confirm.clock import Clock
from lrtune.tuning.confirm.errors import standard_error
from lrtune.tuning.confirm.judge import LEAST_MEASURED
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Balance, FinalTest, Request
from lrtune.tuning.result import SearchResult
from lrtune.tuning.table_search import STANDARD_INPUT, make_network, split_of
from lrtune.tuning.trainers.metrics import metric_objective
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import Control, train_all
from lrtune.tuning.trainers.replicates import draw_replicates

Array = npt.NDArray[Any]

MOST = 0.8
"""A class with a larger share of the rows than this makes an accuracy say little."""
BALANCE_REPLICATES = 8
"""Fresh replicates that a balanced accuracy is measured on."""
FIRST_FRESH = 1_000_000
"""Number of the first of them, far above those of searches and confirmations."""


# --- balanced accuracy ----------------------------------------------------------------------------


def measure_balance(
    result: SearchResult, request: Request, dataset: Dataset, *, deadline: float = math.inf
) -> Balance | None:
    """Measure the balanced accuracy of the recommended setting on fresh replicates.

    It is None where the accuracy is no bad measure, or the search was for another metric. Only as
    many replicates are trained on as the time before the deadline allows.
    """
    if dataset.task != "classification" or request.metric not in (LOSS, "accuracy"):
        return None
    counts = np.unique(dataset.y, return_counts=True)[1]
    share = float(counts.max() / counts.sum())
    if share <= MOST and not (result.score is not None and result.score <= share):
        return None
    if not request.confirm:  # the user asked for no further trainings
        return Balance(share, len(counts), None, None, 0)
    network = make_network(request, dataset)
    drawn = draw_replicates(
        dataset.y,
        task=dataset.task,
        seed=request.seed,
        first=FIRST_FRESH,
        split=split_of(dataset),
    )
    objective = metric_objective("balanced_accuracy", network, dataset.y, dataset.task)
    assert objective is not None  # noqa: S101
    clock = Clock(deadline, least=_seconds_each(result))
    values: list[float] = []
    for replicate in islice(drawn, BALANCE_REPLICATES):
        if not clock.allows(1):
            break
        begun = time.monotonic()
        trainer = NetworkTrainer(network, dataset.X, dataset.y, (replicate,), objective=objective)
        (outcome,) = train_all(trainer, [result.best], [0], Control(metrics=True))
        clock.count(1, time.monotonic() - begun)
        scores = outcome.metrics.get(objective.metric) if outcome.is_complete else None
        if scores is None or not np.isfinite(scores).all():
            return Balance(share, len(counts), None, None, len(values) + 1)
        values += scores.tolist()
    if len(values) < LEAST_MEASURED:
        return Balance(share, len(counts), None, None, 0)
    mean, se = float(np.mean(values)), standard_error(np.asarray(values))
    return Balance(share, len(counts), mean, se, len(values))


def _seconds_each(result: SearchResult) -> float:
    """Return about how long one of the search's trainings took."""
    return result.seconds.search / max(1, result.trainings["search"] or 1)


# --- a further table ------------------------------------------------------------------------------


@dataclass(frozen=True)
class TestTable:
    """Rows of a further table, read as the training table was, with their target."""

    __test__ = False  # no class of tests

    file: str
    X: Array | pd.DataFrame
    y: Array
    notes: tuple[str, ...] = ()


def read_test(source: str, request: Request, dataset: Dataset) -> TestTable:
    """Read a further table with the columns and the target of the training table.

    Rows without a target are left out.

    Raises
    ------
    InvalidInputError
        If it cannot be read, lacks a column, or holds no target that the network can predict.
    """
    if source == STANDARD_INPUT:
        raise InvalidInputError(
            "`test` must be a file, as it is read more than once, but got standard input: save it "
            "to a file"
        )
    try:
        return _read_test(source, request, dataset)
    except InvalidInputError as error:
        raise InvalidInputError(f"`test`: {error}") from error


def _read_test(source: str, request: Request, dataset: Dataset) -> TestTable:
    reading = {name: value for name, value in request.reading.items() if name != "columns"}
    decimal = ""
    if source in BUNDLED:
        bundled = load_dataset(source)
        frame = pd.DataFrame({bundled.target: bundled.y})
    else:
        texts = (dataset.target,) if dataset.task == "classification" else ()
        table = read_table(source, texts=texts, **reading)
        frame, decimal = table.frame, table.decimal
    if dataset.target not in frame.columns:
        raise InvalidInputError(
            f"the table must have the target column {dataset.target!r}, but {source} lacks it: it "
            f"has {listed(list(frame.columns))}"
        )
    X, notes = read_rows(source, dataset.columns, None, **reading)
    known = {dataset.target, request.group, request.time, *(c.name for c in dataset.columns)}
    further = [name for name in frame.columns if name not in known]
    notes = tuple(note for note in notes if not note.startswith("columns ignored: "))
    if further:
        notes += (f"columns ignored: {listed(further)}",)
    y, rows = _read_target(frame[dataset.target], dataset, source, decimal)
    if not rows.all():
        notes = (
            *notes,
            f"{int((~rows).sum())} of {len(rows)} rows left out, as column {dataset.target!r} has "
            "no value there",
        )
    return TestTable(source, X[rows], y, tuple(f"test: {note}" for note in notes))


def _read_target(
    values: pd.Series[Any], dataset: Dataset, source: str, decimal: str
) -> tuple[Array, Array]:
    """Return the target as in the training table, of the rows that have one, and their mask."""
    column = dataset.target
    if dataset.task == "regression":
        values = as_numbers(values, find_kind(values, decimal=decimal).numbers)
    rows = values.notna().to_numpy()
    if not rows.any():
        raise InvalidInputError(
            f"the table must have values to predict, but column {column!r} of {source} has none"
        )
    if dataset.task == "regression":
        return values.to_numpy(dtype=np.float64)[rows], rows
    classes = np.unique(dataset.y)
    named = {str(each): each for each in classes}
    folded = {name.casefold(): each for name, each in named.items()}
    if len(folded) < len(named):  # classes that differ in case alone are named exactly
        folded = {}
    numbers = {float(each): each for each in classes} if classes.dtype.kind in "iuf" else {}
    found = [_find(str(each), named, folded, numbers) for each in as_texts(values[rows])]
    unknown = [text for text, each in zip(values[rows], found, strict=True) if each is None]
    if unknown:
        raise InvalidInputError(
            f"the classes must be those of the training table, but column {column!r} of {source} "
            f"holds {listed(sorted(set(map(str, unknown))))}: leave these rows out, or add such "
            "rows to train on"
        )
    return np.asarray(found, dtype=dataset.y.dtype), rows


def _find(text: str, *classes: Mapping[Any, Any]) -> Any:
    """Return the class of a text, by its name, its letters or its number; None if there is none."""
    named, folded, numbers = classes
    if text in named or text.casefold() in folded:
        return named.get(text, folded.get(text.casefold()))
    try:
        return numbers.get(float(text))
    except ValueError:
        return None


def fit_recommended(result: SearchResult, request: Request, dataset: Dataset) -> Any:
    """Return the network with the recommended setting, trained on all rows.

    Raises
    ------
    NothingCompletedError
        If that training diverges.
    """
    model = make_network(request, dataset)
    model[-1].set_params(**result.best_params, random_state=request.seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DivergenceWarning)
            model.fit(dataset.X, dataset.y)
    except DivergenceWarning as error:
        raise NothingCompletedError(f"on all rows {error}") from error
    return model


def score_test(model: Any, table: TestTable, request: Request, dataset: Dataset) -> FinalTest:
    """Score a trained network on a further table."""
    X = table.X
    if isinstance(X, np.ndarray) and hasattr(model, "feature_names_in_"):
        X = pd.DataFrame(X, columns=model.feature_names_in_)
    objective = metric_objective(request.metric, model, dataset.y, dataset.task)
    metric_score = None
    if objective is not None:
        metric_score = _finite(objective.scorers(model, X, table.y)[objective.metric])
    score = None
    if dataset.task == "classification" or len(table.y) > 1:  # R² of one row has no value
        score = _finite(float(model.score(X, table.y)))
    return FinalTest(
        file=table.file,
        rows=len(table.y),
        loss=_finite(_loss(model, X, table.y)),
        score=score,
        metric=None if objective is None else objective.name,
        metric_score=metric_score,
    )


def _loss(model: Any, X: Any, y: Array) -> float:
    """Return the loss of a trained pipeline as a validation measures it, weights of classes too."""
    network = model[-1]
    rows = network.encode(model[:-1].transform(X), y)
    population = Population(network._network, network.make_optimizer(), network._parameters)
    return float(population.evaluate(rows)[0]) * float(network.loss_unit)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


# --- both -----------------------------------------------------------------------------------------


def with_scores(
    result: SearchResult,
    request: Request,
    dataset: Dataset,
    *,
    test: TestTable | None,
    fit: Callable[[], Any],
    deadline: float = math.inf,
) -> SearchResult:
    """Return a result with its balanced accuracy, where it matters, and the scores of a test.

    `fit` returns what `fit_recommended` does. The balanced accuracy is measured before the
    deadline, or left out.
    """
    scored = None
    if test is not None:
        try:
            scored = score_test(fit(), test, request, dataset)
        except NothingCompletedError as error:
            scored = FinalTest(test.file, len(test.y), failure=str(error))
    balance = measure_balance(result, request, dataset, deadline=deadline)
    return replace(result, balance=balance, test=scored)


def record_scores(result: SearchResult, storage: str) -> None:
    """Write these scores to the study's record, in place of those of an earlier run."""
    if result.study is None:
        return
    with suppress(RecordLostError):  # the record then lacks these alone
        record = Record.look(storage, result.study)
        for kind, fact in ((Balance, result.balance), (FinalTest, result.test)):
            if fact is not None or record.read_json(kind.KEY) is not None:
                record.write_json(kind.KEY, None if fact is None else fact.to_json())
