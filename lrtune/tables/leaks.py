"""Columns that hold the target itself, in other words or another unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.tables.bundled import Task
from lrtune.tables.columns import Column

Array = npt.NDArray[Any]

LEAK = (
    "it tells the target exactly: leave it out with `columns` if it is not known before the target"
)
_EXACT = 1 - 1e-12
_MIN_ROWS = 20


def mark_leaks(
    columns: Sequence[Column], X: Array | pd.DataFrame, y: Array, task: Task
) -> tuple[Column, ...]:
    """Return the columns, with a doubt on those that are the target in other words.

    These are numbers that the target is a linear function of, and values that each stand for one
    class.

    >>> X = np.column_stack([np.arange(20.0), np.arange(20.0) ** 2])
    >>> marked = mark_leaks([Column("a", "number"), Column("b", "number")], X, X[:, 0] * 60,
    ...     "regression")
    >>> [column.doubt for column in marked]
    ['it tells the target exactly', '']
    """
    used = [column.name for column in columns if column.used]
    marked = set()
    for place, name in enumerate(used):
        values = X[name] if isinstance(X, pd.DataFrame) else pd.Series(X[:, place])
        tells = _tells_classes if task == "classification" else _tells_numbers
        if len(y) >= _MIN_ROWS and tells(values, y):
            marked.add(name)
    return tuple(
        replace(c, done=(*c.done, (LEAK, 0)), doubt=LEAK.partition(":")[0])
        if c.name in marked
        else c
        for c in columns
    )


def _tells_numbers(values: pd.Series[Any], y: Array) -> bool:
    if not pd.api.types.is_float_dtype(values) or values.isna().any():
        return False
    x = values.to_numpy() - values.mean()
    z = y - y.mean()
    return bool(abs(x @ z) >= _EXACT * np.linalg.norm(x) * np.linalg.norm(z))


def _tells_classes(values: pd.Series[Any], y: Array) -> bool:
    codes, different = pd.factorize(values)
    classes, labels = pd.factorize(pd.Series(y))
    if len(different) != len(labels) or (codes < 0).any():
        return False
    return len(np.unique(codes * len(labels) + classes)) == len(labels)
