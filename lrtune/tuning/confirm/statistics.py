"""Racing: which settings are still in contention, judged on replicates that all of them share.

Settings that meet the same replicates are compared pair by pair: how hard a replicate is for all of
them cancels out (common random numbers). After Maron and Moore (1994), "Hoeffding races"; with
paired t statistics as in Birattari, Stützle, Paquete and Varrentrapp (2002), "A racing algorithm
for configuring metaheuristics".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "CONFIDENCE",
    "EQUIVALENT",
    "POOLED_WEIGHT",
    "TIED_MARGIN",
    "in_contention",
    "paired",
    "settled",
    "tied",
]

Array = npt.NDArray[Any]

CONFIDENCE = float(stats.norm.cdf(1.5))
"""One-sided confidence at which a setting leaves the race."""
POOLED_WEIGHT = 4
"""Replicates' worth of the contenders' median variance in each contender's own, which rests on few
replicates at first."""
EQUIVALENT = 0.03
"""Contenders whose loss is surely within this share of the best are not told apart further."""
TIED_MARGIN = 0.03
"""Settings that lose more than this share beside the best are not tied with it."""


def paired(losses: Array) -> tuple[Array, Array]:
    """Mean differences to the best setting, and their standard errors.

    Parameters
    ----------
    losses : ndarray of shape (K, n)
        Finite losses of K settings on the same n replicates, n at least 2.

    Returns
    -------
    differences, errors : ndarray of shape (K,)
        Both 0 for the best setting itself. The variance of each difference is drawn towards the
        median of all.

    Examples
    --------
    >>> differences, errors = paired(np.array([[1.0, 2.0, 3.0], [1.5, 2.4, 3.6]]))
    >>> differences.tolist()
    [0.0, 0.5]
    """
    n = losses.shape[1]
    best = int(losses.mean(axis=1).argmin())
    apart = losses - losses[best]
    variance = apart.var(axis=1, ddof=1)
    others = np.arange(len(losses)) != best
    if others.any():
        pooled = float(np.median(variance[others]))
        weighed = (n - 1) * variance + POOLED_WEIGHT * pooled
        variance = np.where(others, weighed / (n - 1 + POOLED_WEIGHT), 0.0)
    return apart.mean(axis=1), np.sqrt(variance / n)


def in_contention(losses: Array) -> Array:
    """Mask ``(K,)`` of the settings that are not worse than the best at `CONFIDENCE`.

    Parameters
    ----------
    losses : ndarray of shape (K, n)

    Examples
    --------
    >>> in_contention(np.array([[1.0, 2.0, 3.0], [1.0, 2.2, 2.9], [5.0, 6.1, 7.2]])).tolist()
    [True, True, False]
    """
    differences, errors = paired(losses)
    return np.asarray(differences <= _quantile(losses) * errors)


def settled(losses: Array) -> bool:
    """Whether all settings are, at `CONFIDENCE`, within `EQUIVALENT` of the best one's loss.

    Parameters
    ----------
    losses : ndarray of shape (K, n)
    """
    differences, errors = paired(losses)
    reach = EQUIVALENT * abs(float(losses.mean(axis=1).min()))
    return bool((differences + _quantile(losses) * errors <= reach).all())


def tied(losses: Array) -> Array:
    """Mask ``(K,)`` of the settings within one standard error, and `TIED_MARGIN`, of the best.

    A large difference that too few replicates leave uncertain is not a tie.

    Parameters
    ----------
    losses : ndarray of shape (K, n)
    """
    differences, errors = paired(losses)
    reach = TIED_MARGIN * abs(float(losses.mean(axis=1).min()))
    return np.asarray(differences <= np.minimum(errors, reach))


def _quantile(losses: Array) -> float:
    """Of Student's t: with few replicates, more than the normal distribution's."""
    return float(stats.t.ppf(CONFIDENCE, losses.shape[1] - 1))
