"""Rows to train on or to validate with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Batches", "FLOAT64", "TableRows"]

Array = npt.NDArray[Any]

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class TableRows:
    """Some rows of a table, standardised as they are read; the table itself is never copied.

    Parameters
    ----------
    table : ndarray of shape (N, n_features)
    index : ndarray of int, shape (n,)
        Which of its rows.
    mean, scale : ndarray of shape (n_features,), optional
        Subtracted from what is read, and then divided by.
    dtype : dtype
        In which the rows are trained on; they are read in the table's own.

    Examples
    --------
    >>> table = np.arange(8.0).reshape(4, 2)
    >>> rows = TableRows(table, np.array([3, 1]), mean=table.mean(axis=0))
    >>> rows.take([0])
    array([[3., 3.]])
    """

    table: Array
    index: Array
    mean: Array | None = None
    scale: Array | None = None
    dtype: np.dtype[Any] = FLOAT64

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return len(self.index), self.table.shape[1]

    def __getitem__(self, picked: Array | slice) -> TableRows:
        return replace(self, index=self.index[picked])

    def take(self, picked: Any, axis: int = 0) -> Array:  # noqa: ARG002
        """Read rows, as `ndarray.take` does."""
        return self._read(self.index.take(picked))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._read(self.index), dtype=self.dtype if dtype is None else dtype)

    def _read(self, index: Array) -> Array:
        rows: Array = self.table.take(index, axis=0)
        if self.mean is not None:
            rows -= self.mean
        if self.scale is not None:
            rows /= self.scale
        return rows


@dataclass(frozen=True)
class Batches:
    """Rows to train on or to validate with.

    Parameters
    ----------
    X : ndarray or TableRows of shape (n, n_features)
    y : ndarray of shape (n, n_outputs)
        Target, classes one-hot (booleans will do).
    sample_weight : ndarray of shape (n,), optional
    """

    X: Array | TableRows
    y: Array
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: Array | slice) -> Batches:
        """The rows named by index, mask or slice."""
        if self.sample_weight is None:
            return Batches(self.X[rows], self.y[rows])
        return Batches(self.X[rows], self.y[rows], self.sample_weight[rows])
