"""Rows to train on or to validate with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

__all__ = ["Batches"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Batches:
    """Rows to train on or to validate with.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    y : ndarray of shape (n, n_outputs)
        Target, classes one-hot.
    sample_weight : ndarray of shape (n,), optional
    """

    X: Array
    y: Array
    sample_weight: Array | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: Array | slice) -> Batches:
        """The rows named by index or slice."""
        if self.sample_weight is None:
            return Batches(self.X[rows], self.y[rows])
        return Batches(self.X[rows], self.y[rows], self.sample_weight[rows])
