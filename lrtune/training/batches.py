"""Rows to train on or to validate with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Batches", "mean_loss", "total_weight"]

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


def total_weight(batch: Batches) -> float:
    """Sum of the rows' weights; their number if they have none."""
    return float(len(batch) if batch.sample_weight is None else batch.sample_weight.sum())


def mean_loss(losses: Array, batch: Batches) -> Array:
    """Mean over the rows of ``(K, B)`` losses, in float64."""
    if batch.sample_weight is None:
        return np.asarray(np.add.reduce(losses, axis=1, dtype=np.float64) / len(batch))
    weighed = losses.astype(np.float64) * batch.sample_weight
    return np.asarray(weighed.sum(axis=1) / total_weight(batch))
