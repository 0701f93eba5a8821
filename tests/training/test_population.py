"""The losses of an epoch, divergence, and the size of a population."""

import math
from typing import Any

import numpy as np
import pytest

from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import Epoch, train
from lrtune.training.network import LOSSES, Network
from lrtune.training.optimizers import OPTIMIZERS, SGD, Adam
from lrtune.training.population import (
    CACHE_BYTES,
    EVALUATION_ROWS,
    Divergence,
    Population,
    Rows,
    population_size,
)

LINE = Network((1, 1), loss="squared_error")


def constant(*rates: float) -> list[Schedule]:
    return [Schedule(learning_rate_init=rate) for rate in rates]


def random_rows(n_rows: int = 20, *, seed: int = 0, dtype: str = "float64") -> Rows:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n_rows, 4)), np.eye(3)[rng.integers(0, 3, n_rows)]
    return Rows(X.astype(dtype), y.astype(dtype))


def new_population(
    n_settings: int = 1, *, optimizer: Any = None, dtype: str = "float64", **options: Any
) -> Any:
    network = Network((4, 6, 3), activation="tanh")
    initial = network.initial_parameters(np.random.default_rng(1), np.dtype(dtype))
    return Population(network, optimizer or SGD(), initial, n_settings=n_settings, **options)


def line(*targets: float, batch_size: int) -> tuple[Population, Rows]:
    """Return a line through zero whose input is 0, so that its loss is the mean of y²."""
    y = np.array(targets)[:, np.newaxis]
    return Population(LINE, SGD(), np.zeros(2), batch_size=batch_size), Rows(np.zeros_like(y), y)


def probe(*inputs: float, batch_size: int) -> tuple[Population, Rows]:
    """Return a network that outputs its input for a target of 0: its loss is the mean of x²."""
    x = np.array(inputs)[:, np.newaxis]
    initial = np.array([1.0, 0.0])
    return Population(LINE, SGD(), initial, batch_size=batch_size), Rows(x, np.zeros_like(x))


def fitted(
    population: Population, rows: Rows, *rates: float, epochs: int = 3, **options: Any
) -> list[Epoch]:
    rng = np.random.default_rng(0)
    return list(
        train(population, constant(*rates), rows, **{"rng": rng, **options}, epochs=range(epochs))
    )


# --- losses and rates of an epoch -----------------------------------------------------------------


def test_all_settings_start_at_the_same_weights() -> None:
    population = new_population(3)

    assert np.array_equal(population.parameters[[0, 0, 0]], population.parameters)


@pytest.mark.parametrize("number", [int, np.int64])
@pytest.mark.parametrize(("n_rows", "steps"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3)])
def test_an_epoch_takes_a_step_for_every_batch_begun(n_rows: int, steps: int, number: Any) -> None:
    population = new_population(batch_size=number(8))
    fitted(population, random_rows(n_rows), 0.1, epochs=1)

    assert steps == population.steps == population.steps_per_epoch(n_rows)


def test_the_training_loss_of_one_batch_is_the_loss_before_its_update() -> None:
    population, rows = new_population(batch_size=20), random_rows(20)
    before = population.evaluate(rows)

    assert before == pytest.approx(fitted(population, rows, 0.5, epochs=1)[0].training_loss)


def test_the_training_loss_is_the_mean_over_rows_also_when_a_batch_is_not_full() -> None:
    population, rows = line(1.0, 2.0, 3.0, 4.0, 6.0, batch_size=4)

    loss = fitted(population, rows, 1e-9, epochs=1, rng=None)[0].training_loss

    assert loss == pytest.approx([(1 + 4 + 9 + 16 + 36) / 5])


def test_the_validation_loss_is_that_at_the_end_of_the_epoch() -> None:
    population, validation = new_population(), random_rows(30, seed=7)
    epochs = fitted(population, random_rows(), 0.3, epochs=2, validation=validation)

    assert np.array_equal(population.evaluate(validation), epochs[-1].validation_loss)


