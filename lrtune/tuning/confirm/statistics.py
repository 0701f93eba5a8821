"""Statistics of the race, and standard errors.

In a race all settings train on the same replicates and are compared pair by pair, so that the
difficulty of a replicate cancels out (common random numbers). After Maron and Moore (1994),
"Hoeffding races", with paired t statistics as in Birattari, Stützle, Paquete and Varrentrapp
(2002), "A racing algorithm for configuring metaheuristics".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[Any]

CONFIDENCE = float(stats.norm.cdf(1.5))
"""One-sided confidence at which a setting leaves the race."""
POOLED_WEIGHT = 4
"""Weight, in replicates, of the median variance of all settings in the variance of each, which is
estimated from few replicates at first."""
EQUIVALENT = 0.03
"""The race ends when the losses of all settings are within this share of the best, at
`CONFIDENCE`."""
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


def settled(losses: Array) -> bool:
    """Return whether all settings are within `EQUIVALENT` of the best one's loss."""
    differences, errors = paired(losses)
    margin = EQUIVALENT * abs(float(losses.mean(axis=1).min()))
    return bool((differences + _quantile(losses) * errors <= margin).all())


def tied(losses: Array) -> Array:
    """Return a mask ``(K,)`` of the settings within one standard error of the best.

    They are also within `TIED_MARGIN`: a large difference that few replicates leave uncertain is
    not a tie.
    """
    differences, errors = paired(losses)
    margin = TIED_MARGIN * abs(float(losses.mean(axis=1).min()))
    return np.asarray(differences <= np.minimum(errors, margin))


def _quantile(losses: Array) -> float:
    """Return the quantile of Student's t at `CONFIDENCE`."""
    return float(stats.t.ppf(CONFIDENCE, losses.shape[1] - 1))


# --- standard errors ------------------------------------------------------------------------------


def standard_error(losses: Array, earlier: Sequence[float] = ()) -> float | None:
    """Return the standard error of the mean of losses ``(n,)``; None of a single one.

    It is widened by Student's t, so that twice it covers as often as of many losses, in 95 %: the
    spread of few is uncertain itself. `earlier` losses of the same setting, on other replicates,
    are averaged into the spread, not into the mean.

    Examples
    --------
    >>> losses = np.array([1.0, 2.0, 3.0, 4.0])
    >>> plain = float(losses.std(ddof=1)) / 2
    >>> round(standard_error(losses) / plain, 2), round(standard_error(losses, losses) / plain, 2)
    (1.65, 1.26)
    """
    if len(losses) < 2:
        return None
    parts = [np.asarray(part, dtype=float) for part in (losses, earlier) if len(part) > 1]
    freedom = sum(len(part) - 1 for part in parts)
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return math.sqrt(squares / freedom / len(losses)) * _widening(freedom)


def error_over_splits(losses: Array, splits: Array, test_ratio: float) -> float | None:
    """Return the standard error of losses ``(n,)`` on fixed splits; None of a single split.

    `splits`, of shape (n,), has the split of each. The same few splits are trained on again and
    again, and their training rows overlap, so the mean is as uncertain as (1 / J + `test_ratio`)
    times the variance between the J splits, where `test_ratio` is that of the test rows to the
    training rows (Nadeau and Bengio 2003, "Inference for the generalization error", eq. 10). It is
    widened like `standard_error`.

    Examples
    --------
    >>> round(error_over_splits(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 2]), 0.5), 2)
    2.07
    """
    means = [float(losses[splits == split].mean()) for split in np.unique(splits)]
    if len(means) < 2:
        return None
    variance = (1 / len(means) + test_ratio) * float(np.var(means, ddof=1))
    return math.sqrt(variance) * _widening(len(means) - 1)


def _widening(freedom: int) -> float:
    """Return the ratio of Student's quantile at two normal standard deviations to these."""
    return float(stats.t.ppf(stats.norm.cdf(2), freedom)) / 2
