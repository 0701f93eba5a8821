"""The divergence criterion, shared by training, pruners and the range test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DIVERGENCE_FACTOR = 10.0
"""A training has diverged when its loss exceeds this many times the reference loss.

Measured on the five bundled data sets with sgd, momentum and adam, 96 settings each, all trained to
the end: of 2, 3, 5, 10, 20 and 50, this is the smallest factor that stops none of the best fifth.
Smaller factors stop settings that spike early and recover, and detect the others no sooner."""


def divergence_threshold(guess_loss: float, initial_loss: float) -> float:
    """Return the loss, always finite, above which a training has diverged.

    `guess_loss` is the loss of a prediction that ignores the input (uniform probabilities, or the
    mean of the target); `initial_loss`, at the initial weights, may be infinite.
    """
    reference = max(guess_loss, initial_loss) if np.isfinite(initial_loss) else guess_loss
    return float(min(DIVERGENCE_FACTOR * reference, np.finfo(np.float64).max))


def has_diverged(loss: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_] | Any:
    """Return True for each loss that is above the finite threshold, infinite or NaN."""
    return ~(np.asarray(loss) <= threshold)  # the comparison is False for NaN
