"""The range test: known answers, and an edge inside the range."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune.training.population
from lrtune import MLPClassifier, MLPRegressor, lr_range_test
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.training.loop import train
from lrtune.training.network import Network
from lrtune.training.optimizers import OPTIMIZERS, SGD
from lrtune.training.population import Population
from lrtune.training.random_streams import RandomStreams
from lrtune.training.rows import Rows
from lrtune.tuning.range_result import RANGE_ABOVE_EDGE, RANGE_BELOW_EDGE, SUGGESTIONS
from lrtune.tuning.range_test import range_test
from lrtune.tuning.trainers.edges import HELD_PER_DECADE
from lrtune.tuning.trainers.preparation import Prepared, prepare
from lrtune.tuning.trainers.replicates import make_replicates


def pipeline(data: str, **options: Any) -> tuple[Any, Any, Any]:
    dataset = load_dataset(data)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    return make_pipeline(StandardScaler(), network(**options)), dataset.X, dataset.y


def prepared_replicates(data: str, n_replicates: int = 3, **options: Any) -> list[Prepared]:
    estimator, X, y = pipeline(data, **options)
    task = load_dataset(data).task
    return [prepare(estimator, X, y, r) for r in make_replicates(y, n_replicates, task=task)]


# --- the ramp -------------------------------------------------------------------------------------


def test_the_losses_are_those_of_a_training_whose_rate_rises() -> None:
    """They are those of a population trained step by step with the same rates."""
    (prepared,) = prepared_replicates("iris", 1, optimizer="momentum", dtype="float64")
    result = range_test([prepared], low=1e-3, high=1e-1, n_steps=12, smoothing=0.0)
    streams = RandomStreams(prepared.seed)
    population = prepared.model.make_population(prepared.rows, 1, streams.weights)
    expected: list[float] = []
    steps = population.steps_per_epoch(len(prepared.rows))
    for epoch in range(3):
        order = streams.rows.permutation(len(prepared.rows))
        for step in range(steps):
            batch = order[step * 32 : (step + 1) * 32]
            expected.append(float(population.evaluate(prepared.rows.take(batch))[0]))
            rate = result.rates[[epoch * steps + step]]
            population.train_step(prepared.rows, batch, rate)

    assert result.losses[0].tolist() == pytest.approx(expected, rel=1e-12)
    assert result.smoothed[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_steps_taken_one_by_one_make_an_epoch() -> None:
    (prepared,) = prepared_replicates("iris", 1)
    rows, order = prepared.rows, np.random.default_rng(0).permutation(len(prepared.rows))
    rates = np.geomspace(0.01, 1e3, 5)

    def population() -> Population:
        made: Population = prepared.model.make_population(rows, 5, np.random.default_rng(1))
        return made

    whole, pieces = population(), population()
    steps = whole.steps_per_epoch(len(rows))
    loss = whole.train_epoch(rows, np.tile(rates, (steps, 1)), order)
    values = dict.fromkeys(range(5), 0.0)
    for start in range(0, len(rows), 32):
        stack = pieces.settings
        batch, weight = pieces.train_step(rows, order[start : start + 32], rates[stack])
        for setting, value in zip(stack.tolist(), batch.tolist(), strict=True):
            values[setting] += weight * value

    assert np.array_equal(whole.parameters, pieces.parameters)
    assert whole.diverged.keys() == pieces.diverged.keys() != set()
    assert loss.tolist() == [values[s] / len(rows) for s in pieces.settings.tolist()]


def test_a_batch_without_weight_trains_nothing() -> None:
    (prepared,) = prepared_replicates("iris", 1)
    rows = Rows(prepared.rows.X, prepared.rows.y, np.zeros(len(prepared.rows)))
    population = prepared.model.make_population(rows, 2, np.random.default_rng(0))
    before = population.parameters.copy()
    loss, weight = population.train_step(rows, np.arange(8), np.ones(2))

    assert (loss.tolist(), weight, population.steps) == ([0.0, 0.0], 0.0, 0)
    assert np.array_equal(before, population.parameters)


def test_a_replicate_that_diverges_is_stopped_and_not_a_number_from_then_on() -> None:
    result = range_test(prepared_replicates("diabetes"))
    for losses, stop in zip(result.losses, result.stops, strict=True):
        last = int(np.flatnonzero(result.rates == stop)[0])

        assert np.isnan(losses[last + 1 :]).all()
        assert np.isfinite(losses[:last]).all()
        assert not losses[last] < 10 * losses[0]


# --- the edge -------------------------------------------------------------------------------------


class Line:
    """One weight and a bias, without a hidden layer: a quadratic loss."""

    batch_size, shuffle = 64, True

    def make_population(self, rows: Rows, n_settings: int, rng: np.random.Generator) -> Any:
        network = Network((1, 1), loss="squared_error")
        initial = network.initial_parameters(rng, rows.X.dtype)
        return Population(network, SGD(), initial, n_settings=n_settings, batch_size=64)


@pytest.mark.parametrize(("x", "expected"), [(3.0, 0.178), (10.0, 0.0178), (0.5, 1.78)])
def test_the_edge_of_a_quadratic_is_two_over_its_curvature(x: float, expected: float) -> None:
    """Gradient descent on mean (w·x + b - y)² diverges beyond 2 / max(2·mean(x²), 2)."""
    inputs = np.tile([-x, x], 20)[:, np.newaxis]
    rows = Rows(inputs, 2 * inputs / x + 1)
    prepared = Prepared(Line(), rows, rows, inputs, rows.y, np.arange(40), seed=0)
    textbook = 1 / max(x * x, 1)
    result = range_test([prepared], low=1e-3, high=100)

    assert result.edges.tolist() == pytest.approx([expected], rel=0.01)  # four a decade
    assert textbook < result.edges[0] < 1.01 * textbook * 10 ** (1 / HELD_PER_DECADE)
    assert textbook < result.stops[0] < textbook * 10  # it had the line fitted by then


def test_the_edge_does_not_depend_on_the_size_of_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = prepared_replicates("wine", 2)
    whole = range_test(prepared).edges
    monkeypatch.setattr(lrtune.training.population, "CACHE_BYTES", 1)

    assert whole.tolist() == range_test(prepared).edges.tolist()


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "dog"])
@pytest.mark.parametrize(
    "data",
    [pytest.param(data, marks=[] if data == "diabetes" else pytest.mark.slow) for data in BUNDLED],
)
def test_the_edge_is_inside_the_range(data: str, optimizer: str) -> None:
    result = range_test(prepared_replicates(data, optimizer=optimizer, dtype="float32"))
    low, high = result.learning_rate_range

    assert result.edge is not None
    assert low < np.nanmin(result.edges) <= result.edge < high
    assert result.warnings == ()
    assert high / result.edge == pytest.approx(RANGE_ABOVE_EDGE, rel=0.05)
    assert result.edge / low == pytest.approx(RANGE_BELOW_EDGE, rel=0.05)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_edge_of_a_whole_training_is_inside_the_range(optimizer: str) -> None:
    """A rate at the range's upper end diverges within 20 epochs, one at the lower end does not."""
    prepared = prepared_replicates("breast_cancer", optimizer=optimizer, dtype="float32")
    ends = range_test(prepared).learning_rate_range
    for replicate in prepared:
        streams = RandomStreams(replicate.seed)
        population = replicate.model.make_population(replicate.rows, 2, streams.weights)
        schedules = [Schedule(learning_rate_init=end) for end in ends]
        list(train(population, schedules, replicate.rows, epochs=range(20), rng=streams.rows))

        assert list(population.diverged) == [1]


