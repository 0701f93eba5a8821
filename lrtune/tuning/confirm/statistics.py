"""Statistics of the race: which settings are worse than the best, tied with it, or settled.

All settings train on the same replicates and are compared pair by pair, so that the difficulty of a
replicate cancels out (common random numbers). After Maron and Moore (1994), "Hoeffding races", with
paired t statistics as in Birattari, Stützle, Paquete and Varrentrapp (2002), "A racing algorithm
for configuring metaheuristics".
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.tuning.confirm.measurement import margin

Array = npt.NDArray[Any]

CONFIDENCE = NormalDist().cdf(1.5)
"""One-sided confidence at which a setting leaves the race."""
POOLED_WEIGHT = 4
"""Weight, in replicates, of the median variance of all settings in the variance of each, which is
estimated from few replicates at first."""
EQUIVALENT = 0.01
"""The race ends when the losses of all settings are within this share of the best, at
`CONFIDENCE`; see `margin` for a metric."""
TIED_MARGIN = 0.01
"""A setting whose loss is more than this share above the best one's is not tied with it."""


def paired(losses: Array) -> tuple[Array, Array]:
    """Return the mean differences ``(K,)`` to the best setting, and their standard errors ``(K,)``.

    `losses`, of shape (K, n), are finite, on the same n >= 2 replicates. Both results are 0 for the
    best setting itself. Each variance is a mean of its own and the median of all.

    Examples
    --------
    >>> differences, errors = paired(np.array([[1.0, 2.0, 3.0], [1.5, 2.4, 3.6]]))
    >>> differences.tolist()
    [0.0, 0.5]
    """
    n = losses.shape[1]
    best = int(losses.mean(axis=1).argmin())
    differences = losses - losses[best]
    variance = differences.var(axis=1, ddof=1)
    others = np.arange(len(losses)) != best
    if others.any():
        pooled = float(np.median(variance[others]))
        total = (n - 1) * variance + POOLED_WEIGHT * pooled
        variance = np.where(others, total / (n - 1 + POOLED_WEIGHT), 0.0)
    return differences.mean(axis=1), np.sqrt(variance / n)


def in_contention(losses: Array) -> Array:
    """Return a mask ``(K,)`` of the settings that are not worse than the best at `CONFIDENCE`.

    Examples
    --------
    >>> in_contention(np.array([[1.0, 2.0, 3.0], [1.0, 2.2, 2.9], [5.0, 6.1, 7.2]])).tolist()
    [True, True, False]
    """
    differences, errors = paired(losses)
    return np.asarray(differences <= _quantile(losses) * errors)


def settled(losses: Array, ideal: float | None = None) -> bool:
    """Return whether all settings are within `EQUIVALENT` of the best one's loss.

    `ideal` is minus the best possible value of the metric, if it has one.
    """
    differences, errors = paired(losses)
    most = margin(float(losses.mean(axis=1).min()), ideal, EQUIVALENT)
    return bool((differences + _quantile(losses) * errors <= most).all())


def tied(losses: Array, ideal: float | None = None) -> Array:
    """Return a mask ``(K,)`` of the settings within one standard error of the best.

    They are also within `TIED_MARGIN`: a large difference that few replicates leave uncertain is
    not a tie.
    """
    differences, errors = paired(losses)
    most = margin(float(losses.mean(axis=1).min()), ideal, TIED_MARGIN)
    return np.asarray(differences <= np.minimum(errors, most))


def _quantile(losses: Array) -> float:
    """Return the quantile of Student's t at `CONFIDENCE`."""
    from scipy import special

    return float(special.stdtrit(losses.shape[1] - 1, CONFIDENCE))