def test_without_rows_to_validate_with_there_is_no_validation_loss() -> None:
    assert fitted(new_population(), random_rows(), 0.1)[0].validation_loss is None


def test_the_rates_of_an_epoch_are_those_of_its_first_step() -> None:
    schedules = [Schedule(learning_rate_init=0.4, warmup_epochs=2), *constant(0.1)]
    rng = np.random.default_rng(0)
    epochs = list(
        train(new_population(2, batch_size=5), schedules, random_rows(), epochs=range(3), rng=rng)
    )

    assert [epoch.rates.tolist() for epoch in epochs] == [[0.0, 0.1], [0.2, 0.1], [0.4, 0.1]]


@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_in_pieces_is_the_mean_over_all_rows(weighted: bool) -> None:
    population, rows = new_population(2), random_rows(2 * EVALUATION_ROWS + 3)
    weight = np.random.default_rng(0).uniform(size=len(rows)) if weighted else None
    losses = -np.log((population.outputs(rows.X) * rows.y).sum(axis=-1))

    expected = np.average(losses, axis=1, weights=weight)

    assert expected == pytest.approx(population.evaluate(Rows(rows.X, rows.y, weight)), rel=1e-12)


def test_evaluating_other_rows_gives_their_loss() -> None:
    population, rows, others = new_population(), random_rows(), random_rows(seed=1)
    weighted = Rows(rows.X, rows.y, np.arange(20.0))
    before = population.evaluate(rows)

    assert population.evaluate(others) != before
    assert population.evaluate(rows) == population.evaluate(rows) == before
    population.outputs(others.X)
    assert population.evaluate(rows) == before
    assert population.evaluate(weighted) != before
    assert population.evaluate(rows) == before
    fitted(population, rows, 0.1)
    assert population.evaluate(rows) < before


def test_losses_are_averaged_in_float64() -> None:
    X, losses = np.zeros((200, 1), np.float32), np.linspace(0, 3, 200, dtype=np.float32) ** 2
    population = Population(LINE, SGD(), np.zeros(2, np.float32))
    y = np.sqrt(losses)[:, np.newaxis]
    expected = np.mean((y[:, 0] * y[:, 0]).astype(np.float64))

    assert expected == pytest.approx(population.evaluate(Rows(X, y))[0], rel=1e-14)


def test_training_in_two_parts_is_training_at_once() -> None:
    whole, halves, rng = (
        new_population(optimizer=Adam()),
        new_population(optimizer=Adam()),
        np.random.default_rng(0),
    )
    fitted(whole, random_rows(), 0.05, epochs=4)
    for _ in range(2):
        fitted(halves, random_rows(), 0.05, epochs=2, rng=rng)

    assert np.array_equal(whole.parameters, halves.parameters)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_training_lowers_the_loss(loss: str, optimizer: str) -> None:
    rows, network = random_rows(60), Network((4, 6, 3), loss=loss)
    initial = network.initial_parameters(np.random.default_rng(0), np.dtype("float64"))
    population = Population(network, OPTIMIZERS[optimizer](), initial)
    epochs = fitted(population, rows, 0.01, epochs=20)

    assert epochs[-1].training_loss < epochs[0].training_loss


# --- divergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_setting_that_diverges_is_recorded_and_dropped(optimizer: str, dtype: str) -> None:
    population = new_population(3, optimizer=OPTIMIZERS[optimizer](), dtype=dtype, batch_size=20)
    epochs = fitted(population, random_rows(dtype=dtype), 0.01, 1e30, 0.02)
    divergence = population.diverged[1]

    assert (divergence.setting, divergence.step) == (1, 1)
    assert not divergence.loss <= population.threshold
    assert [epoch.settings.tolist() for epoch in epochs] == [[0, 1, 2], [0, 2], [0, 2]]
    assert population.settings.tolist() == [0, 2]
    assert population.parameters.shape == (2, population.network.n_parameters)


