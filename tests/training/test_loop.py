"""Training K settings together gives the numbers of K single trainings, bit for bit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import train
from lrtune.training.network import LOSSES, Network
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.population import EVALUATION_ROWS, Population
from lrtune.training.rows import Rows

HUGE = {"float32": 1e30, "float64": 1e200}
"""Rates whose first step ends in inf or NaN."""


@pytest.fixture(autouse=True, scope="module")
def _one_blas_thread() -> Iterator[None]:
    with threadpool_limits(1, user_api="blas"):
        yield


@dataclass(frozen=True)
class Task:
    """Everything that the settings of a population share."""

    layer_sizes: tuple[int, ...] = (5, 17, 9, 3)
    loss: str = "log_loss"
    activation: str = "relu"
    optimizer: str = "sgd"
    dtype: str = "float32"
    n_rows: int = 45
    batch_size: int = 8
    alpha: float = 0.0
    weighted: bool = False
    epochs: int = 3
    seed: int = 0

    def rows(self, n_rows: int, seed: int) -> Rows:
        rng, outputs = np.random.default_rng(seed), self.layer_sizes[-1]
        X = rng.normal(size=(n_rows, self.layer_sizes[0])).astype(self.dtype)
        labels = np.eye(outputs)[rng.integers(0, outputs, n_rows)]
        y = labels if self.loss == "log_loss" else rng.normal(size=(n_rows, outputs))
        weight = rng.integers(0, 4, n_rows) + 0.5 if self.weighted else None
        return Rows(X, y.astype(self.dtype), None if weight is None else weight.astype(self.dtype))

    @property
    def training(self) -> Rows:
        return self.rows(self.n_rows, self.seed)

    @property
    def validation(self) -> Rows:
        return self.rows(EVALUATION_ROWS + 7, self.seed + 1)

    def population(self, n_settings: int) -> Population:
        network = Network(self.layer_sizes, activation=self.activation, loss=self.loss)
        return Population(
            network,
            OPTIMIZERS[self.optimizer](),
            network.initial_parameters(np.random.default_rng(self.seed), np.dtype(self.dtype)),
            n_settings=n_settings,
            alpha=self.alpha,
            batch_size=self.batch_size,
        )


@dataclass
class Run:
    """The training of one setting: its losses, last parameters, and divergence if any."""

    curve: list[tuple[float, float, float]]
    parameters: Any
    divergence: tuple[int, float] | None = None


def runs(task: Task, schedules: Sequence[Schedule], dropped: int | None = None) -> list[Run]:
    """Train the schedules together, and drop one setting after the first epoch."""
    population = task.population(len(schedules))
    results = [Run([], population.parameters[0].copy()) for _ in schedules]
    rng, rows = np.random.default_rng(task.seed), task.training
    for epoch in train(
        population, schedules, rows, epochs=range(task.epochs), rng=rng, validation=task.validation
    ):
        numbers = zip(epoch.rates, epoch.training_loss, epoch.validation_loss, strict=True)
        for index, (setting, point) in enumerate(zip(epoch.settings, numbers, strict=True)):
            results[setting].curve.append(point)
            results[setting].parameters = population.parameters[index].copy()
        if dropped is not None:
            population.keep(population.settings != dropped)
    for setting, divergence in population.diverged.items():
        results[setting].divergence = (divergence.step, divergence.loss)
    return results


def identical(a: Run, b: Run) -> bool:
    nothing = (-1, 0.0)
    return all(
        np.array_equal(x, y, equal_nan=True)
        for x, y in (
            (a.curve, b.curve),
            (a.parameters, b.parameters),
            (a.divergence or nothing, b.divergence or nothing),
        )
    )


def constant(*rates: float) -> list[Schedule]:
    return [Schedule(learning_rate_init=rate) for rate in rates]


def mixed(dtype: str, warmup_epochs: float = 0.0) -> list[Schedule]:
    """Return settings that learn, that have too high a rate, and that overflow at once."""
    return [
        Schedule(learning_rate_init=rate, warmup_epochs=warmup_epochs)
        for rate in (0.01, HUGE[dtype], 3.0, 0.1, 300.0, 1.0)
    ]


def together_as_alone(task: Task, schedules: Sequence[Schedule]) -> list[bool]:
    together = runs(task, schedules)
    return [identical(runs(task, [s])[0], run) for s, run in zip(schedules, together, strict=True)]


# --- bit for bit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "sample weights"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_setting_gets_the_numbers_it_would_get_alone(
    optimizer: str, dtype: str, weighted: bool
) -> None:
    task = Task(optimizer=optimizer, dtype=dtype, weighted=weighted, alpha=0.01)

    assert all(together_as_alone(task, mixed(dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_settings_that_diverge_later_do_not_change_the_others(optimizer: str, dtype: str) -> None:
    schedules = mixed(dtype, warmup_epochs=3)

    assert all(together_as_alone(Task(optimizer=optimizer, dtype=dtype, epochs=5), schedules))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_these_comparisons_include_every_kind_of_ending(dtype: str) -> None:
    schedules = mixed(dtype, warmup_epochs=3)
    results = runs(Task(optimizer="momentum", dtype=dtype, epochs=5), schedules)
    losses = [run.divergence[1] for run in results if run.divergence is not None]

    assert {0, 5} < {len(run.curve) for run in results}
    assert {True, False} == {bool(np.isfinite(loss)) for loss in losses}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layer_sizes", [(1, 1), (6, 1), (7, 1, 1), (3, 64, 1), (20, 33, 16, 2)])
def test_regression_of_any_width_is_bit_for_bit(layer_sizes: tuple[int, ...], dtype: str) -> None:
    task = Task(layer_sizes=layer_sizes, loss="squared_error", dtype=dtype, activation="tanh")

    assert all(together_as_alone(task, mixed(dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_as_wide_as_those_for_digits_is_bit_for_bit(dtype: str) -> None:
    task = Task(layer_sizes=(64, 128, 64, 10), dtype=dtype, n_rows=150, batch_size=32)

    assert all(together_as_alone(task, mixed(dtype)))


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "sample weights"])
def test_a_population_larger_than_the_buffers_of_numpy_is_bit_for_bit(weighted: bool) -> None:
    task = Task(weighted=weighted, n_rows=150, batch_size=100, epochs=2)
    rates = np.geomspace(1e-3, 1, 90).tolist()
    border = np.getbufsize() // task.batch_size
    together = runs(task, constant(*rates))
    alone = [runs(task, constant(rate))[0] for rate in rates[border - 5 :]]

    assert all(identical(a, b) for a, b in zip(alone, together[border - 5 :], strict=True))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_rows", [1, 17])
def test_many_outputs_and_a_batch_of_one_row_are_bit_for_bit(n_rows: int, loss: str) -> None:
    task = Task(layer_sizes=(5, 9, 20), loss=loss, n_rows=n_rows, batch_size=8, epochs=20)

    assert all(together_as_alone(task, constant(0.01, 0.1, 1.0)))


def test_decay_types_of_all_kinds_train_side_by_side() -> None:
    schedules = [
        Schedule(learning_rate_init=0.3, decay="plateau", decay_rate=0.7, patience=0),
        Schedule(learning_rate_init=0.3, decay="cosine", decay_rate=0.3, update="batch"),
        Schedule(learning_rate_init=900.0, decay="compound", decay_rate=0.3),
        Schedule(learning_rate_init=0.3, decay="linear", decay_rate=0.5, warmup_epochs=1),
        Schedule(learning_rate_init=0.9, decay="plateau", decay_rate=0.7, patience=1),
    ]

    assert all(together_as_alone(Task(epochs=6), schedules))


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    loss = draw(st.sampled_from(list(LOSSES)))
    hidden = draw(st.lists(st.integers(1, 40), max_size=2))
    outputs = draw(st.integers(2 if loss == "log_loss" else 1, 12))
    return Task(
        layer_sizes=(draw(st.integers(1, 9)), *hidden, outputs),
        loss=loss,
        activation=draw(st.sampled_from(["identity", "logistic", "relu", "tanh"])),
        optimizer=draw(st.sampled_from(list(OPTIMIZERS))),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        n_rows=draw(st.integers(1, 40)),
        batch_size=draw(st.integers(1, 17)),
        alpha=draw(st.sampled_from([0.0, 0.1])),
        weighted=draw(st.booleans()),
        epochs=2,
        seed=draw(st.integers(0, 9)),
    )


rates = st.one_of(st.floats(-4, 3).map(lambda power: 10**power), st.just(1e30))


@given(task=tasks(), alphas=st.lists(rates, min_size=1, max_size=5))
@settings(deadline=None, max_examples=100)
def test_any_population_is_bit_for_bit(task: Task, alphas: list[float]) -> None:
    assert all(together_as_alone(task, constant(*alphas)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_setting_that_the_caller_drops_does_not_change_the_others(optimizer: str) -> None:
    task, schedules = Task(optimizer=optimizer), mixed("float32")
    expected = runs(task, schedules)
    results = runs(task, schedules, dropped=3)
    stayed = [identical(a, b) for a, b in zip(expected, results, strict=True)]

    assert len(results[3].curve) == 1
    assert stayed == [True, True, True, False, True, True]


# --- common random numbers ------------------------------------------------------------------------


def test_equal_settings_get_equal_numbers() -> None:
    first, *others = runs(Task(dtype="float64"), constant(0.3, 0.3, 0.3))

    assert all(identical(first, other) for other in others)


def test_rows_are_visited_in_the_order_of_the_generator() -> None:
    task, by_hand, shuffled = Task(), Task().population(1), Task().population(1)
    rng = np.random.default_rng(4)
    for _ in range(3):
        by_hand.train_epoch(task.training, np.full((6, 1), 0.1), rng.permutation(task.n_rows))

    list(
        train(shuffled, constant(0.1), task.training, epochs=range(3), rng=np.random.default_rng(4))
    )

    assert np.array_equal(by_hand.parameters, shuffled.parameters)


def test_without_a_generator_rows_keep_their_order() -> None:
    task, by_hand, plain = Task(), Task().population(1), Task().population(1)
    by_hand.train_epoch(task.training, np.full((6, 1), 0.1), np.arange(task.n_rows))

    list(train(plain, constant(0.1), task.training, epochs=range(1), rng=None))

    assert np.array_equal(by_hand.parameters, plain.parameters)
