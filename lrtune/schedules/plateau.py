"""Decays that follow losses: they scale the rates of the table from epoch to epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

__all__ = ["Feedback", "Plateau"]

Array = npt.NDArray[np.floating[Any]]


class Feedback(Protocol):
    """What a loss-driven decay does for K settings between two epochs."""

    follows: bool
    """Whether the rate of any setting follows the losses at all."""

    def apply(self, rates: Array) -> Array:
        """Rates ``(steps, K)`` of the table, scaled by what the losses so far ask for."""

    def update(self, losses: Array) -> None:
        """Take in the ``(K,)`` validation losses at the end of an epoch."""


class Plateau:
    """Feedback of ``decay="plateau"``: × e^(-k) per epoch beyond `patience` without a better loss.

    Settings with another decay type take part with k = 0, so that their rates stay as they are.
    With ``patience=0`` this is torch's ``ReduceLROnPlateau(factor=e^(-k), patience=0,
    threshold=0)``; with more patience it goes on shrinking the rate at every further epoch
    without a better loss (torch waits anew), so that k keeps its meaning of 1/epoch.

    Parameters
    ----------
    schedules : sequence of Schedule
        One per setting, K in all.

    Attributes
    ----------
    follows : bool
        Whether the rate of any of them follows the losses.

    Examples
    --------
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
        self.follows = bool(self._k.any())
        self._patience = np.array([s.patience for s in schedules])
        self._floor = np.array([s.min_learning_rate for s in schedules])
        self._best = np.full(len(schedules), np.inf)
        self._waited = np.zeros(len(schedules), dtype=np.int64)
        self._exponent = np.zeros(len(schedules))

    def apply(self, rates: Array) -> Array:
        """Rates ``(steps, K)`` of the table times the factor that the losses so far ask for."""
        return np.asarray(np.maximum(rates * np.exp(-self._exponent), self._floor))

    def update(self, losses: Array) -> None:
        """Take in the ``(K,)`` validation losses at the end of an epoch."""
        better = losses < self._best
        self._best = np.where(better, losses, self._best)
        self._waited = np.where(better, 0, self._waited + 1)
        self._exponent += np.where(self._waited > self._patience, self._k, 0.0)
