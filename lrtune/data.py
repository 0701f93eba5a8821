"""From a bundled name or a CSV file to X and y."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets

from lrtune.exceptions import InvalidInputError

__all__ = [
    "BUNDLED",
    "Dataset",
    "LARGEST",
    "MAX_INTEGER_CLASSES",
    "MIN_ROWS",
    "MISSING",
    "TASKS",
    "load_dataset",
]

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]

TASKS: tuple[Task, ...] = ("classification", "regression")
MISSING = ("", "NaN", "nan")
"""What stands for a missing value; "NA" and "None" may well be classes."""
MIN_ROWS = 8
"""Fewer rows cannot be split and learned from."""
LARGEST = 1e30
"""Larger values cannot be standardised in single precision."""
MAX_INTEGER_CLASSES = 20
"""A whole-number target with at most so many values is taken for classes."""

BUNDLED: dict[str, tuple[Callable[..., Any], Task]] = {
    "breast_cancer": (datasets.load_breast_cancer, "classification"),
    "diabetes": (datasets.load_diabetes, "regression"),
    "digits": (datasets.load_digits, "classification"),
    "iris": (datasets.load_iris, "classification"),
    "wine": (datasets.load_wine, "classification"),
}


@dataclass(frozen=True)
class Dataset:
    """A numeric table and its target.

    Attributes
    ----------
    name : str
        The bundled name, or the file's name without its ending.
    X : ndarray of float64, shape (n, n_features)
    y : ndarray of shape (n,)
    task : {"classification", "regression"}
    target : str
        Name of the target column.
    notes : tuple of str
        What was inferred rather than given, one sentence each.
    """

    name: str
    X: Array
    y: Array
    task: Task
    target: str
    notes: tuple[str, ...] = ()


def load_dataset(
    source: str, *, target: str | None = None, task: Literal["auto", Task] = "auto"
) -> Dataset:
    """Load a bundled data set or a numeric CSV file.

    Parameters
    ----------
    source : str
        A key of `BUNDLED`, or the path of a CSV file with a header line.
    target : str, optional
        The target's column; by default the last.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes text, booleans and whole numbers with few values for classes.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        If there is no such data, or the table cannot be learned from as it is.

    Examples
    --------
    >>> load_dataset("iris").X.shape
    (150, 4)
    """
    if source in BUNDLED:
        return _load_bundled(source, target, task)
    table = _read_csv(Path(source))
    column, notes = _find_target(table, target, source)
    y, features = table[column], table.drop(columns=column)
    X = _numeric_features(features, source)
    if y.isna().any():
        raise InvalidInputError(
            f"the target must be known in every row, but column {column!r} of {source} lacks "
            f"{int(y.isna().sum())} of {len(y)} values: drop these rows first"
        )
    if task == "auto":
        task = _infer_task(y)
        notes.append(
            f"task: {task}, as column {column!r} holds {y.nunique()} different values of type "
            f"{y.dtype} (choose with --task)"
        )
    labels = _labels(y) if task == "classification" else _numeric_target(y, column, source)
    if any(str(name).startswith("Unnamed: ") for name in features):
        notes.append(
            "a column without a name in the header is used as a feature: drop it if it only "
            "numbers the rows"
        )
    return Dataset(Path(source).stem, X, labels, task, column, tuple(notes))


def _find_target(table: pd.DataFrame, target: str | None, source: str) -> tuple[str, list[str]]:
    if target is None:
        column = str(table.columns[-1])
        return column, [f"target: column {column!r}, the last (choose another with --target)"]
    if target not in table.columns:
        raise InvalidInputError(
            f"target must be a column of {source}, but got {target!r}; its columns are "
            f"{_listed(table.columns)}"
        )
    return target, []


def _numeric_target(y: pd.Series[Any], column: str, source: str) -> Array:
    if not pd.api.types.is_numeric_dtype(y):
        raise InvalidInputError(
            f"the target of a regression must be numeric, but column {column!r} of {source} "
            f"holds {y.iloc[0]!r}: name another --target or --task classification"
        )
    values = y.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise InvalidInputError(
            f"the target must be finite, but column {column!r} of {source} holds infinities"
        )
    _require_ordinary(values, f"the target column {column!r} of {source}")
    if np.ptp(values) == 0:
        raise InvalidInputError(
            f"the target must vary, but column {column!r} of {source} holds {values[0]} in every "
            "row: name another --target"
        )
    return values


def _load_bundled(source: str, target: str | None, task: Literal["auto", Task]) -> Dataset:
    load, natural_task = BUNDLED[source]
    if target is not None:
        raise InvalidInputError(
            f"target must be left out for the bundled data {source!r}, but got {target!r}"
        )
    if task not in ("auto", natural_task):
        raise InvalidInputError(
            f"task must be {natural_task} for the bundled data {source!r}, but got {task}"
        )
    X, y = load(return_X_y=True)
    return Dataset(source, np.asarray(X, dtype=np.float64), np.asarray(y), natural_task, "target")


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InvalidInputError(
            f"DATA must be one of {', '.join(BUNDLED)} or a CSV file, but {str(path)!r} is neither"
        )
    try:
        with warnings.catch_warnings():
            # a line with more fields than the header would lose them
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False, keep_default_na=False, na_values=MISSING)
    except pd.errors.ParserWarning as error:
        raise InvalidInputError(
            f"every line must have as many fields as the header, but lines of {str(path)!r} have "
            "more: name the further columns in the header, or take them out"
        ) from error
    except (
        OSError,
        UnicodeDecodeError,
        pd.errors.EmptyDataError,
        pd.errors.ParserError,
    ) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"DATA must be a readable CSV file with a header line, but reading {str(path)!r} "
            f"gave: {reason}"
        ) from error
    if all(_is_number(name) for name in table.columns):
        raise InvalidInputError(
            f"DATA must have a header line, but the first line of {str(path)!r} is all numbers: "
            "name the columns there"
        )
    if table.shape[1] < 2 or len(table) < MIN_ROWS:
        raise InvalidInputError(
            f"DATA must have at least 2 columns separated by commas and {MIN_ROWS} rows, but "
            f"{str(path)!r} has {table.shape[1]} and {len(table)}"
        )
    return table


def _numeric_features(features: pd.DataFrame, source: str) -> Array:
    for name, column in features.items():
        if not pd.api.types.is_numeric_dtype(column):
            raise InvalidInputError(
                f"columns must be numeric, but column {name!r} of {source} holds "
                f"{column.dropna().iloc[0] if column.notna().any() else None!r}: "
                "drop it or encode it as numbers first"
            )
        values = column.to_numpy(dtype=np.float64)
        missing = int((~np.isfinite(values)).sum())
        if missing:
            raise InvalidInputError(
                f"columns must be complete and finite, but column {name!r} of {source} has "
                f"{missing} missing or infinite values: fill them in or drop these rows first"
            )
        _require_ordinary(values, f"column {name!r} of {source}")
    return np.ascontiguousarray(features.to_numpy(dtype=np.float64))


def _require_ordinary(values: Array, where: str) -> None:
    largest = float(np.abs(values).max())
    if largest > LARGEST:
        raise InvalidInputError(
            f"values must be at most {LARGEST:g} in size, but {where} holds {largest:g}: "
            "express it in a larger unit"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _infer_task(y: pd.Series[Any]) -> Task:
    if not pd.api.types.is_numeric_dtype(y) or pd.api.types.is_bool_dtype(y):
        return "classification"
    whole = bool((y == y.round()).all())
    return "classification" if whole and y.nunique() <= MAX_INTEGER_CLASSES else "regression"


def _labels(y: pd.Series[Any]) -> Array:
    """Classes as integers, booleans or text; scikit-learn takes fractions for a regression."""
    if pd.api.types.is_float_dtype(y):
        whole = bool((y == y.round()).all())
        return np.asarray(y.astype(np.int64) if whole else y.astype(str).to_numpy(dtype=object))
    return np.asarray(
        y.to_numpy() if pd.api.types.is_numeric_dtype(y) else y.astype(str).to_numpy()
    )


def _listed(names: Any, most: int = 8) -> str:
    shown = ", ".join(repr(str(name)) for name in list(names)[:most])
    return shown + (", …" if len(names) > most else "")
