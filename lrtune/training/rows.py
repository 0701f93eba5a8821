"""Rows to train on or to validate with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class TableRows:
    """The rows `index` of a table, standardised when they are read; the table is not copied.

    A sparse table (scipy's CSR) is made dense row by row as they are read.

    >>> table = np.arange(8.0).reshape(4, 2)
    >>> rows = TableRows(table, np.array([3, 1]), mean=table.mean(axis=0))
    >>> rows.take([0])
    array([[3., 3.]])
    """

    table: Any
    index: Array
    mean: Array | None = None
    scale: Array | None = None
    """Rows are read as (row - mean) / scale ``(n_features,)``, in the precision of the table."""
    dtype: np.dtype[Any] = FLOAT64
    """Precision to train in."""

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def of(cls, table: Any) -> Self:
        """Return all rows of a table, in its precision."""
        return cls(table, np.arange(table.shape[0]), dtype=table.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Return the number of rows and of columns."""
        return len(self.index), self.table.shape[1]

    def __getitem__(self, selection: Array | slice) -> TableRows:
        return replace(self, index=self.index[selection])

    def take(self, selection: Any, axis: int = 0) -> Array:  # noqa: ARG002
        """Return standardised rows; the signature is that of `ndarray.take`."""
        return self._read(self.index.take(selection))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._read(self.index), dtype=self.dtype if dtype is None else dtype)

    def _read(self, index: Array) -> Array:
        is_sparse = hasattr(self.table, "toarray")
        rows: Array = self.table[index].toarray() if is_sparse else self.table.take(index, axis=0)
        if self.mean is not None:
            rows -= self.mean
        if self.scale is not None:
            rows /= self.scale
        return rows


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to validate with: X ``(n, n_features)`` and their weights ``(n,)``."""

    X: Array | TableRows
    y: Array
    """Targets ``(n, n_outputs)``; classes are one-hot, and may be booleans."""
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, selection: Array | slice) -> Rows:
        """Return the rows selected by an index, a mask or a slice."""
        weight = None if self.sample_weight is None else self.sample_weight[selection]
        return Rows(self.X[selection], self.y[selection], weight)
