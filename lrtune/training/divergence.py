"""Divergence: the one predicate over losses, for training, pruners and the range test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DIVERGENCE_FACTOR", "divergence_threshold", "has_diverged"]

DIVERGENCE_FACTOR = 10.0
"""A training has diverged when its loss exceeds the reference loss by more than this factor.

Measured on the five bundled data sets with sgd, momentum and adam, 96 settings each, nothing
stopped: of 2, 3, 5, 10, 20 and 50, this is the smallest factor with which no setting among the best
fifth would have been stopped. Smaller factors stop settings that spike early and recover, and
detect the others no sooner."""


def divergence_threshold(guess_loss: float, initial_loss: float) -> float:
    """Return the loss above which a training has diverged; always finite.

    `guess_loss` is that of a prediction that ignores the input (uniform probabilities, or the mean
    of the target), `initial_loss` that at the initial weights, which may overflow.

    Examples
    --------
    >>> divergence_threshold(1.0, 2.5)
    25.0
    """
    reference = max(guess_loss, initial_loss) if np.isfinite(initial_loss) else guess_loss
    return float(min(DIVERGENCE_FACTOR * reference, np.finfo(np.float64).max))


def has_diverged(loss: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_] | Any:
    """Return True for each loss that is not finite or has passed the (finite) threshold.

    Examples
    --------
    >>> has_diverged([0.1, float("nan"), float("inf"), 11.0], threshold=10.0)
    array([False,  True,  True,  True])
    """
    return ~(np.asarray(loss) <= threshold)  # False for NaN and inf too
