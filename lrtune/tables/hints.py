"""Hints that rows of a table hang together, in groups or in time, where no option says so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.tables.columns import Column
from lrtune.tables.targets import Target

Array = npt.NDArray[Any]

_UNITS = (
    "patient|subject|participant|respondent|person|individual|user|customer|client|member|"
    "visitor|buyer|employee|worker|driver|player|student|pupil|teacher|author|speaker|writer|"
    "reader|owner|donor|mother|child|twin|family|household|group|cluster|cohort|team|class_?room|"
    "school|hospital|clinic|doctor|physician|ward|site|store|shop|branch|company|firm|vendor|"
    "seller|supplier|account|card|device|machine|sensor|vehicle|engine|battery|well|"
    "station|plant|plot|field|tree|animal|mouse|rat|cow|cell_?line|specimen|slide|scan|image|"
    "video|recording|session|trip|track|song|batch|lot|run|fold"
)
GROUP_NAME = re.compile(
    rf"(^|[\W_])({_UNITS})s?([\W_]*(id|nr|no|num|number|code|key|name))?$|(^|[\W_])p?id$", re.I
)
"""Names of columns that say which person or thing a row is of."""
TIME_NAME = re.compile(
    r"(^|[\W_])(time|timestamp|date|datetime|year|quarter|month|week|day|hour|minute|second|period|"
    r"epoch|tick|t|ts)([\W_]*(index|idx|nr|no|num|number))?$",
    re.I,
)
"""Names of columns of numbers that may say when a row was taken."""
LEAST_GROUPS = 4
"""Fewest different values of a column that looks like groups: of fewer, none can be held out."""
MANY_GROUPS = 20
"""So many values, each with one class in all of its rows, are groups whatever their name."""
LEAST_TIMES = 10
"""Fewest different values of a column that looks like time."""
LEAST_CORRELATION = 0.2
"""Least correlation of the target from row to row along time."""


def hints_on(features: pd.DataFrame, columns: Sequence[Column], labels: Target) -> tuple[str, ...]:
    """Return a hint for a column of the features that looks like groups, and for one like time.

    >>> frame = pd.DataFrame({"patient": [1, 1, 2, 2, 3, 3, 4, 4]})
    >>> labels = Target(np.arange(8.0), "regression", np.ones(8, dtype=bool), ())
    >>> hints_on(frame, [Column("patient", "number")], labels)[0][:47]
    "column 'patient' repeats each value about 2 tim"
    """
    groups = list(_like_groups(features, columns, labels))[:1]
    times = list(_like_times(features, columns, labels))[:1]
    return (*groups, *times)


def _like_groups(
    features: pd.DataFrame, columns: Sequence[Column], labels: Target
) -> Iterator[str]:
    """Yield a hint for each column that looks like groups, those with such a name first."""
    hints = []
    for column in columns:
        values = features[column.name]
        if column.kind not in ("number", "category", "text") or not _are_names(values):
            continue
        n_groups = values.nunique()
        if not LEAST_GROUPS <= n_groups <= len(values) / 2:
            continue
        is_named = GROUP_NAME.search(column.name) is not None
        if is_named or (n_groups >= MANY_GROUPS and _decides(values, labels)):
            of = f"{column.name} " if is_named else f"{column.name!r} "
            hints.append(
                (
                    not is_named,
                    f"column {column.name!r} repeats each value about {len(values) / n_groups:.0f} "
                    f"times: if rows of one {of.strip()} belong together, use "
                    f"`group={column.name!r}`, else validation is on what training has seen",
                )
            )
    return (hint for _, hint in sorted(hints, key=lambda each: each[0]))


def _are_names(values: pd.Series[Any]) -> bool:
    """Return whether values are texts or whole numbers."""
    if pd.api.types.is_bool_dtype(values):
        return False
    if not pd.api.types.is_numeric_dtype(values):
        return True
    numbers = values.dropna()
    return bool(np.isfinite(numbers).all() and (numbers == numbers.round()).all())


def _decides(values: pd.Series[Any], labels: Target) -> bool:
    """Return whether all rows of a value have one class, though there are several classes."""
    if labels.task != "classification":
        return False
    classes = pd.Series(np.unique(labels.y, return_inverse=True)[1], index=values.index)
    by_value = classes.groupby(values.to_numpy())
    return bool((by_value.min() == by_value.max()).all())


def _like_times(features: pd.DataFrame, columns: Sequence[Column], labels: Target) -> Iterator[str]:
    """Yield a hint for each column that looks like time."""
    y = _numbers(labels)
    for column in columns:
        is_date = column.kind == "date"
        if not (is_date or (column.kind == "number" and TIME_NAME.search(column.name))):
            continue
        times = column.convert(features[column.name])
        if times.isna().any() or times.nunique() < LEAST_TIMES:
            continue
        rises = times.is_monotonic_increasing or times.is_monotonic_decreasing
        correlation = _from_row_to_row(y[np.argsort(times.to_numpy(), kind="stable")])
        is_correlated = correlation > max(LEAST_CORRELATION, 4 / math.sqrt(len(y)))
        # numbers with such a name that do not rise may be hours of the day, or months
        if not ((is_correlated or rises) if is_date else (is_correlated and rises)):
            continue
        why = ""
        if is_correlated:
            why = f", and the target changes little from row to row (correlation {correlation:.2f})"
        yield (
            f"column {column.name!r} {'rises from row to row' if rises else 'is a time'}{why}: if "
            f"later rows are to be predicted from earlier ones, use `time={column.name!r}`"
        )


def _numbers(labels: Target) -> Array:
    """Return the target as numbers; of classes, 1 for the most frequent one and 0 for others."""
    if labels.task == "regression":
        return labels.y
    _, codes = np.unique(labels.y, return_inverse=True)
    return np.asarray(codes == np.bincount(codes).argmax(), dtype=float)


def _from_row_to_row(y: Array) -> float:
    """Return the correlation of each value with the next one."""
    if np.ptp(y[1:]) == 0 or np.ptp(y[:-1]) == 0:
        return 0.0
    return float(np.corrcoef(y[:-1], y[1:])[0, 1])