@pytest.mark.parametrize("rate", [1e30, 1e38, 1e39, 1e300])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_rate_is_too_high_to_diverge_without_a_warning(dtype: str, rate: float) -> None:
    population = new_population(2, dtype=dtype)
    fitted(population, random_rows(dtype=dtype), 0.1, rate)

    assert list(population.diverged) == [1]


def test_the_last_setting_to_diverge_ends_the_training() -> None:
    population = new_population(2, batch_size=5)

    assert fitted(population, random_rows(), 1e30, 1e31, validation=random_rows()) == []
    assert len(population) == 0


def test_the_caller_ends_the_training_by_dropping_all() -> None:
    population, n_epochs = new_population(2), 0
    for _ in train(
        population, constant(1, 2), random_rows(), epochs=range(9), rng=np.random.default_rng(0)
    ):
        n_epochs += 1
        population.keep(np.zeros(2, dtype=bool))

    assert n_epochs == 1


def test_a_setting_that_diverges_on_the_validation_rows_is_dropped() -> None:
    rows, far = random_rows(), Rows(np.full((2, 4), 1e3), np.eye(3)[:2])
    population = new_population(2, batch_size=20)
    epochs = fitted(population, rows, 1e-9, 30.0, epochs=1, validation=far)

    assert [epoch.settings.tolist() for epoch in epochs] == [[0]]
    assert population.diverged[1].loss > population.threshold


def test_the_threshold_is_ten_times_the_larger_of_a_guess_and_the_first_batch() -> None:
    population, rows = line(1.0, 3.0, batch_size=2)
    fitted(population, rows, 1e-9)

    assert population.threshold == 50.0  # mean of y², which is more than its variance


OUTLIER = [1.0, -1.0] * 12 + [8.0]  # the first loss is 1, so the threshold is 10; the last is 64


def test_a_batch_that_is_not_full_counts_by_its_share() -> None:
    population, rows = probe(*OUTLIER, batch_size=8)
    fitted(population, rows, 1e-12, epochs=1, rng=None)

    assert population.diverged == {}


def test_a_full_batch_counts_in_full() -> None:
    population, rows = probe(*OUTLIER, batch_size=1)
    fitted(population, rows, 1e-12, epochs=1, rng=None)

    assert population.diverged == {0: Divergence(0, 24, pytest.approx(64.0))}


def test_fewer_rows_than_a_batch_count_in_full() -> None:
    population, rows = probe(1.0, -1.0, batch_size=8)
    _, later = probe(4.0, -4.0, batch_size=8)
    for batch in (rows, later):
        population.train_epoch(batch, np.full((1, 1), 1e-12), np.arange(2))

    assert population.diverged == {0: Divergence(0, 1, pytest.approx(16.0))}


def test_an_outlier_among_the_targets_is_no_divergence() -> None:
    population, rows = line(*[1.0, -1.0] * 12, 100.0, batch_size=1)
    far = Rows(np.zeros((1, 1)), np.array([[1000.0]]))
    fitted(population, rows, 1e-12, validation=far, rng=None)

    assert population.diverged == {}


def test_data_that_overflow_at_once_diverge_at_the_first_step() -> None:
    rows = Rows(np.array([[1e200]]), np.array([[1.0]]))
    population = Population(LINE, SGD(), np.ones(2))
    fitted(population, rows, 0.1)

    assert population.diverged == {0: Divergence(0, 0, math.inf)}


# --- size -----------------------------------------------------------------------------------------


def test_a_population_fits_the_cache() -> None:
    network = Network((64, 64, 32, 10))
    size = population_size(network, 32, np.dtype("float32"))
    numbers = 3 * network.n_parameters + 2 * 32 * (64 + 32 + 10)

    assert size * numbers * 4 <= CACHE_BYTES < (size + 1) * numbers * 4


def test_a_network_larger_than_the_cache_trains_alone() -> None:
    assert population_size(Network((3000, 3000, 10)), 32, np.dtype("float64")) == 1
