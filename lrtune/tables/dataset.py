"""Training data from a bundled data set or a table: X, y and a preprocessing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from lrtune.exceptions import InvalidInputError
from lrtune.tables.arrangement import arrange
from lrtune.tables.bundled import BUNDLED, Task
from lrtune.tables.columns import Column, is_plain, notes_on
from lrtune.tables.hints import hints_on
from lrtune.tables.inspection import describe_columns
from lrtune.tables.leaks import mark_leaks
from lrtune.tables.overrides import Overrides
from lrtune.tables.preprocessors import make_preprocessing
from lrtune.tables.reading import Table, read_table
from lrtune.tables.targets import Target, find_target, read_target

Array = npt.NDArray[Any]

MIN_ROWS = 8
"""Fewest rows that can be split and trained on."""
LEAST_SPREAD = 1e-60
"""Least standard deviation of a target of numbers: squares of its squared errors must not be 0."""


@dataclass(frozen=True)
class Dataset:
    """X ``(n, n_features)``, y ``(n,)`` and the preprocessing that X needs."""

    name: str
    """The bundled name, or the file's name without its extension."""
    X: Array | pd.DataFrame
    """A contiguous float64 array if all columns are complete and numeric, else a DataFrame."""
    y: Array
    task: Task
    target: str
    """Name of the target column."""
    notes: tuple[str, ...] = ()
    """A sentence on each thing that was inferred, left out, filled in or encoded."""
    columns: tuple[Column, ...] = ()
    """All columns except the target."""
    preprocessing: Any = field(default_factory=StandardScaler)
    """Unfitted transformer of X to numbers."""
    groups: Array | None = None
    """Number of each row's group, if rows of one group belong together."""
    times: Array | None = None
    """Number of each row's time, in ascending order, if rows are ordered by it."""


def load_dataset(
    source: str,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    separator: str | None = None,
    encoding: str | None = None,
    skip_lines: int | None = None,
    header: bool = True,
    missing: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    preprocessor: str = "sklearn",
    group: str | None = None,
    time: str | None = None,
) -> Dataset:
    """Load a bundled data set, or a table as `read_table` reads it.

    `target` is a column's name or position (negative from the end), by default the last column.
    With the task "auto", texts, booleans and few different integers are treated as classes.
    `columns` names the kinds of columns, each one of `lrtune.tables.overrides.KIND_NAMES`, in place
    of those that their values suggest. `group` or `time` names a column that says which rows belong
    together, or which are later; it is not a feature.

    >>> load_dataset("iris").X.shape
    (150, 4)
    """
    return load_table(
        source,
        target=target,
        task=task,
        separator=separator,
        encoding=encoding,
        skip_lines=skip_lines,
        header=header,
        missing=missing,
        columns=columns,
        preprocessor=preprocessor,
        group=group,
        time=time,
    )[0]


def load_table(source: str, **options: Any) -> tuple[Dataset, pd.DataFrame]:
    """Return what `load_dataset` returns, and the whole table as it was read."""
    of_table = {name: options.pop(name) for name in _OF_DATASET if name in options}
    if source in BUNDLED:
        named = {name: of_table.get(name) for name in ("target", "columns", "group", "time")}
        given = {**named, **options}
        dataset = _load_bundled(source, of_table.get("task", "auto"), given)
        names = [column.name for column in dataset.columns]
        frame = pd.DataFrame(dataset.X, columns=names).assign(**{dataset.target: dataset.y})
        return dataset, frame
    overrides = Overrides(dict(of_table.get("columns") or {}))
    table = read_table(source, texts=overrides.texts, **options)
    return make_dataset(table, **of_table), table.frame


_OF_DATASET = ("target", "task", "columns", "preprocessor", "group", "time")
"""Options of `load_dataset` that say what to make of a table; the others say how to read it."""


