"""The target: its column, its task, and the rows with a usable value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import Task
from lrtune.tables.inspection import refuse_huge_values
from lrtune.tables.kinds import (
    PLACEHOLDERS,
    THOUSANDS_NAMES,
    as_numbers,
    as_texts,
    find_thousands,
    is_boolean,
    is_numeric,
)
from lrtune.tables.wording import listed

Array = npt.NDArray[Any]

TASKS: tuple[Task, ...] = ("classification", "regression")
MAX_INTEGER_CLASSES = 20
"""Most different values of an integer target that is treated as classes."""


@dataclass(frozen=True)
class Target:
    """Values to predict."""

    y: Array
    """Numbers, or classes as the table names them, of the usable rows."""
    task: Task
    rows: Array
    """Mask of the table's usable rows."""
    notes: tuple[str, ...]
    """A sentence on each thing that was inferred or left out."""


def find_target(
    columns: Sequence[str], target: str | None, source: str = "the table"
) -> tuple[str, tuple[str, ...]]:
    """Return the target column's name, from a name or position (from 0 or -1), and a note on it."""
    if target is None:
        return columns[-1], (f"target: column {columns[-1]!r}, the last (choose with `target`)",)
    position = _position(target, len(columns))
    if target in columns:
        note = f"target: the column named {target!r}, not the one at that position"
        return target, (() if position is None else (note,))
    if position is None:
        raise InvalidInputError(
            f"`target` must be a column of {source}, or a position from 0 to {len(columns) - 1}, "
            f"but got {target!r}; its columns are {listed(columns)}"
        )
    return columns[position], (f"target: column {columns[position]!r}, at position {position}",)


def _position(text: str, length: int) -> int | None:
    try:
        position = int(text)
    except ValueError:
        return None
    return position if -length <= position < length else None


def read_target(
    values: pd.Series[Any],
    task: Literal["auto", "classification", "regression"] = "auto",
    source: str = "the table",
) -> Target:
    """Return the classes or numbers in the target column.

    Rows without a value are left out, as are classes with a single row, which cannot be both
    trained on and validated with.
    """
    column, notes = values.name, []
    thousands = find_thousands(values)
    if thousands:
        numbers = as_numbers(values, thousands)
        values = numbers.astype(object).where(numbers.notna(), values)
        notes.append(f"target: {THOUSANDS_NAMES[thousands]} treated as thousands separators")
    if not (is_boolean(values) or pd.api.types.is_integer_dtype(values)) and is_numeric(values, 1):
        values = as_numbers(values)
    rows = values.notna().to_numpy(copy=True)
    if not rows.all():
        notes.append(
            f"target: {int((~rows).sum())} of {len(rows)} rows left out, as column {column!r} has "
            "no value there"
        )
    if not rows.any():
        raise InvalidInputError(
            f"the target must have values, but column {column!r} of {source} has no value in any "
            "row: name another `target`"
        )
    present = values[rows].infer_objects()
    if task == "auto":
        task = _infer_task(present)
        notes.append(
            f"task: {task}, as column {column!r} holds {present.nunique()} different "
            f"{_plural(present)} (choose with `task`)"
        )
    if task == "regression":
        return Target(_numbers(present, column, source), task, rows, tuple(notes))
    y = _labels(present)
    kept, rare_notes = _leave_out_single(y)
    rows[rows] = kept
    cure = "merge classes" if rare_notes else ""
    if _plural(present) == "numbers":
        cure = "`task='regression'`"
    _require_classes(y[kept], column, source, left_out=bool(rare_notes), cure=cure)
    return Target(y[kept], task, rows, (*notes, *rare_notes))


def _leave_out_single(y: Array) -> tuple[Array, list[str]]:
    """Return a mask of the rows whose class has other rows too, and a note on those left out."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    kept = np.asarray(counts[codes] > 1)
    if kept.all():
        return kept, []
    rare = np.unique(y[~kept])
    return kept, [
        f"target: {len(rare)} of {len(y)} rows left out, each the only one of its class, which "
        f"cannot be both trained on and validated with: {listed(rare.tolist())} (merge classes "
        "to keep them)"
    ]


def _infer_task(present: pd.Series[Any]) -> Task:
    if _plural(present) != "numbers":
        return "classification"
    few = _are_whole(present) and present.nunique() <= MAX_INTEGER_CLASSES
    return "classification" if few else "regression"


def _plural(present: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(present):
        return "truth values"
    return "numbers" if pd.api.types.is_numeric_dtype(present) else "texts"


def _are_whole(numbers: pd.Series[Any]) -> bool:
    return bool((numbers == numbers.round()).all())


def _numbers(present: pd.Series[Any], column: Any, source: str) -> Array:
    if not pd.api.types.is_numeric_dtype(present):
        texts = as_texts(present)
        texts = texts[~texts.str.strip().str.lower().isin(PLACEHOLDERS)]
        raise InvalidInputError(
            f"the target of a regression must be numeric, but column {column!r} of {source} "
            f"holds {texts[pd.to_numeric(texts, errors='coerce').isna()].iloc[0]!r}: name another "
            "`target` or `task='classification'`"
        )
    refuse_huge_values(present, f"the target column {column!r} of {source}")
    values: Array = present.to_numpy(dtype=np.float64)
    if np.ptp(values) == 0:
        raise InvalidInputError(
            f"the target must vary, but column {column!r} of {source} holds {values[0]} in every "
            "row: name another `target`"
        )
    return values


def _labels(present: pd.Series[Any]) -> Array:
    if pd.api.types.is_bool_dtype(present):
        return present.to_numpy(dtype=bool)
    if not pd.api.types.is_numeric_dtype(present):
        return np.asarray(as_texts(present), dtype=object)
    # scikit-learn takes fractional classes for a regression
    return np.asarray(present.astype(np.int64 if _are_whole(present) else str))


def _require_classes(y: Array, column: Any, source: str, *, left_out: bool, cure: str) -> None:
    n_classes = len(np.unique(y))
    if n_classes < 2:
        rule = " with at least 2 rows each" if left_out else ""
        raise InvalidInputError(
            f"the target must have at least 2 classes{rule}, but got {n_classes} in column "
            f"{column!r} of {source}: name another `target`{cure and ', or ' + cure}"
        )
