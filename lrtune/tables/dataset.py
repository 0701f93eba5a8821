"""From a bundled name or a table to X, y and the preprocessing that they need."""

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
"""Fewer rows cannot be split and learned from."""


@dataclass(frozen=True)
class Dataset:
    """A table to learn from, and its target.

    Attributes
    ----------
    name : str
        The bundled name, or the file's name without its ending.
    X : ndarray of float64 or DataFrame, shape (n, n_features)
        An array, contiguous, if all columns are numbers without gaps; else floats, dates and
        texts, as `lrtune.tables.kinds` has them.
    y : ndarray of shape (n,)
    task : {"classification", "regression"}
    target : str
        Name of the target column.
    notes : tuple of str
        What was inferred rather than given, left out, filled in or encoded; one sentence each.
    columns : tuple of Column
        All but the target, and what becomes of each.
    preprocessing : transformer
        What makes numbers of X, not fitted: it goes before the network.
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
    """Load a bundled data set or a table.

    Parameters
    ----------
    source : str
        A key of `BUNDLED`, the path of a file that `read_table` reads, or ``-`` for standard input.
    target : str, optional
        The target's column, or its position from 0 (or -1, from the end); by default the last.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes text, booleans and whole numbers with few values for classes.
    separator, encoding : str, optional
        Of a text file; found if left out.
    preprocessor : {"sklearn", "skrub"}, default="sklearn"
        What makes numbers of columns that are none.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        If there is no such data, or nothing can be learned from the table.

    Examples
    --------
    >>> load_dataset("iris").X.shape
    (150, 4)
    """
    if source in BUNDLED:
        given = {"--target": target, "--separator": separator, "--encoding": encoding}
        return _load_bundled(source, task, given)
    table = read_table(source, separator=separator, encoding=encoding)
    _require_size(table)
    frame, notes = table.frame, list(table.notes)
    column, found = find_target(list(frame.columns), target, table.source)
    known = read_target(frame[column], task, table.source)
    features = frame.drop(columns=column).loc[known.rows]
    if len(features) < MIN_ROWS:
        raise InvalidInputError(
            f"DATA must have at least {MIN_ROWS} rows to learn from, but of {table.source!r} "
            f"{len(features)} are left; {'; '.join(known.notes)}"
        )
    columns, X = describe_columns(
        features, source=table.source, encodes_texts=preprocessor == "skrub"
    )
    notes += [*found, *known.notes, *notes_on(columns), *_other_notes(columns, preprocessor)]
    preprocessing = make_preprocessing(columns, preprocessor)
    return Dataset(table.name, X, known.y, known.task, column, tuple(notes), columns, preprocessing)


def _require_size(table: Table) -> None:
    rows, columns = table.frame.shape
    if columns < 2 or rows < MIN_ROWS:
        raise InvalidInputError(
            f"DATA must have at least 2 columns and {MIN_ROWS} rows, but {table.source!r} has "
            f"{columns} and {rows}: add rows, or name the --separator if columns were not found"
        )


def _other_notes(columns: Sequence[Column], preprocessor: str) -> list[str]:
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
    given: dict[str, str | None],
) -> Dataset:
    loader, natural_task = BUNDLED[source]
    for option, value in given.items():
        if value is not None:
            raise InvalidInputError(
                f"{option.lstrip('-')} must be left out for the bundled data {source!r}, but got "
                f"{value!r}"
            )
    if task not in ("auto", natural_task):
        raise InvalidInputError(
            f"task must be {natural_task} for the bundled data {source!r}, but got {task}"
        )
    bunch = getattr(datasets, loader)()
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    columns = tuple(Column(str(name), "number") for name in bunch.feature_names)
    y = np.asarray(bunch.target)
    return Dataset(source, X, y, natural_task, "target", columns=columns)
