"""The column to predict: which it is, which task it sets, and rows that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import Task
from lrtune.tables.columns import listed
from lrtune.tables.inspection import SIGNS, require_ordinary
from lrtune.tables.kinds import (
    PLACEHOLDERS,
    as_numbers,
    as_texts,
    find_thousands,
    is_boolean,
    is_numeric,
)

__all__ = ["MAX_INTEGER_CLASSES", "TASKS", "Target", "find_target", "read_target"]

Array = npt.NDArray[Any]
Series = pd.Series

TASKS: tuple[Task, ...] = ("classification", "regression")
MAX_INTEGER_CLASSES = 20
"""A whole-number target with at most so many values is taken for classes."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes
    ----------
    y : ndarray
        Numbers, or classes as they are called in the table.
    task : {"classification", "regression"}
    rows : ndarray of bool
        Which rows of the table can be used; `y` holds these.
    notes : tuple of str
        What was inferred and left out, one sentence each.
    """

    y: Array
    task: Task
    rows: Array
    notes: tuple[str, ...]


def find_target(
    columns: Sequence[str], target: str | None, source: str = "the table"
) -> tuple[str, tuple[str, ...]]:
    """The target's column and a note on how it was found.

    Parameters
    ----------
    columns : sequence of str
    target : str, optional
        A name, or a position from 0 or, from the end, from -1; by default the last column.
    source : str
        As messages name it.

    Raises
    ------
    InvalidInputError
        If there is no such column.

    Examples
    --------
    >>> find_target(["a", "b"], "0")
    ('a', ("target: column 'a', at position 0",))
    """
    names = list(columns)
    if target is None:
        return names[-1], (f"target: column {names[-1]!r}, the last (choose with --target)",)
    place = _position(target)
    if target in names:
        both = place is not None and -len(names) <= place < len(names)
        return target, (
            (f"target: the column named {target!r}, not the one at that position",) if both else ()
        )
    if place is None or not -len(names) <= place < len(names):
        raise InvalidInputError(
            f"target must be a column of {source}, or a position from 0 to {len(names) - 1}, but "
            f"got {target!r}; its columns are {listed(names)}"
        )
    return names[place], (f"target: column {names[place]!r}, at position {place}",)


def _position(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def read_target(
    values: Series[Any],
    task: Literal["auto", "classification", "regression"] = "auto",
    source: str = "the table",
) -> Target:
    """Classes or numbers from the target's column.

    Rows without a value are left out, and so are classes with a single row, which cannot be both
    trained on and validated with.

    Parameters
    ----------
    values : Series
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" takes text, booleans and whole numbers with few values for classes.
    source : str
        As messages name it.

    Raises
    ------
    InvalidInputError
        If nothing can be learned from it.

    Examples
    --------
    >>> target = read_target(pd.Series(["5", "7", None, "5", "7"], name="y"))
    >>> target.y, target.task
    (array([5, 7, 5, 7]), 'classification')
    >>> target.notes[0]
    "target: 1 of 5 rows left out, as column 'y' has no value there"
    """
    column, notes = values.name, []
    thousands = find_thousands(values)
    if thousands:
        read = as_numbers(values, thousands)
        values = read.astype(object).where(read.notna(), values)
        notes.append(f"target: {SIGNS[thousands]} taken for thousands separators")
    if is_numeric(values, share=1) and not _is_exact(values):
        values = as_numbers(values)
    rows = values.notna().to_numpy(copy=True)
    if not rows.all():
        notes.append(
            f"target: {int((~rows).sum())} of {len(rows)} rows left out, as column {column!r} has "
            "no value there"
        )
    if not rows.any():
        raise InvalidInputError(
            f"the target must be known, but column {column!r} of {source} has no value in any "
            "row: name another --target"
        )
    known = values[rows].infer_objects()
    if task == "auto":
        task = _infer_task(known)
        notes.append(
            f"task: {task}, as column {column!r} holds {known.nunique()} different "
            f"{_what(known)} (choose with --task)"
        )
    if task == "regression":
        return Target(_numbers(known, column, source), task, rows, tuple(notes))
    y = _labels(known)
    kept = _with_company(y)
    if not kept.all():
        notes.append(_note_rare(y, kept))
        y, rows[rows] = y[kept], kept
    is_number = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
    cure = "--task regression" if is_number else "merge classes" if not kept.all() else ""
    _require_classes(y, column, source, left_out=not kept.all(), cure=cure)
    return Target(y, task, rows, tuple(notes))


def _is_exact(values: Series[Any]) -> bool:
    """Whether floats would say less."""
    return is_boolean(values) or pd.api.types.is_integer_dtype(values)


def _infer_task(known: Series[Any]) -> Task:
    if not pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
        return "classification"
    whole = bool((known == known.round()).all())
    return "classification" if whole and known.nunique() <= MAX_INTEGER_CLASSES else "regression"


def _what(known: Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(known):
        return "truth values"
    return "numbers" if pd.api.types.is_numeric_dtype(known) else "texts"


def _numbers(known: Series[Any], column: Any, source: str) -> Array:
    if not pd.api.types.is_numeric_dtype(known):
        texts = as_texts(known)
        texts = texts[~texts.str.strip().str.lower().isin(PLACEHOLDERS)]
        raise InvalidInputError(
            f"the target of a regression must be numeric, but column {column!r} of {source} "
            f"holds {texts[pd.to_numeric(texts, errors='coerce').isna()].iloc[0]!r}: name another "
            "--target or --task classification"
        )
    require_ordinary(known, f"the target column {column!r} of {source}")
    values: Array = known.to_numpy(dtype=np.float64)
    if np.ptp(values) == 0:
        raise InvalidInputError(
            f"the target must vary, but column {column!r} of {source} holds {values[0]} in every "
            "row: name another --target"
        )
    return values


def _labels(known: Series[Any]) -> Array:
    """Classes as integers, booleans or text; scikit-learn takes fractions for a regression."""
    if pd.api.types.is_bool_dtype(known):
        return known.to_numpy(dtype=bool)
    if not pd.api.types.is_numeric_dtype(known):
        return np.asarray(as_texts(known), dtype=object)
    whole = bool((known == known.round()).all())
    return np.asarray(known.astype(np.int64) if whole else known.astype(str), dtype=None)


def _with_company(y: Array) -> Array:
    _, which, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray(counts[which] > 1)


def _note_rare(y: Array, kept: Array) -> str:
    rare = np.unique(y[~kept])
    return (
        f"target: {len(rare)} of {len(y)} rows left out, each the only one of its class, which "
        f"cannot be both trained on and validated with: {listed(rare.tolist())} (merge classes to "
        "keep them)"
    )


def _require_classes(y: Array, column: Any, source: str, *, left_out: bool, cure: str) -> None:
    n_classes = len(np.unique(y))
    if n_classes < 2:
        rule = "with at least 2 rows each" if left_out else ""
        raise InvalidInputError(
            f"the target must have at least 2 classes{rule and ' ' + rule}, but got {n_classes} "
            f"in column {column!r} of {source}: name another --target{cure and ', or ' + cure}"
        )
