"""Divergence edges: the lowest constant rate that diverges, and the range of α₀ around it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.support.blas import one_blas_thread
from lrtune.training.population import Population, population_size
from lrtune.training.random_streams import RandomStreams
from lrtune.training.rows import Rows
from lrtune.tuning.range_result import range_around
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.preparation import Prepared
from lrtune.tuning.trainers.protocol import Edges

Array = npt.NDArray[Any]

HELD_STEPS = 40
"""Steps for which each rate of the grid is held. Measured: 20 steps miss momentum's edge on iris by
a factor of up to 2.5, 40 steps by 1.4; more steps gain little."""
EDGE_SOUGHT = (1e-6, 1e3)
"""Lowest and highest rate that a search tests for the edge."""
HELD_PER_DECADE = 4
"""Rates of the grid per factor of ten."""


def find_range(prepared: Sequence[Prepared], space: Space) -> tuple[tuple[float, float], Edges]:
    """Find the range of α₀ to search, around the edges of divergence.

    The edge is measured at each end of every further parameter of the space. Returns the range, and
    a row of edges for each such end, by replicate; NaN is an edge above the rates tested.

    Raises
    ------
    NothingCompletedError
        If most replicates diverge even at the lowest rate.
    """
    rates = rate_grid(*EDGE_SOUGHT)
    ends: list[tuple[tuple[str, Any], ...]] = [
        ((name, end),) for name, dimension in space.others for end in dimension.ends
    ]
    with one_blas_thread():
        edges = tuple(
            tuple(divergence_edge(replicate.configured(others), rates) for replicate in prepared)
            for others in ends or [()]
        )
    ranges = [range_around(require_edges_above(rates[0], row), rates[-1]) for row in edges]
    lows, highs = zip(*ranges, strict=True)
    floor = max(replicate.model.min_learning_rate for replicate in prepared)
    return (max(min(lows), floor), max(highs)), edges


def rate_grid(low: float, high: float) -> Array:
    """Return rates from low to high, `HELD_PER_DECADE` to a factor of ten."""
    return np.geomspace(low, high, math.ceil(HELD_PER_DECADE * math.log10(high / low)) + 1)


def require_edges_above(lowest: float, edges: Sequence[float]) -> Array:
    """Return the edges as an array; raise NothingCompletedError if most are the lowest rate."""
    n_lowest = sum(edge <= lowest for edge in edges)
    if 2 * n_lowest > len(edges):
        raise NothingCompletedError(
            f"training diverged even at the lowest rate, {lowest:g}, on {n_lowest} of "
            f"{len(edges)} replicates: standardise the columns, or test lower rates"
        )
    return np.array(edges)


def divergence_edge(prepared: Prepared, rates: Array) -> float:
    """Return the lowest of rates ``(n,)`` that diverges within `HELD_STEPS`; NaN if none does."""
    population, rows, _ = start_training(prepared, 1)
    size = population_size(
        population.network, min(population.batch_size, len(rows)), population.parameters.dtype
    )
    for start in range(0, len(rates), size):
        part = rates[start : start + size]
        population, rows, batches = start_training(prepared, len(part))
        for batch in islice(batches, HELD_STEPS):
            population.train_step(rows, batch, part[population.settings])
            if not len(population):
                break
        if population.diverged:
            return float(part[min(population.diverged)])
    return math.nan


def start_training(prepared: Prepared, n_settings: int) -> tuple[Population, Rows, Iterator[Array]]:
    """Return an untrained population, the training rows with weight, and their batches."""
    streams = RandomStreams(prepared.seed)
    model, rows = prepared.model, prepared.rows
    if rows.sample_weight is not None:
        rows = rows.take(rows.sample_weight > 0)  # a batch without weight would train nothing
    if not len(rows):
        raise InvalidInputError(
            "`sample_weight` must be above 0 for some training rows of every replicate, but got 0 "
            "for all of them: give more rows a weight"
        )
    population: Population = model.make_population(rows, n_settings, streams.weights)
    return population, rows, _batches(len(rows), model, streams.rows)


def _batches(n_rows: int, model: Any, rng: np.random.Generator) -> Iterator[Array]:
    """Yield the row numbers of batch after batch, without end, in the order of a training."""
    while True:
        order = rng.permutation(n_rows) if model.shuffle else np.arange(n_rows)
        for start in range(0, n_rows, model.batch_size):
            yield order[start : start + model.batch_size]
