"""The frozen result of a learning-rate range test, and the rules that suggest rates from it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.support.numbers import number

Array = npt.NDArray[Any]

RANGE_BELOW_EDGE = 500.0
RANGE_ABOVE_EDGE = 2.0
"""Factors by which the range for a search reaches below and above the edge."""
RANGE_WITHOUT_EDGE = 1000.0
"""Factor by which it reaches below the highest rate tested if no edge was found."""
SKIPPED = 0.1
"""Share of the steps, at the lowest rates, that suggestions ignore, as fastai's do: the smoothed
loss averages few batches there."""


# --- the rules ------------------------------------------------------------------------------------


def smooth(losses: npt.ArrayLike, beta: float) -> Array:
    """Return the debiased exponential moving average of losses ``(..., S)`` along the last axis.

    ``m_t = β m_(t-1) + (1-β) loss_t`` starts at zero, which dividing by ``1 - β^t`` corrects
    (Kingma and Ba 2015, "Adam", section 3). From the first NaN on the average is NaN.

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
    """Return the rate in the middle of the longest valley, as fastai's `valley` does.

    The valley ends where the longest strictly falling subsequence of the losses ends, and is as
    many steps wide as that subsequence is long (fastai/callback/schedule.py).

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
    """Return the rate at which the loss falls fastest per log rate, as fastai's `steep` does.

    Examples
    --------
    >>> steepest(np.array([0.01, 0.1, 1.0, 10.0]), np.array([3.0, 2.9, 1.0, 0.9]))
    0.1
    """
    return float(rates[np.argmin(np.diff(losses) / np.diff(np.log(rates)))])


def minimum(rates: Array, losses: Array) -> float:
    """Return a tenth of the rate where the loss is lowest, as fastai's `minimum` does.

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
"""The usual rules that suggest a rate from a curve: functions of the rates and the losses."""


# --- the result -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over replicates, on a logarithmic scale.

    None is a rate above the highest one tested.
    """

    median: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, rates: Array) -> Spread:
        """Return the spread of rates ``(R,)``, where NaN is one above all the others.

        Examples
        --------
        >>> Spread.of(np.array([1.0, 100.0, np.nan]))
        Spread(median=100.0, lower=10.0, upper=None)
        """
        ordered = sorted(math.inf if math.isnan(rate) else rate for rate in rates.tolist())
        quartiles = [_quantile(ordered, share) for share in (0.5, 0.25, 0.75)]
        return cls(*(rate if math.isfinite(rate) else None for rate in quartiles))


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile, interpolated between logarithms; infinite if a neighbour is."""
    below, part = divmod(share * (len(ordered) - 1), 1)
    low = ordered[int(below)]
    if not part or math.isinf(ordered[int(below) + 1]):
        return math.inf if part else low
    return float(low * (ordered[int(below) + 1] / low) ** part)


def range_around(edges: Array, highest: float) -> tuple[float, float]:
    """Return the lowest and highest rate to search, with the median of edges ``(R,)`` inside.

    An edge above `highest`, the highest rate tested, is NaN. The range is rounded to two
    significant digits, so that it does not change with the last bit of an edge.

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


@dataclass(frozen=True, eq=False, repr=False)
class RangeTestResult:
    """The curves, edges and suggestions of a range test.

    Attributes
    ----------
    rates : ndarray of shape (S,)
        The rising rate, step by step.
    losses : ndarray of shape (R, S)
        Training loss of each step's batch before its update, without the L2 term (log loss, or
        squared error of the standardised target). Where a replicate diverged, its last loss may
        be inf or NaN; later ones are NaN.
    smoothed : ndarray of shape (R, S)
        The debiased exponential moving average of the losses.
    stops : ndarray of shape (R,)
        The rising rate at which each replicate was stopped as diverged; NaN if it was not.
    edges : ndarray of shape (R,)
        The lowest rate of the grid (`HELD_PER_DECADE` a decade) at which each replicate diverges
        when it is held from the start; NaN if none does.
    suggestions : dict of str to ndarray of shape (R,)
        Rates that the rules of `SUGGESTIONS` give for each replicate's smoothed curve; NaN where
        the curve is too short.
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
        """Return the result of `runs`: by replicate, losses ``(S,)`` and the step of divergence.

        The rules see the steps before a replicate was stopped.
        """
        losses = np.array([curve for curve, _ in runs])
        smoothed = smooth(losses, smoothing)
        stops = np.array([np.nan if stop is None else rates[stop] for _, stop in runs])
        suggestions = {name: np.full(len(runs), np.nan) for name in SUGGESTIONS}
        skipped = int(SKIPPED * len(rates))
        for index, (_, stop) in enumerate(runs):
            steps = slice(skipped, stop)
            if len(rates[steps]) > 1:
                for name, rule in SUGGESTIONS.items():
                    suggestions[name][index] = rule(rates[steps], smoothed[index, steps])
        return cls(rates, losses, smoothed, stops, edges, suggestions)

    def __repr__(self) -> str:
        n_replicates, n_steps = self.losses.shape
        texts = {name: self.spread(name) for name in ("edge", *self.suggestions)}
        rates = ", ".join(
            f"{name}={number(each.median)}"
            for name, each in texts.items()
            if each is not None and each.median is not None
        )
        low, high = map(number, self.learning_rate_range)
        return (
            f"RangeTestResult({rates}{', ' if rates else ''}learning_rate_range=({low}, {high}), "
            f"replicates={n_replicates}, steps={n_steps}"
            f"{f', warnings={len(self.warnings)}' if self.warnings else ''})"
        )

    @property
    def edge(self) -> float | None:
        """Return the median edge of the replicates; None if above the highest rate tested."""
        return Spread.of(self.edges).median

    def spread(self, name: str) -> Spread | None:
        """Return median and quartiles of "edge", or of a suggestion.

        Replicates without that suggestion are left out; None if no replicate has it.
        """
        if name == "edge":
            return Spread.of(self.edges)
        rates = self.suggestions[name][np.isfinite(self.suggestions[name])]
        return Spread.of(rates) if len(rates) else None

    @property
    def learning_rate_range(self) -> tuple[float, float]:
        """Return the lowest and highest rate to search, with the edge inside."""
        return range_around(self.edges, float(self.rates[-1]))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return warnings to read before trusting the range."""
        n_diverged = int(np.isfinite(self.edges).sum())
        if self.edge is not None:
            return ()
        few = f"only {n_diverged} of {len(self.edges)} replicates" if n_diverged else "no replicate"
        return (
            f"{few} diverged up to the highest rate tested, {self.rates[-1]:.4g}, so the range "
            "ends there and the edge may lie above it: test higher rates",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, None for a number that is missing or not finite."""
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