def make_dataset(
    table: Table,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    columns: Mapping[str, str] | None = None,
    preprocessor: str = "sklearn",
    group: str | None = None,
    time: str | None = None,
) -> Dataset:
    """Return the data set in a table that was read; the arguments are those of `load_dataset`."""
    overrides = Overrides(dict(columns or {}))
    _require_size(table)
    frame = table.frame
    overrides.require_columns(list(frame.columns), table.source)
    name, target_notes = find_target(list(frame.columns), target, table.source)
    arranged = arrange(
        frame,
        name,
        group=group,
        time=time,
        source=table.source,
        decimal=table.decimal,
        overrides=overrides,
    )
    frame = arranged.frame
    labels = read_target(
        frame[name], task, table.source, decimal=table.decimal, overrides=overrides
    )
    features = frame.drop(columns=name).loc[labels.rows]
    if len(features) < MIN_ROWS:
        raise InvalidInputError(
            f"`data` must have at least {MIN_ROWS} rows to train on, but of {table.source!r} "
            f"{len(features)} are left; {'; '.join(labels.notes)}: add rows"
        )
    described, X = describe_columns(
        features,
        source=table.source,
        encodes_texts=preprocessor == "skrub",
        decimal=table.decimal,
        overrides=overrides,
    )
    _refuse_tiny_target(labels, f"column {name!r} of {table.source}")
    groups, times = arranged.of_rows(labels.rows)
    hints = () if group or time else hints_on(features, described, labels)
    described = tuple(replace(each, gaps=(*table.missing, *each.gaps)) for each in described)
    described = mark_leaks(described, X, labels.y, labels.task)
    return Dataset(
        name=table.name,
        X=X,
        y=labels.y,
        task=labels.task,
        target=name,
        notes=(
            *table.notes,
            *target_notes,
            *labels.notes,
            *notes_on(described),
            *_further_notes(described, preprocessor),
            *arranged.notes,
            *hints,
        ),
        columns=described,
        preprocessing=make_preprocessing(described, preprocessor, target_type=_target_type(labels)),
        groups=groups,
        times=times,
    )


def _target_type(labels: Target) -> str:
    """Return the type of a target as scikit-learn's TargetEncoder names it."""
    if labels.task == "regression":
        return "continuous"
    return "binary" if len(np.unique(labels.y)) == 2 else "multiclass"


def _require_size(table: Table) -> None:
    rows, columns = table.frame.shape
    if columns < 2 or rows < MIN_ROWS:
        raise InvalidInputError(
            f"`data` must have at least 2 columns and {MIN_ROWS} rows, but {table.source!r} has "
            f"{columns} and {rows}: add rows, or name the `separator` if columns were not found"
        )


def _refuse_tiny_target(labels: Target, where: str) -> None:
    with np.errstate(under="ignore"):
        spread = float(np.std(labels.y)) if labels.task == "regression" else math.inf
    if spread < LEAST_SPREAD:
        raise InvalidInputError(
            f"the target must vary by at least {LEAST_SPREAD:g}, but {where} holds "
            f"{labels.y.min():g} to {labels.y.max():g}: express it in a smaller unit"
        )


def _further_notes(columns: Sequence[Column], preprocessor: str) -> list[str]:
    notes = []
    if any(c.used and c.name.startswith("Unnamed: ") for c in columns):
        notes.append(
            "a column without a name in the header is used as a feature: drop it if it only "
            "numbers the rows"
        )
    if preprocessor == "skrub" and is_plain(columns):
        notes.append("the columns are numbers without gaps, for which skrub is not needed")
    return notes


def _load_bundled(
    source: str,
    task: Literal["auto", "classification", "regression"],
    options: Mapping[str, Any],
) -> Dataset:
    for option, value in options.items():
        is_given = not value if option == "header" else value not in (None, (), [], {})
        if is_given:
            name = "`header=False`" if option == "header" else f"`{option}`"
            raise InvalidInputError(
                f"{name} must be left out for the bundled data {source!r}, but got {value!r}"
            )
    if task not in ("auto", BUNDLED[source]):
        raise InvalidInputError(
            f"`task` must be {BUNDLED[source]} for the bundled data {source!r}, but got {task}"
        )
    bunch = getattr(datasets, f"load_{source}")()
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    columns = tuple(Column(str(name), "number") for name in bunch.feature_names)
    y = np.asarray(bunch.target)
    return Dataset(source, X, y, BUNDLED[source], "target", columns=columns)
