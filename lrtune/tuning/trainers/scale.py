"""Reference losses, and what they say about a training: it diverged, or it did not learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lrtune.training.divergence import DIVERGENCE_FACTOR

DEAD_SHARE = 0.1
"""A training that makes less than this share of the best one's progress did not learn."""


@dataclass(frozen=True)
class LossScale:
    """Reference losses of a trainer's replicates.

    Attributes
    ----------
    initial : float
        Loss before training; of a user's function, after one epoch at a negligible rate.
    cap : float
        Finite loss that is recorded for a setting that diverged.
    naive : float or None
        Loss of a prediction that ignores the columns; None if the trainer cannot know it.
    """

    initial: float
    cap: float
    naive: float | None = None

    @classmethod
    def from_initial(cls, initial: float) -> LossScale:
        """Return the scale where only the initial loss is available, which may be negative."""
        return cls(initial, initial + (abs(initial) or 1.0))

    @classmethod
    def mean(cls, parts: Sequence[tuple[int, LossScale]]) -> LossScale:
        """Return the scale of all replicates, from the numbers and scales of parts of them."""
        weights, scales = zip(*parts, strict=True)
        naive = [each.naive for each in scales if each.naive is not None]
        return cls(
            float(np.average([each.initial for each in scales], weights=weights)),
            float(np.average([each.cap for each in scales], weights=weights)),
            float(np.average(naive, weights=weights)) if len(naive) == len(scales) else None,
        )


def divergence_limit(initial: float, best: float | None) -> float:
    """Return the loss above which a training has diverged, for a loss of any sign.

    It lies `DIVERGENCE_FACTOR` times the initial loss, or the best training's progress, above the
    initial loss. Until a training has made progress, one of 1 is assumed: a small initial loss must
    not make the limit so tight that it stops sound trainings.

    Examples
    --------
    >>> divergence_limit(2.3, None), divergence_limit(0.0, -3.0)
    (25.3, 30.0)
    """
    progress = 1.0 if best is None or not best < initial else initial - best
    return initial + DIVERGENCE_FACTOR * max(abs(initial), progress)


def is_dead(
    losses: npt.ArrayLike, initial: float | None, best: float | None
) -> npt.NDArray[np.bool_]:
    """Return a mask of the final losses that are about as high as the initial loss.

    Such a training did not learn: its network died, as one of ReLUs does at a high rate, and
    predicts a constant, or its rate is too low. None does if no training made progress.

    Examples
    --------
    >>> is_dead([2.303, 2.2, 0.1], initial=2.31, best=0.1).tolist()
    [True, True, False]
    """
    losses = np.asarray(losses, dtype=float)
    if initial is None or best is None or not best < initial:
        return np.zeros(losses.shape, dtype=bool)
    return losses > initial - DEAD_SHARE * (initial - best)
