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
from lrtune.tables.inspection import list_readings, refuse_huge_values
from lrtune.tables.kinds import Kind, as_numbers, as_texts, find_kind, is_boolean
from lrtune.tables.number_format import NumberFormat, is_placeholder
from lrtune.tables.overrides import NO_OVERRIDES, Overrides
from lrtune.tables.wording import listed, shortened

Array = npt.NDArray[Any]

TASKS: tuple[Task, ...] = ("classification", "regression")
MAX_INTEGER_CLASSES = 20
"""Most different values of an integer target that is treated as classes."""
WIDE = 1e4
"""Ratio of the 95th to the 5th percentile of a positive target that is noted."""
ROWS_PER_INTEGER_CLASS = 4
"""Fewest rows, on average, of each of these values."""


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
    position = position_of(target, len(columns))
    if target in columns:
        note = f"target: the column named {target!r}, not the one at that position"
        return target, (() if position is None else (note,))
    if position is None:
        raise InvalidInputError(
            f"`target` must be a column of {source}, or a position from 0 to {len(columns) - 1}, "
            f"but got {target!r}; its columns are {listed(columns)}"
        )
    return columns[position], (f"target: column {columns[position]!r}, at position {position}",)


def position_of(text: str, length: int) -> int | None:
    """Return the position that a text is, among so many; None if it is none."""
    try:
        position = int(text)
    except ValueError:
        return None
    return position if -length <= position < length else None


def read_target(
    values: pd.Series[Any],
    task: Literal["auto", "classification", "regression"] = "auto",
    source: str = "the table",
    *,
    decimal: str = "",
    overrides: Overrides = NO_OVERRIDES,
) -> Target:
    """Return the classes or numbers in the target column.

    Rows without a value are left out, as are texts among the numbers of a regression, and classes
    with a single row, which cannot be both trained on and validated with. `decimal` is the decimal
    mark that the table shows.
    """
    column = str(values.name)
    kind = overrides.kind_of(column, values, decimal)
    is_given = kind is not None
    kind = kind or find_kind(values, decimal=decimal)
    _require_target(kind, column)
    numbers = as_numbers(values, kind.numbers) if kind.name == "number" else None
    notes = [] if numbers is None else [f"target: {reading}" for reading, _ in list_readings(kind)]
    chosen = _infer_task(numbers, is_given=is_given) if task == "auto" else task
    if chosen == "regression":
        present, reading_notes = _read_quantities(values, numbers, source)
    else:
        present, reading_notes = _read_classes(values, numbers, kind.numbers)
    rows = present.notna().to_numpy(copy=True)
    notes += reading_notes
    n_absent = int((~rows).sum()) - int(_odd_texts(values, numbers, chosen).sum())
    if n_absent:
        notes.append(
            f"target: {n_absent} of {len(rows)} rows left out, as column {column!r} has "
            "no value there"
        )
    if not rows.any():
        raise InvalidInputError(
            f"the target must have values, but column {column!r} of {source} has no value in any "
            "row: name another `target`"
        )
    present = present[rows].infer_objects()
    if task == "auto":
        notes.append(
            f"task: {chosen}, as column {column!r} holds {present.nunique()} different "
            f"{_plural(present)} (choose with `task`)"
        )
    if chosen == "regression":
        y = _varying(present, column, source)
        return Target(y, chosen, rows, (*notes, *_note_magnitudes(y)))
    y = _labels(present)
    kept, rare_notes = _leave_out_single(y)
    rows[rows] = kept
    cure = "merge classes" if rare_notes else ""
    if _plural(present) == "numbers":
        cure = "`task='regression'`"
    _require_classes(y[kept], column, source, left_out=bool(rare_notes), cure=cure)
    return Target(y[kept], chosen, rows, (*notes, _list_classes(y[kept]), *rare_notes))


def _require_target(kind: Kind, column: str) -> None:
    if kind.name == "drop":
        raise InvalidInputError(
            f"`columns` cannot drop the target, but names {column!r}: name another `target`"
        )


def _read_quantities(
    values: pd.Series[Any], numbers: pd.Series[Any] | None, source: str
) -> tuple[pd.Series[Any], list[str]]:
    """Return the numbers of a regression's target, and a note on the texts among them."""
    if numbers is None:
        texts = as_texts(values).dropna()
        texts = texts[[not is_placeholder(text) for text in texts]]
        odd = texts[pd.to_numeric(texts, errors="coerce").isna()]
        raise InvalidInputError(
            f"the target of a regression must be numeric, but column {values.name!r} of {source} "
            f"holds {str((odd if len(odd) else texts).iloc[0])!r}: name another "
            "`target` or `task='classification'`"
        )
    odd = _odd_texts(values, numbers, "regression")
    if not odd.any():
        return numbers, []
    rows = [f"{text!r} in row {row + 1}" for row, text in zip(*_places(values, odd), strict=True)]
    return numbers, [
        f"target: {int(odd.sum())} of {len(values)} rows left out, as column {values.name!r} holds "
        f"no number there: {shortened(rows)}"
    ]


