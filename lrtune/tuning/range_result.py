"""The frozen result of a learning-rate range test, and the rules that read its curves."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "RANGE_ABOVE_EDGE",
    "RANGE_BELOW_EDGE",
    "RANGE_WITHOUT_EDGE",
    "RangeTestResult",
    "SKIPPED",
    "SUGGESTIONS",
    "Spread",
    "minimum",
    "range_around",
    "smooth",
    "steepest",
    "valley",
]

Array = npt.NDArray[Any]

RANGE_BELOW_EDGE = 500.0
RANGE_ABOVE_EDGE = 2.0
"""The range for a search reaches so many times below and above the edge."""
RANGE_WITHOUT_EDGE = 1000.0
"""Without an edge, it reaches so many times below the highest rate tested."""
SKIPPED = 0.1
"""Share of the steps at the lowest rates that suggestions pass over, as fastai's do: the smoothed
loss averages few batches there."""


# --- the rules ------------------------------------------------------------------------------------


def smooth(losses: npt.ArrayLike, beta: float) -> Array:
    """Exponential moving average along the last axis, debiased.

    ``m_t = β m_(t-1) + (1-β) loss_t`` starts at zero; dividing by ``1 - β^t`` makes up for that
    (Kingma and Ba 2015, "Adam", section 3).

    Parameters
    ----------
    losses : array_like of shape (..., S)
    beta : float
        In [0, 1).

    Returns
    -------
    ndarray of shape (..., S)
        Not a number from the first loss on that is not.

    Examples
    --------
    >>> smooth([1.0, 1.0, 4.0], beta=0.5).round(3).tolist()
    [1.0, 1.0, 2.714]
    """
    losses = np.asarray(losses, dtype=np.float64)
    smoothed = np.empty_like(losses)
    average = np.zeros(losses.shape[:-1])
    for step in range(losses.shape[-1]):
        average = beta * average + (1 - beta) * losses[..., step]
        smoothed[..., step] = average / (1 - beta ** (step + 1))
    return smoothed


def valley(rates: Array, losses: Array) -> float:
    """The rate in the middle of the longest valley, as fastai's `valley`.

    The valley ends where the longest strictly falling subsequence of the losses ends, and is
    taken to be as many steps wide as that has losses (fastai/callback/schedule.py).

    Examples
    --------
    >>> valley(np.arange(1.0, 10.0), np.array([9, 9, 9, 8, 6, 4, 2, 1, 5.0]))
    5.0
    """
    # length of the longest falling subsequence that ends at each loss; fewest[n] is minus the
    # largest last loss of one of n + 1 losses (patience sorting)
    fewest: list[float] = []
    lengths = []
    for loss in (-losses).tolist():
        length = bisect_left(fewest, loss)
        fewest[length : length + 1] = [loss]
        lengths.append(length + 1)
    end = int(np.argmax(lengths))
    start = end - lengths[end]
    third = lengths[end] / 3
    return float(rates[start + int(third) + int(third / 2)])


def steepest(rates: Array, losses: Array) -> float:
    """The rate where the loss begins its largest fall per log rate, as fastai's `steep`.

    Examples
    --------
    >>> steepest(np.array([0.01, 0.1, 1.0, 10.0]), np.array([3.0, 2.9, 1.0, 0.9]))
    0.1
    """
    return float(rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))])


def minimum(rates: Array, losses: Array) -> float:
    """A tenth of the rate where the loss is lowest, as fastai's `minimum`.

    Examples
    --------
    >>> minimum(np.array([0.01, 0.1, 1.0, 10.0]), np.array([3.0, 2.9, 1.0, 1.9]))
    0.1
    """
    return float(rates[np.argmin(losses)]) / 10


SUGGESTIONS: dict[str, Callable[[Array, Array], float]] = {
    "valley": valley,
    "steepest": steepest,
    "minimum": minimum,
}
"""What the field makes of a curve: ``rule(rates, losses)`` gives a rate."""


# --- the result -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over replicates, on a logarithmic scale.

    None stands for a rate above the highest one tested.
    """

    median: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, rates: Array) -> Spread:
        """Of rates where NaN stands for one above all the others.

        Examples
        --------
        >>> Spread.of(np.array([1.0, 100.0, np.nan]))
        Spread(median=100.0, lower=10.0, upper=None)
        """
        ordered = sorted(math.inf if math.isnan(rate) else rate for rate in rates.tolist())
        quartiles = [_quantile(ordered, share) for share in (0.5, 0.25, 0.75)]
        return cls(*(rate if math.isfinite(rate) else None for rate in quartiles))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Interpolated linearly between logarithms; what is no interpolation stays as it is."""
    below, part = divmod(share * (len(ordered) - 1), 1)
    low = ordered[int(below)]
    if not part or math.isinf(ordered[int(below) + 1]):
        return math.inf if part else low
    return float(low * (ordered[int(below) + 1] / low) ** part)


def range_around(edges: Array, highest: float) -> tuple[float, float]:
    """Lowest and highest rate to search, the median edge inside.

    Rounded to two significant digits, it does not change with the last bit of a rate.

    Parameters
    ----------
    edges : ndarray of shape (R,)
        NaN if above the highest rate tested.
    highest : float
        The highest rate tested.

    Examples
    --------
    >>> range_around(np.array([2.0, 3.0, 5.0]), 1000.0)
    (0.006, 6.0)
    """
    edge = Spread.of(edges).median
    low, high = highest / RANGE_WITHOUT_EDGE, highest
    if edge is not None:
        low, high = edge / RANGE_BELOW_EDGE, edge * RANGE_ABOVE_EDGE
    return (float(f"{low:.1e}"), float(f"{high:.1e}"))


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """What a range test saw.

    Attributes
    ----------
    rates : ndarray of shape (S,)
        The rising rate, step by step.
    losses : ndarray of shape (R, S)
        Training loss of each step's batch before its update, without the L2 term (log loss, or
        squared error of the standardised target). Where a replicate diverged, its last loss may
        be inf or NaN; NaN after that.
    smoothed : ndarray of shape (R, S)
        Their debiased exponential moving average.
    stops : ndarray of shape (R,)
        The rising rate at which each replicate was stopped as diverged; NaN if it never was.
    edges : ndarray of shape (R,)
        The lowest rate, of a grid with `HELD_PER_DECADE`, at which each replicate diverges when
        it is held from the start; NaN if none does up to the highest.
    suggestions : dict of str to ndarray of shape (R,)
        What the rules of `SUGGESTIONS` make of each replicate's smoothed curve; NaN where it is
        too short.
    """

    rates: Array
    losses: Array
    smoothed: Array
    stops: Array
    edges: Array
    suggestions: dict[str, Array]

    @classmethod
    def of(
        cls, rates: Array, runs: Sequence[tuple[Array, int | None]], edges: Array, smoothing: float
    ) -> RangeTestResult:
        """Smooth the curves, and apply the rules to what comes before each stop.

        Parameters
        ----------
        rates : ndarray of shape (S,)
        runs : sequence of (ndarray of shape (S,), int or None)
            Each replicate's losses, and the step at which it was stopped, if it was.
        edges : ndarray of shape (R,)
        smoothing : float
            β of the moving average.
        """
        losses = np.array([curve for curve, _ in runs])
        smoothed = smooth(losses, smoothing)
        stops = np.array([np.nan if stop is None else rates[stop] for _, stop in runs])
        suggestions = {name: np.full(len(runs), np.nan) for name in SUGGESTIONS}
        skipped = int(SKIPPED * len(rates))
        for index, (_, stop) in enumerate(runs):
            told = slice(skipped, stop)
            if len(rates[told]) > 1:
                for name, rule in SUGGESTIONS.items():
                    suggestions[name][index] = rule(rates[told], smoothed[index, told])
        return cls(rates, losses, smoothed, stops, edges, suggestions)

    @property
    def edge(self) -> float | None:
        """Median edge over the replicates; None if it is above the highest rate tested."""
        return Spread.of(self.edges).median

    def spread(self, name: str) -> Spread | None:
        """Median and quartiles of "edge", or of a suggestion over the replicates that have one.

        None if no replicate has one.
        """
        if name == "edge":
            return Spread.of(self.edges)
        known = self.suggestions[name][np.isfinite(self.suggestions[name])]
        return Spread.of(known) if len(known) else None

    @property
    def learning_rate_range(self) -> tuple[float, float]:
        """Lowest and highest rate to search, the edge inside; see `range_around`."""
        return range_around(self.edges, float(self.rates[-1]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know before trusting the range."""
        diverged = int(np.isfinite(self.edges).sum())
        if self.edge is not None:
            return ()
        who = f"only {diverged} of {len(self.edges)} replicates" if diverged else "no replicate"
        return (
            f"{who} diverged up to the highest rate tested, {self.rates[-1]:.4g}, so the range "
            "ends there and the edge may lie above it: test higher rates",
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values; None stands for a number that is not finite or not known."""
        edge = Spread.of(self.edges)
        return {
            "edge": edge.median,
            "edge_spread": [edge.lower, edge.upper],
            "learning_rate_range": list(self.learning_rate_range),
            "suggestions": {name: self._suggestion(name) for name in self.suggestions},
            "warnings": list(self.warnings),
            "edges": _finite(self.edges),
            "stops": _finite(self.stops),
            "rates": _finite(self.rates),
            "losses": [_finite(row) for row in self.losses],
            "smoothed": [_finite(row) for row in self.smoothed],
        }

    def _suggestion(self, name: str) -> dict[str, Any]:
        spread = self.spread(name) or Spread(None, None, None)
        return {
            "median": spread.median,
            "spread": [spread.lower, spread.upper],
            "replicates": _finite(self.suggestions[name]),
        }


def _finite(values: Array) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
