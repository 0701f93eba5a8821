"""From a bundled name or a CSV file to X, y and replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from lrtune.exceptions import InvalidInputError

__all__ = [
    "BUNDLED",
    "Dataset",
    "MAX_INTEGER_CLASSES",
    "Replicate",
    "TASKS",
    "VALIDATION_FRACTION",
    "load_dataset",
    "make_replicates",
]

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]

TASKS: tuple[Task, ...] = ("classification", "regression")
VALIDATION_FRACTION = 0.25
"""Share of the rows that a replicate validates with."""
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


@dataclass(frozen=True)
class Replicate:
    """One seed of everything random: the split, the initial weights, the shuffling.

    Attributes
    ----------
    train, validation : ndarray of int
        Row indices.
    seed : int
        Of initial weights and shuffling.
    """

    train: Array
    validation: Array
    seed: int


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
    path = Path(source)
    table = _read_csv(path)
    if target is None:
        column = str(table.columns[-1])
        notes = [f"target: column {column!r}, the last (choose another with --target)"]
    elif target in table.columns:
        column, notes = target, []
    else:
        raise InvalidInputError(
            f"target must be a column of {source}, but got {target!r}; its columns are "
            f"{_listed(table.columns)}"
        )
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
    if task == "regression" and not pd.api.types.is_numeric_dtype(y):
        raise InvalidInputError(
            f"the target of a regression must be numeric, but column {column!r} of {source} "
            f"holds {y.iloc[0]!r}: name another --target or --task classification"
        )
    labels = y.to_numpy(dtype=np.float64) if task == "regression" else _labels(y)
    if task == "regression" and not np.isfinite(labels).all():
        raise InvalidInputError(
            f"the target must be finite, but column {column!r} of {source} holds infinities"
        )
    return Dataset(path.stem, X, labels, task, column, tuple(notes))


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
        table = pd.read_csv(path)
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
    if table.shape[1] < 2 or len(table) < 1:
        raise InvalidInputError(
            "DATA must have at least two columns separated by commas and one row, but "
            f"{str(path)!r} has {table.shape[1]} columns and {len(table)} rows"
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
        missing = int((~np.isfinite(column.to_numpy(dtype=np.float64))).sum())
        if missing:
            raise InvalidInputError(
                f"columns must be complete and finite, but column {name!r} of {source} has "
                f"{missing} missing or infinite values: fill them in or drop these rows first"
            )
    return np.ascontiguousarray(features.to_numpy(dtype=np.float64))


def _infer_task(y: pd.Series[Any]) -> Task:
    if not pd.api.types.is_numeric_dtype(y) or pd.api.types.is_bool_dtype(y):
        return "classification"
    whole = bool((y == y.round()).all())
    return "classification" if whole and y.nunique() <= MAX_INTEGER_CLASSES else "regression"


def _labels(y: pd.Series[Any]) -> Array:
    return np.asarray(
        y.to_numpy() if pd.api.types.is_numeric_dtype(y) else y.astype(str).to_numpy()
    )


def _listed(names: Any, most: int = 8) -> str:
    shown = ", ".join(repr(str(name)) for name in list(names)[:most])
    return shown + (", …" if len(names) > most else "")


def make_replicates(
    y: Array,
    n_replicates: int,
    *,
    task: Task,
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
) -> tuple[Replicate, ...]:
    """Draw replicates: each its own split (stratified for classes) and its own seed.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Target.
    n_replicates : int
        R.
    task : {"classification", "regression"}
    seed : int, default=0
        Replicate r depends on the seed and r alone, not on R.
    validation_fraction : float, default=0.25
        Share of the rows to validate with.

    Returns
    -------
    tuple of Replicate

    Raises
    ------
    InvalidInputError
        If there are too few rows, or a class has too few, to split.

    Examples
    --------
    >>> first, second = make_replicates(np.arange(8.0), 2, task="regression")
    >>> len(first.train), len(first.validation), first.seed != second.seed
    (6, 2, True)
    """
    if n_replicates < 1:
        raise InvalidInputError(f"replicates must be at least 1, but got {n_replicates}")
    if task == "classification":
        classes, counts = np.unique(y, return_counts=True)
        if len(classes) < 2:
            raise InvalidInputError(
                f"the target must have at least 2 classes, but got {len(classes)}: name another "
                "--target, or --task regression"
            )
        if counts.min() < 2:
            raise InvalidInputError(
                f"every class must have at least 2 rows, but class "
                f"{classes[counts.argmin()]!r} has {counts.min()}: drop it or merge it with another"
            )
    stratify = y if task == "classification" else None
    replicates = []
    for child in np.random.SeedSequence(seed).spawn(n_replicates):
        split_seed, model_seed = (int(word) for word in child.generate_state(2))
        try:
            train, validation = train_test_split(
                np.arange(len(y)),
                test_size=validation_fraction,
                random_state=split_seed,
                stratify=stratify,
            )
        except ValueError as error:
            raise InvalidInputError(
                f"the table must have enough rows to hold out {validation_fraction:.0%} of them, "
                f"but with {len(y)} rows: {error}"
            ) from error
        replicates.append(Replicate(train, validation, model_seed))
    return tuple(replicates)