def _places(values: pd.Series[Any], mask: pd.Series[Any]) -> tuple[Array, list[str]]:
    return np.flatnonzero(mask), [str(text) for text in values[mask]]


def _odd_texts(
    values: pd.Series[Any], numbers: pd.Series[Any] | None, task: str = "regression"
) -> pd.Series[Any]:
    """Return a mask of the texts among the numbers of a regression that stand for no gap."""
    if numbers is None or task == "classification" or pd.api.types.is_numeric_dtype(values):
        return pd.Series(data=False, index=values.index)
    texts = as_texts(values)
    readable = texts.map(
        lambda text: isinstance(text, str) and not is_placeholder(text) and not _is_infinite(text)
    )
    return numbers.isna() & readable.astype(bool)


def _is_infinite(text: str) -> bool:
    return text.lower().lstrip("+-") in ("inf", "infinity")


def _read_classes(
    values: pd.Series[Any], numbers: pd.Series[Any] | None, number_format: NumberFormat
) -> tuple[pd.Series[Any], list[str]]:
    """Return classes as the table names them, and notes on writings that were merged."""
    if is_boolean(values) or pd.api.types.is_integer_dtype(values):
        return values, []
    written_plainly = not (number_format.thousands or number_format.unit or number_format.limits)
    if numbers is not None and written_plainly and not _odd_texts(values, numbers).any():
        return numbers, []
    return _merge_cases(as_texts(values))


def _merge_cases(texts: pd.Series[Any]) -> tuple[pd.Series[Any], list[str]]:
    """Merge words that differ in case alone into the most frequent; return a note on them."""
    counts = texts.value_counts()
    usual: dict[str, str] = {}
    for text in counts.index:  # the most frequent first
        if len(text) > 1:
            usual.setdefault(text.casefold(), text)
    merged = {text: usual.get(text.casefold(), text) for text in counts.index}
    changed = {text: new for text, new in merged.items() if new != text}
    if not changed:
        return texts, []
    names = [f"{old!r} ({counts[old]}) as {new!r}" for old, new in changed.items()]
    note = f"target: classes that differ in case alone merged: {shortened(names)}"
    return texts.map(merged, na_action="ignore").astype(object), [note]


def _list_classes(y: Array) -> str:
    classes, counts = np.unique(y, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    names = [f"{str(classes[each])!r} ({counts[each]})" for each in order]
    return f"target: classes {shortened(names)}"


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


def _infer_task(numbers: pd.Series[Any] | None, *, is_given: bool) -> Task:
    """Return the task; few whole numbers are classes unless the column is given as numbers."""
    if numbers is None:
        return "classification"
    present = numbers.dropna()
    most = min(MAX_INTEGER_CLASSES, max(2, len(present) // ROWS_PER_INTEGER_CLASS))
    few = _are_whole(present) and present.nunique() <= most
    return "classification" if few and not is_given else "regression"


def _plural(present: pd.Series[Any]) -> str:
    if pd.api.types.is_bool_dtype(present):
        return "truth values"
    return "numbers" if pd.api.types.is_numeric_dtype(present) else "texts"


def _are_whole(numbers: pd.Series[Any]) -> bool:
    return bool((numbers == numbers.round()).all())


def _varying(present: pd.Series[Any], column: str, source: str) -> Array:
    """Return the numbers of a regression's target; raise if they are huge or all the same."""
    refuse_huge_values(present, f"the target column {column!r} of {source}")
    values: Array = present.to_numpy(dtype=np.float64)
    if np.ptp(values) == 0:
        raise InvalidInputError(
            f"the target must vary, but column {column!r} of {source} holds {values[0]} in every "
            "row: name another `target`"
        )
    return values


def _note_magnitudes(y: Array) -> list[str]:
    """Return a note on a target whose largest values decide the squared error alone."""
    low, high = np.quantile(y, [0.05, 0.95])
    if low <= 0 or high < WIDE * low:
        return []
    return [
        f"target: it spans {np.log10(high / low):.0f} orders of magnitude, of which the squared "
        "error sees the largest values alone: predict its logarithm if all matter"
    ]


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
