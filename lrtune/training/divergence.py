"""Divergence: one predicate over losses, used by the trainer, the pruner and the range test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DIVERGENCE_FACTOR", "divergence_threshold", "has_diverged"]

DIVERGENCE_FACTOR = 10.0
"""A loss this many times the reference loss counts as diverged.

Measured on the five bundled data sets with sgd, momentum and adam, 96 settings each, nothing
stopped: of 2, 3, 5, 10, 20 and 50, this is the smallest factor with which no setting among the best
fifth would have been stopped; smaller ones stop settings that spike early and recover, and
detect the others no sooner."""


def divergence_threshold(guess_loss: float, initial_loss: float) -> float:
    """Loss above which a training has diverged.

    Parameters
    ----------
    guess_loss : float
        Loss of a prediction that ignores the input (uniform probabilities, mean of the target).
    initial_loss : float
        Loss at the initial weights; not finite if the data overflow already.

    Returns
    -------
    float
        `DIVERGENCE_FACTOR` times the larger of the two, ignoring an `initial_loss` that is not
        finite; always finite itself.

    Examples
    --------
    >>> divergence_threshold(1.0, 2.5)
    25.0
    """
    reference = max(guess_loss, initial_loss) if np.isfinite(initial_loss) else guess_loss
    return float(min(DIVERGENCE_FACTOR * reference, np.finfo(np.float64).max))


def has_diverged(loss: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_] | Any:
    """Whether a loss is not finite or has passed the threshold, element by element.

    Finiteness is part of the comparison: ``nan <= threshold`` and ``inf <= threshold`` are false
    for a finite threshold.

    Parameters
    ----------
    loss : array_like
        Losses, of any shape.
    threshold : float
        A finite `divergence_threshold`.

    Returns
    -------
    ndarray of bool
        Of the shape of `loss`.

    Examples
    --------
    >>> has_diverged([0.1, float("nan"), float("inf"), 11.0], threshold=10.0)
    array([False,  True,  True,  True])
    """
    return ~(np.asarray(loss) <= threshold)