def test_every_optimizer_can_be_tested() -> None:
    for optimizer in OPTIMIZERS:
        result = range_test(prepared_replicates("iris", 1, optimizer=optimizer))

        assert np.isfinite(result.losses[0, 0])
        assert 0 < result.learning_rate_range[0] < result.learning_rate_range[1]


# --- the whole result ---------------------------------------------------------------------------


def test_suggestions_lie_within_the_tested_rates() -> None:
    result = range_test(prepared_replicates("digits"))

    assert list(result.suggestions) == list(SUGGESTIONS)
    for name, rates in result.suggestions.items():
        lowest = result.rates[0] / (10 if name == "minimum" else 1)
        assert ((rates >= lowest) & (rates < result.rates[-1])).all()


@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_the_result_is_json(data: str) -> None:
    values = json.loads(
        json.dumps(range_test(prepared_replicates(data)).to_dict(), allow_nan=False)
    )

    assert list(values)[:5] == [
        "edge",
        "edge_spread",
        "learning_rate_range",
        "suggestions",
        "warnings",
    ]
    assert {len(row) for row in [values["rates"], *values["losses"], *values["smoothed"]]} == {100}


# --- arguments ------------------------------------------------------------------------------------


def test_nothing_is_changed() -> None:
    estimator, X, y = pipeline("iris")
    before, weights = str(estimator.get_params()), (X.copy(), y.copy())
    np.random.seed(3)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]  # noqa: NPY002
    for random_state in (0, None):
        lr_range_test(estimator, X, y, n_replicates=1, random_state=random_state)

    assert before == str(estimator.get_params())
    assert not hasattr(estimator[-1], "coefs_")
    assert not hasattr(estimator[0], "mean_")
    assert np.array_equal(X, weights[0])
    assert np.array_equal(y, weights[1])
    assert np.array_equal(state, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_the_same_seed_gives_the_same_result() -> None:
    estimator, X, y = pipeline("wine")
    first, again = (lr_range_test(estimator, X, y).to_dict() for _ in range(2))
    other = lr_range_test(clone(estimator), X, y, random_state=1).to_dict()

    assert first == again
    assert first["losses"] != other["losses"]


def test_a_generator_is_drawn_from() -> None:
    estimator, X, y = pipeline("iris")
    rng = np.random.RandomState(0)
    first = lr_range_test(estimator, X, y, n_replicates=1, random_state=rng)
    second = lr_range_test(estimator, X, y, n_replicates=1, random_state=rng)

    assert first.losses[0, 0] != second.losses[0, 0]


def test_the_estimators_own_rate_decay_and_epochs_make_no_difference() -> None:
    estimator, X, y = pipeline("iris")
    other, _, _ = pipeline(
        "iris", learning_rate_init=7.0, decay="cosine", decay_rate=1.0, warmup_epochs=2, max_iter=3
    )
    first, second = (lr_range_test(model, X, y, n_replicates=2) for model in (estimator, other))

    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize("option", [{"optimizer": "adam"}, {"batch_size": 8}, {"alpha": 1.0}])
def test_the_estimators_own_optimizer_batch_size_and_penalty_count(option: Any) -> None:
    first, second = (range_test(prepared_replicates("iris", 1, **o)) for o in ({}, option))

    assert not np.array_equal(first.losses, second.losses, equal_nan=True)


def test_a_bare_estimator_lists_and_frames_are_taken() -> None:
    _, X, y = pipeline("iris")
    X = StandardScaler().fit_transform(X)
    results = [
        lr_range_test(MLPClassifier(), *table, n_replicates=1).to_dict()
        for table in ((X, y), (X.tolist(), y.tolist()), (pd.DataFrame(X), pd.Series(y)))
    ]

    assert results[0] == results[1] == results[2]


def test_rows_of_no_weight_are_left_out() -> None:
    _, X, y = pipeline("iris")
    weight = np.tile([0.0, 1.0, 2.0], 50)
    spoiled = X.copy()
    spoiled[::3] = 1e3
    plain = MLPClassifier()
    first, second = (
        lr_range_test(plain, table, y, n_replicates=2, sample_weight=weight, high=1.0)
        for table in (X, spoiled)
    )

    assert first.to_dict() == second.to_dict()
    (prepared,) = prepared_replicates("iris", 1)
    weightless = Rows(prepared.rows.X, prepared.rows.y, np.zeros(len(prepared.rows)))
    with pytest.raises(InvalidInputError, match="`sample_weight` must be above 0 for some"):
        range_test([replace(prepared, rows=weightless)])


def test_divergence_at_the_lowest_rate_is_an_error_with_its_cure() -> None:
    _, X, y = pipeline("diabetes")
    with pytest.raises(
        NothingCompletedError, match="even at the lowest rate, 1e-06, on 5 of 5 rep"
    ) as e:
        lr_range_test(MLPRegressor(), X * 1e9, y)

    assert "standardise the columns, or test lower rates" in str(e.value)


def test_data_that_overflow_are_an_error_too() -> None:
    _, X, y = pipeline("diabetes")
    with pytest.raises(NothingCompletedError, match="standardise the columns"):
        lr_range_test(MLPRegressor(dtype="float32"), X * 1e35, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0}, "`low` must be a positive, finite number, but got 0"),
        ({"low": -1.0}, "`low` must be a positive, finite number, but got -1.0"),
        ({"low": math.nan}, "`low` must be a positive, finite number, but got nan"),
        ({"low": "1"}, "`low` must be a positive, finite number, but got '1'"),
        ({"high": math.inf}, "`high` must be a positive, finite number, but got inf"),
        ({"low": 1.0, "high": 1.0}, "`low` must be below `high`, but got 1.0 and 1.0"),
        ({"n_steps": 9}, "`n_steps` must be a whole number of at least 10, but got 9"),
        ({"n_steps": 50.0}, "`n_steps` must be a whole number of at least 10, but got 50.0"),
        ({"smoothing": 1.0}, "`smoothing` must be at least 0 and below 1, but got 1.0"),
        ({"n_replicates": 0}, "`n_replicates` must be a whole number of at least 1, but got 0"),
        ({"random_state": -1}, "`random_state` must be a whole number of at least 0, a Random"),
        ({"random_state": "x"}, "`random_state` must be a whole number of at least 0, a Random"),
        ({"estimator": StandardScaler()}, "`estimator` must be lrtune's MLPClassifier or MLPReg"),
        ({"y": None}, "`y` must be given, but got None"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, message: str) -> None:
    estimator, X, y = pipeline("iris")
    values = {"estimator": estimator, "X": X, "y": y, **arguments}
    with pytest.raises(InvalidInputError) as caught:
        lr_range_test(values.pop("estimator"), values.pop("X"), values.pop("y"), **values)

    assert str(caught.value).startswith(message)


def test_columns_that_are_not_finite_are_refused() -> None:
    _, X, y = pipeline("iris")
    X = X.copy()
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        lr_range_test(MLPClassifier(), X, y)


def test_no_replicates_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one replicate, but got none"):
        range_test([])
