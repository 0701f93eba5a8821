"""The plateau decay, which lowers rates when the loss stops improving."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

Array = npt.NDArray[np.floating[Any]]


class Plateau:
    """``decay="plateau"`` for K settings.

    A rate is multiplied by e^(-k) for each epoch beyond `patience` without a better loss. Settings
    with another decay type get k = 0. With ``patience=0`` this is torch's
    ``ReduceLROnPlateau(factor=e^(-k), patience=0, threshold=0)``. With more patience torch waits
    again after each drop; here the rate keeps shrinking, so that k is always a rate per epoch.

    >>> schedule = Schedule(learning_rate_init=1.0, decay="plateau", decay_rate=0.5, patience=1)
    >>> plateau, rates = Plateau([schedule]), []
    >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0]:
    ...     plateau.update(np.array([loss]))
    ...     rates.append(float(plateau.apply(np.array([[1.0]]))[0, 0]))
    >>> [round(rate, 4) for rate in rates]
    [1.0, 1.0, 1.0, 0.6065, 0.3679]
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._k = np.array([s.decay_rate if DECAYS[s.decay].feedback else 0.0 for s in schedules])
        self.active = bool(self._k.any())
        """True if the rate of at least one setting depends on losses."""
        self._patience = np.array([s.patience for s in schedules])
        self._floor = np.array([s.min_learning_rate for s in schedules])
        self._best = np.full(len(schedules), np.inf)
        self._epochs_waited = np.zeros(len(schedules), dtype=np.int64)
        self._exponent = np.zeros(len(schedules))

    def with_schedules(self, schedules: Sequence[Schedule]) -> Self:
        """Return the state with changed schedules.

        One that still follows losses goes on with those recorded; one that begins to starts anew.
        """
        changed = type(self)(schedules)
        goes_on = changed._k > 0
        for name in ("_best", "_epochs_waited", "_exponent"):
            setattr(changed, name, np.where(goes_on, getattr(self, name), getattr(changed, name)))
        return changed

    def apply(self, rates: Array) -> Array:
        """Return the ``(steps, K)`` rates, lowered according to the recorded losses."""
        return np.asarray(np.maximum(rates * np.exp(-self._exponent), self._floor))

    def update(self, losses: Array) -> None:
        """Record the ``(K,)`` losses at the end of an epoch."""
        better = losses < self._best
        self._best = np.where(better, losses, self._best)
        self._epochs_waited = np.where(better, 0, self._epochs_waited + 1)
        self._exponent += np.where(self._epochs_waited > self._patience, self._k, 0.0)
