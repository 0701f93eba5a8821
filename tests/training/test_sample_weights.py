"""A row of weight 2 counts as two rows, and one of weight 0 as none."""

from typing import Any

import numpy as np
import pytest

from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import Epoch, train
from lrtune.training.network import Network
from lrtune.training.optimizers import Adam
from lrtune.training.population import Population
from lrtune.training.rows import Rows

ROWS = 20
SCHEDULES = [Schedule(learning_rate_init=rate) for rate in (0.01, 0.1)]


def random_rows() -> Rows:
    rng = np.random.default_rng(0)
    return Rows(rng.normal(size=(ROWS, 4)), np.eye(3)[rng.integers(0, 3, ROWS)])


def new_population(batch_size: int = 1000) -> Population:
    network = Network((4, 6, 3), activation="tanh")
    initial = network.initial_parameters(np.random.default_rng(1), np.dtype("float64"))
    return Population(network, Adam(), initial, n_settings=2, alpha=0.1, batch_size=batch_size)


def fitted(
    population: Population, rows: Rows, weight: Any = None, validation: Rows | None = None
) -> list[Epoch]:
    weighted = Rows(rows.X, rows.y, weight)
    options: dict[str, Any] = {"epochs": range(3), "rng": None, "validation": validation}
    return list(train(population, SCHEDULES, weighted, **options))


def trained(rows: Rows, weight: Any = None) -> tuple[Any, Any]:
    """Return the parameters and training losses after epochs of a single batch."""
    population = new_population()
    epochs = fitted(population, rows, weight)
    return population.parameters, np.array([epoch.training_loss for epoch in epochs])


def assert_alike(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-9)
    assert one[1] == pytest.approx(other[1], rel=1e-9)


def test_a_weight_of_two_equals_a_repeated_row() -> None:
    rows, weight = random_rows(), np.array([1, 2] * (ROWS // 2))
    repeated = rows.take(np.repeat(np.arange(ROWS), weight))

    assert_alike(trained(repeated), trained(rows, weight.astype(float)))


def test_equal_weights_equal_no_weights() -> None:
    assert_alike(trained(random_rows()), trained(random_rows(), np.ones(ROWS)))


def test_a_row_without_weight_does_not_count() -> None:
    rows, weight = random_rows(), np.array([1.0, 0.0] * (ROWS // 2))

    assert_alike(trained(rows.take(weight > 0)), trained(rows, weight))


def test_a_batch_without_weight_is_skipped() -> None:
    rows, weight = random_rows(), np.repeat([0.0, 1.0], ROWS // 2)
    population, half = new_population(batch_size=ROWS // 2), new_population(batch_size=ROWS // 2)
    fitted(population, rows, weight)
    fitted(half, rows.take(weight > 0))

    assert population.steps == half.steps == 3
    assert half.parameters == pytest.approx(population.parameters, rel=1e-9)


def test_rows_without_weight_train_nothing() -> None:
    population, rows = new_population(), random_rows()
    start = population.parameters.copy()
    fitted(population, rows, np.zeros(ROWS), validation=rows)

    assert np.array_equal(start, population.parameters)


def test_validation_rows_without_weight_do_not_end_training() -> None:
    rows = random_rows()
    blank = Rows(rows.X, rows.y, np.zeros(ROWS))

    assert len(fitted(new_population(), rows, validation=blank)) == 3
