"""Divergence edges: the lowest constant rate that diverges, and the range around it."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import train
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.edges import (
    HELD_PER_DECADE,
    HELD_STEPS,
    divergence_edge,
    find_range,
    rate_grid,
    require_edges_above,
)
from lrtune.tuning.trainers.preparation import Prepared, prepare
from lrtune.tuning.trainers.replicates import make_replicates


def prepared_iris() -> Prepared:
    X, y = load_iris(return_X_y=True)
    (replicate,) = make_replicates(y, 1, task="classification")
    return prepare(make_pipeline(StandardScaler(), MLPClassifier(dtype="float64")), X, y, replicate)


def test_the_grid_is_even_on_a_logarithmic_scale() -> None:
    grid = rate_grid(1e-2, 100)

    assert len(grid) == 4 * HELD_PER_DECADE + 1
    assert np.diff(np.log10(grid)) == pytest.approx(1 / HELD_PER_DECADE)


def test_the_edge_is_the_lowest_rate_that_diverges_when_held() -> None:
    prepared = prepared_iris()
    grid = rate_grid(1e-2, 100)
    streams = RandomStreams(prepared.seed)
    population = prepared.model.make_population(prepared.rows, len(grid), streams.weights)
    schedules = [Schedule(learning_rate_init=float(rate)) for rate in grid]
    steps = population.steps_per_epoch(len(prepared.rows))
    epochs = HELD_STEPS // steps
    assert epochs * steps == HELD_STEPS  # whole epochs
    list(train(population, schedules, prepared.rows, epochs=range(epochs), rng=streams.rows))

    assert divergence_edge(prepared, grid) == grid[min(population.diverged)]


def test_a_grid_without_a_rate_that_diverges_has_no_edge() -> None:
    assert math.isnan(divergence_edge(prepared_iris(), rate_grid(1e-4, 1e-2)))


def test_the_range_holds_the_edge_and_there_is_a_row_of_edges_for_each_end() -> None:
    prepared = [prepared_iris()]
    sizes = Dimension.of("batch_size", [8, 64])
    (low, high), edges = find_range(prepared, Space.default(5))
    _, rows = find_range(prepared, Space(None, ("constant",), (0.1, 1.0), (("batch_size", sizes),)))

    assert low < edges[0][0] < high
    assert [len(row) for row in rows] == [1, 1]
    assert rows[0][0] < rows[1][0]  # small batches are noisier


def test_most_edges_at_the_lowest_rate_are_no_edges() -> None:
    assert require_edges_above(0.1, [0.1, 0.2, 0.3]).tolist() == [0.1, 0.2, 0.3]
    with pytest.raises(NothingCompletedError, match=r"lowest rate, 0\.1, on 2 of 3.*lower rates"):
        require_edges_above(0.1, [0.1, 0.1, 0.3])
