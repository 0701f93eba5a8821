"""Standard errors of mean losses: twice the error covers in 95 %, whatever the splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.tuning.trainers.replicates import Folds

Array = npt.NDArray[Any]

LEAST_FREEDOM = 3
"""Degrees of freedom from which on the spread of the means of passes is estimated well enough."""


@dataclass(frozen=True)
class Sample:
    """One setting's losses ``(n,)``, and the numbers of their replicates."""

    losses: Array = field(default_factory=lambda: np.empty(0))
    replicates: Sequence[int] = ()

    def pass_means(self, folds: Folds) -> list[float]:
        """Return the mean loss of each whole pass over the splits."""
        pairs = sorted(zip(self.replicates, self.losses.tolist(), strict=True))
        passes = [
            [loss for _, loss in members]
            for _, members in groupby(pairs, key=lambda pair: pair[0] // folds.count)
        ]
        return [float(np.mean(each)) for each in passes if len(each) == folds.count]


def stated_error(
    measured: Sample, earlier: Sample | None = None, folds: Folds | None = None
) -> float | None:
    """Return the standard error of a setting's mean loss; None of a single training.

    `earlier` losses of the setting, on other replicates, are averaged into the spread, not into the
    mean. `folds` says how the splits of the replicates hang together, if they do.
    """
    earlier = earlier or Sample()
    if folds is not None and folds.is_fixed:
        error = error_over_splits(
            measured.losses, np.array(measured.replicates) % folds.count, folds.test_ratio
        )
        if error is not None:
            return error
    elif folds is not None:  # the splits of a pass share out the rows, so their losses are tied
        means, before = measured.pass_means(folds), earlier.pass_means(folds)
        if means and _freedom([means, before]) >= LEAST_FREEDOM:
            return standard_error(np.array(means), before)
    return standard_error(measured.losses, earlier.losses)


def standard_error(losses: Array, earlier: Array | Sequence[float] = ()) -> float | None:
    """Return the standard error of the mean of losses ``(n,)``; None if their spread is unknown.

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
    plain = _unwidened(losses, earlier)
    return None if plain is None else plain[0] * _widening(plain[1])


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
    plain = _over_splits(losses, splits, test_ratio)
    return None if plain is None else plain[0] * _widening(plain[1])


def upper_bound(losses: Array, sureness: float, fixed: Folds | None = None) -> float:
    """Return the bound below which the mean of losses ``(n,)`` lies, at a confidence.

    They are whole passes over the splits if these are fixed. It is infinite of a single loss.
    """
    plain = None
    if fixed is not None:
        splits = np.arange(len(losses)) % fixed.count
        plain = _over_splits(losses, splits, fixed.test_ratio)
    plain = plain or _unwidened(losses)
    if plain is None:
        return math.inf
    from scipy import special

    error, freedom = plain
    return float(losses.mean()) + error * float(special.stdtrit(freedom, sureness))


def _unwidened(losses: Array, earlier: Array | Sequence[float] = ()) -> tuple[float, int] | None:
    """Return the standard error of the mean, and its degrees of freedom; None if there are none."""
    parts = [np.asarray(part, dtype=float) for part in (losses, earlier) if len(part) > 1]
    freedom = _freedom(parts)
    if not freedom:
        return None
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return math.sqrt(squares / freedom / len(losses)), freedom


def _over_splits(losses: Array, splits: Array, test_ratio: float) -> tuple[float, int] | None:
    means = [float(losses[splits == split].mean()) for split in np.unique(splits)]
    if len(means) < 2:
        return None
    variance = (1 / len(means) + test_ratio) * float(np.var(means, ddof=1))
    return math.sqrt(variance), len(means) - 1


def _freedom(parts: Sequence[Sequence[float] | Array]) -> int:
    return sum(max(0, len(part) - 1) for part in parts)


def _widening(freedom: int) -> float:
    """Return the ratio of Student's quantile at two normal standard deviations to these."""
    from scipy import special

    return float(special.stdtrit(freedom, special.ndtr(2))) / 2
