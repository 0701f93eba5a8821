"""Data to learn from: a bundled data set or a table, prepared as X, y and a preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED, Task
from lrtune.tables.columns import Column, is_plain, notes_on
from lrtune.tables.inspection import describe_columns
from lrtune.tables.preprocessors import make_preprocessing
from lrtune.tables.reading import Table, read_table
from lrtune.tables.targets import find_target, read_target

__all__ = ["Dataset", "MIN_ROWS", "load_dataset"]

Array = npt.NDArray[Any]

MIN_ROWS = 8
"""Fewest rows that can be split and learned from."""


@dataclass(frozen=True)
class Dataset:
    """X, y and the preprocessing that X needs.

    Attributes
    ----------
    name : str
        The bundled name, or the file's name without its ending.
    X : ndarray of float64 or DataFrame, shape (n, n_features)
        An array, contiguous, if all columns are numbers without gaps; else floats, dates and
        texts, as `lrtune.tables.kinds` converts them.
    y : ndarray, shape (n,)
    target : str
        Name of the target's column.
    notes : tuple of str
        A sentence for all that was inferred, left out, filled in or encoded.
    columns : tuple of Column
        All columns but the target.
    preprocessing : transformer
        Unfitted; encodes X as numbers, and goes before the network.
    """

    name: str
    X: Array | pd.DataFrame
    y: Array
    task: Task
    target: str
    notes: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    preprocessing: Any = field(default_factory=StandardScaler)


def load_dataset(
    source: str,
    *,
    target: str | None = None,
    task: Literal["auto", "classification", "regression"] = "auto",
    separator: str | None = None,
    encoding: str | None = None,
    preprocessor: str = "sklearn",
) -> Dataset:
    """Load a bundled data set, or a table as `read_table` reads it.

    The target is the column of that name or position (from 0, or -1 from the end), by default the
    last. With the task "auto", texts, truth values and few whole numbers are taken for classes.

    >>> load_dataset("iris").X.shape
    (150, 4)
    """
    if source in BUNDLED:
        options = {"target": target, "separator": separator, "encoding": encoding}
        return _load_bundled(source, task, options)
    table = read_table(source, separator=separator, encoding=encoding)
    _require_size(table)
    frame = table.frame
    name, target_notes = find_target(list(frame.columns), target, table.source)
    labels = read_target(frame[name], task, table.source)
    features = frame.drop(columns=name).loc[labels.rows]
    if len(features) < MIN_ROWS:
        raise InvalidInputError(
            f"`data` must have at least {MIN_ROWS} rows to learn from, but of {table.source!r} "
            f"{len(features)} are left; {'; '.join(labels.notes)}: add rows"
        )
    columns, X = describe_columns(
        features, source=table.source, encodes_texts=preprocessor == "skrub"
    )
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
            *notes_on(columns),
            *_further_notes(columns, preprocessor),
        ),
        columns=columns,
        preprocessing=make_preprocessing(columns, preprocessor),
    )


def _require_size(table: Table) -> None:
    rows, columns = table.frame.shape
    if columns < 2 or rows < MIN_ROWS:
        raise InvalidInputError(
            f"`data` must have at least 2 columns and {MIN_ROWS} rows, but {table.source!r} has "
            f"{columns} and {rows}: add rows, or name the `separator` if columns were not found"
        )


def _further_notes(columns: Sequence[Column], preprocessor: str) -> list[str]:
    notes = []
    if any(c.used and c.name.startswith("Unnamed: ") for c in columns):
        notes.append(
            "a column without a name in the header is used as a feature: drop it if it only "
            "numbers the rows"
        )
    if preprocessor == "skrub" and is_plain(columns):
        notes.append("the columns are numbers without gaps, which skrub has nothing to do with")
    return notes


def _load_bundled(
    source: str,
    task: Literal["auto", "classification", "regression"],
    options: dict[str, str | None],
) -> Dataset:
    bundled = BUNDLED[source]
    for option, value in options.items():
        if value is not None:
            raise InvalidInputError(
                f"`{option}` must be left out for the bundled data {source!r}, but got {value!r}"
            )
    if task not in ("auto", bundled.task):
        raise InvalidInputError(
            f"`task` must be {bundled.task} for the bundled data {source!r}, but got {task}"
        )
    bunch = getattr(datasets, bundled.loader)()
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    columns = tuple(Column(str(name), "number") for name in bunch.feature_names)
    y = np.asarray(bunch.target)
    return Dataset(source, X, y, bundled.task, "target", columns=columns)
