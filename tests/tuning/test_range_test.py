"""The range test: known answers, the field's rules, and an edge inside the range."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune.training.population
from lrtune import MLPClassifier, MLPRegressor, lr_range_test
from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.training.batches import Batches
from lrtune.training.loop import train
from lrtune.training.network import Network
from lrtune.training.optimizers import OPTIMIZERS, SGD
from lrtune.training.population import Population
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning import range_test as module
from lrtune.tuning.range_result import (
    RANGE_ABOVE_EDGE,
    RANGE_BELOW_EDGE,
    RANGE_WITHOUT_EDGE,
    SUGGESTIONS,
    RangeTestResult,
    Spread,
    minimum,
    smooth,
    steepest,
    valley,
)
from lrtune.tuning.range_test import HELD_PER_DECADE, range_test
from lrtune.tuning.trainers.network import Prepared, prepare
from lrtune.tuning.trainers.replicates import make_replicates

LOSSES = st.lists(st.floats(0, 10), min_size=2, max_size=40)


def pipeline(data: str, **options: Any) -> tuple[Any, Any, Any]:
    dataset = load_dataset(data)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    return make_pipeline(StandardScaler(), network(**options)), dataset.X, dataset.y


def made_ready(data: str, n_replicates: int = 3, **options: Any) -> list[Prepared]:
    estimator, X, y = pipeline(data, **options)
    task = load_dataset(data).task
    return [prepare(estimator, X, y, r) for r in make_replicates(y, n_replicates, task=task)]


def result_of(edges: Any, *, rates: Any = None) -> RangeTestResult:
    rates = np.geomspace(1e-3, 10, 20) if rates is None else rates
    losses = np.ones((len(edges), len(rates)))
    edges = np.array(edges, dtype=float)
    return RangeTestResult(
        rates, losses, losses, edges, edges, dict.fromkeys(SUGGESTIONS, edges / 10)
    )


# --- smoothing ------------------------------------------------------------------------------------


@given(LOSSES, st.floats(0, 0.99))
def test_smoothing_is_a_weighted_mean_of_the_losses_so_far(
    losses: list[float], beta: float
) -> None:
    smoothed = smooth(losses, beta)
    slow = [
        sum(beta ** (t - s) * losses[s] for s in range(t + 1))
        / sum(beta ** (t - s) for s in range(t + 1))
        for t in range(len(losses))
    ]

    assert smoothed.tolist() == pytest.approx(slow, abs=1e-9)


def test_smoothing_is_that_of_pandas() -> None:
    losses = np.random.default_rng(0).normal(size=(3, 50))
    theirs = pd.DataFrame(losses.T).ewm(alpha=0.1, adjust=True).mean().to_numpy().T

    assert np.allclose(theirs, smooth(losses, 0.9), rtol=1e-12)


def test_no_smoothing_leaves_the_losses_alone() -> None:
    assert smooth([3.0, 1.0, 2.0], 0.0).tolist() == [3.0, 1.0, 2.0]


def test_a_loss_that_is_not_a_number_spreads_to_those_after_it_alone() -> None:
    smoothed = smooth([[1.0, math.nan, 1.0], [1.0, 1.0, 1.0]], 0.5)

    assert np.isnan(smoothed).tolist() == [[False, True, True], [False] * 3]


# --- the field's rules ----------------------------------------------------------------------------


def fastai_valley(rates: Any, losses: Any) -> float:
    """The quadratic loop that `valley` stands for."""
    lengths = [1] * len(losses)
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                lengths[i] = max(lengths[i], lengths[j] + 1)
    end = lengths.index(max(lengths))
    third = max(lengths) / 3
    return float(rates[end - max(lengths) + int(third) + int(third / 2)])


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60))
def test_valley_is_the_slow_loops(losses: list[int]) -> None:
    rates = np.geomspace(1e-3, 1, len(losses))

    assert fastai_valley(rates, losses) == valley(rates, np.array(losses, dtype=float))


def test_the_rules_on_a_curve_with_known_answers() -> None:
    rates = np.geomspace(1e-4, 10, 51)
    position = np.log10(rates)
    # flat to 1e-3, falling to 0.1, steepest halfway (at 0.01), then rising
    losses = np.where(position < -3, 2.0, 1.5 + np.cos((position + 3) / 2 * np.pi) / 2)
    losses = np.where(position > -1, 1.0 + (position + 1) ** 2, losses)

    assert valley(rates, losses) == pytest.approx(0.01, rel=0.3)
    assert steepest(rates, losses) == pytest.approx(0.01, rel=0.3)
    assert minimum(rates, losses) == pytest.approx(0.01)


def test_steepest_is_per_log_rate_not_per_rate_or_step() -> None:
    rates = np.array([0.001, 0.01, 0.02, 0.03])

    assert steepest(rates, np.array([5.0, 4.0, 3.5, 3.2])) == 0.02  # -0.43, -0.72, -0.74


# --- the ramp -------------------------------------------------------------------------------------


def test_the_losses_are_those_of_a_training_whose_rate_rises() -> None:
    """Where the rate rises from epoch to epoch, a population trained step by step tells them."""
    (prepared,) = made_ready("iris", 1, optimizer="momentum", dtype="float64")
    result = range_test([prepared], low=1e-3, high=1e-1, n_steps=12, smoothing=0.0)
    streams = RandomStreams(prepared.seed)
    population = prepared.model.make_population(prepared.rows, 1, streams.weights)
    expected: list[float] = []
    steps = population.steps_per_epoch(len(prepared.rows))
    for epoch in range(3):
        order = streams.rows.permutation(len(prepared.rows))
        for step in range(steps):
            picked = order[step * 32 : (step + 1) * 32]
            expected.append(float(population.evaluate(prepared.rows.take(picked))[0]))
            rate = result.rates[[epoch * steps + step]]
            population.train_step(prepared.rows, picked, rate)

    assert result.losses[0].tolist() == pytest.approx(expected, rel=1e-12)
    assert result.smoothed[0].tolist() == pytest.approx(expected, rel=1e-12)


def test_steps_taken_one_by_one_make_an_epoch() -> None:
    (prepared,) = made_ready("iris", 1)
    rows, order = prepared.rows, np.random.default_rng(0).permutation(len(prepared.rows))
    rates = np.geomspace(0.01, 1e3, 5)

    def population() -> Population:
        made: Population = prepared.model.make_population(rows, 5, np.random.default_rng(1))
        return made

    whole, pieces = population(), population()
    steps = whole.steps_per_epoch(len(rows))
    loss = whole.train_epoch(rows, np.tile(rates, (steps, 1)), order)
    told = dict.fromkeys(range(5), 0.0)
    for start in range(0, len(rows), 32):
        stack = pieces.settings
        batch, weight = pieces.train_step(rows, order[start : start + 32], rates[stack])
        for setting, value in zip(stack.tolist(), batch.tolist(), strict=True):
            told[setting] += weight * value

    assert np.array_equal(whole.parameters, pieces.parameters)
    assert whole.diverged.keys() == pieces.diverged.keys() != set()
    assert loss.tolist() == [told[s] / len(rows) for s in pieces.settings.tolist()]


def test_a_batch_without_weight_trains_nothing() -> None:
    (prepared,) = made_ready("iris", 1)
    rows = Batches(prepared.rows.X, prepared.rows.y, np.zeros(len(prepared.rows)))
    population = prepared.model.make_population(rows, 2, np.random.default_rng(0))
    before = population.parameters.copy()
    loss, weight = population.train_step(rows, np.arange(8), np.ones(2))

    assert (loss.tolist(), weight, population.steps) == ([0.0, 0.0], 0.0, 0)
    assert np.array_equal(before, population.parameters)


def test_a_replicate_that_diverges_is_stopped_and_not_a_number_from_then_on() -> None:
    result = range_test(made_ready("diabetes"))
    for losses, stop in zip(result.losses, result.stops, strict=True):
        last = int(np.flatnonzero(result.rates == stop)[0])

        assert np.isnan(losses[last + 1 :]).all()
        assert np.isfinite(losses[:last]).all()
        assert not losses[last] < 10 * losses[0]


# --- the edge -------------------------------------------------------------------------------------


class Line:
    """One weight and a bias, without a hidden layer: a quadratic loss."""

    batch_size, shuffle = 64, True

    def make_population(self, rows: Batches, n_settings: int, rng: np.random.Generator) -> Any:
        network = Network((1, 1), loss="squared_error")
        initial = network.initial_parameters(rng, rows.X.dtype)
        return Population(network, SGD(), initial, n_settings=n_settings, batch_size=64)


@pytest.mark.parametrize(("x", "expected"), [(3.0, 0.178), (10.0, 0.0178), (0.5, 1.78)])
def test_the_edge_of_a_quadratic_is_two_over_its_curvature(x: float, expected: float) -> None:
    """Gradient descent on mean (w·x + b - y)² diverges beyond 2 / max(2·mean(x²), 2)."""
    inputs = np.tile([-x, x], 20)[:, np.newaxis]
    rows = Batches(inputs, 2 * inputs / x + 1)
    prepared = Prepared(Line(), rows, rows, inputs, rows.y, np.arange(40), seed=0)
    textbook = 1 / max(x * x, 1)
    result = range_test([prepared], low=1e-3, high=100)

    assert result.edges.tolist() == pytest.approx([expected], rel=0.01)  # four a decade
    assert textbook < result.edges[0] < 1.01 * textbook * 10 ** (1 / HELD_PER_DECADE)
    assert textbook < result.stops[0] < textbook * 10  # it had the line fitted by then


def test_the_edge_is_the_lowest_rate_that_diverges_when_held() -> None:
    (prepared,) = made_ready("iris", 1, dtype="float64")
    result = range_test([prepared], low=1e-2, high=100)
    grid = np.geomspace(1e-2, 100, 4 * HELD_PER_DECADE + 1)
    streams = RandomStreams(prepared.seed)
    population = prepared.model.make_population(prepared.rows, len(grid), streams.weights)
    schedules = [Schedule(learning_rate_init=float(rate)) for rate in grid]
    steps = population.steps_per_epoch(len(prepared.rows))
    epochs = module.HELD_STEPS // steps
    assert epochs * steps == module.HELD_STEPS  # so that whole epochs tell
    list(train(population, schedules, prepared.rows, epochs=range(epochs), rng=streams.rows))

    assert result.edges.tolist() == [grid[min(population.diverged)]]


def test_the_edge_does_not_depend_on_the_size_of_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = made_ready("wine", 2)
    whole = range_test(prepared).edges
    monkeypatch.setattr(lrtune.training.population, "CACHE_BYTES", 1)

    assert whole.tolist() == range_test(prepared).edges.tolist()


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "dog"])
@pytest.mark.parametrize("data", BUNDLED)
def test_the_edge_is_inside_the_range(data: str, optimizer: str) -> None:
    result = range_test(made_ready(data, optimizer=optimizer, dtype="float32"))
    low, high = result.learning_rate_range

    assert result.edge is not None
    assert low < np.nanmin(result.edges) <= result.edge < high
    assert result.warnings == ()
    assert high / result.edge == pytest.approx(RANGE_ABOVE_EDGE, rel=0.05)
    assert result.edge / low == pytest.approx(RANGE_BELOW_EDGE, rel=0.05)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_edge_of_a_whole_training_is_inside_the_range(optimizer: str) -> None:
    """A rate at the range's upper end diverges within 20 epochs, one at the lower end does not."""
    prepared = made_ready("breast_cancer", optimizer=optimizer, dtype="float32")
    ends = range_test(prepared).learning_rate_range
    for replicate in prepared:
        streams = RandomStreams(replicate.seed)
        population = replicate.model.make_population(replicate.rows, 2, streams.weights)
        schedules = [Schedule(learning_rate_init=end) for end in ends]
        list(train(population, schedules, replicate.rows, epochs=range(20), rng=streams.rows))

        assert list(population.diverged) == [1]


def test_every_optimizer_can_be_tested() -> None:
    for optimizer in OPTIMIZERS:
        result = range_test(made_ready("iris", 1, optimizer=optimizer))

        assert np.isfinite(result.losses[0, 0])
        assert 0 < result.learning_rate_range[0] < result.learning_rate_range[1]


# --- what the result says -------------------------------------------------------------------------


def test_the_range_is_rounded_so_that_a_last_bit_does_not_change_it() -> None:
    edge = 0.5623413251903491
    low, high = result_of([edge]).learning_rate_range

    assert (low, high) == (0.0011, 1.1)
    assert (low, high) == result_of([np.nextafter(edge, 1)]).learning_rate_range


def test_without_an_edge_the_range_ends_at_the_highest_rate_and_a_warning_says_so() -> None:
    result = result_of([math.nan, math.nan, math.nan])

    assert result.edge is None
    assert result.learning_rate_range == (10 / RANGE_WITHOUT_EDGE, 10)
    assert "no replicate diverged up to the highest rate tested, 10," in result.warnings[0]
    assert result.to_dict()["edge"] is None


def test_too_few_edges_are_no_edge() -> None:
    result = result_of([1.0, math.nan, math.nan])

    assert result.edge is None
    assert "only 1 of 3 replicates diverged" in result.warnings[0]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([1.0, 4.0], (2.0, 4**0.25, 4**0.75)),
        ([1.0, 10.0, math.nan], (10.0, 10**0.5, None)),
        ([5.0], (5.0, 5.0, 5.0)),
        ([1.0, math.nan], (None, None, None)),
        ([math.nan], (None, None, None)),
        ([1.0, 10.0, 100.0, math.nan, math.nan], (100.0, 10.0, None)),
    ],
)
def test_the_spread_is_geometric_and_counts_no_edge_as_beyond(edges: Any, expected: Any) -> None:
    spread = Spread.of(np.array(edges))
    for told, known in zip((spread.median, spread.lower, spread.upper), expected, strict=True):
        assert (told is None) == (known is None)
        assert told is None or told == pytest.approx(known)


@given(st.lists(st.one_of(st.just(math.nan), st.floats(1e-6, 1e3)), min_size=1, max_size=9))
def test_the_spread_is_in_order_and_within_the_rates(rates: list[float]) -> None:
    spread = Spread.of(np.array(rates))
    told = [
        math.inf if rate is None else rate for rate in (spread.lower, spread.median, spread.upper)
    ]

    assert told == sorted(told)
    assert all(rate == math.inf or 0.99e-6 <= rate <= 1.01e3 for rate in told)
    assert (spread.median is None) == (2 * np.isnan(rates).sum() >= len(rates))


def test_a_suggestion_that_no_replicate_has_is_none() -> None:
    result = result_of([math.nan])

    assert result.spread("valley") is None
    assert result.to_dict()["suggestions"]["valley"]["median"] is None


def test_suggestions_lie_within_the_tested_rates() -> None:
    result = range_test(made_ready("digits"))

    assert list(result.suggestions) == list(SUGGESTIONS)
    for name, rates in result.suggestions.items():
        lowest = result.rates[0] / (10 if name == "minimum" else 1)
        assert ((rates >= lowest) & (rates < result.rates[-1])).all()


@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_the_result_is_json(data: str) -> None:
    told = json.loads(json.dumps(range_test(made_ready(data)).to_dict(), allow_nan=False))

    assert list(told)[:5] == [
        "edge",
        "edge_spread",
        "learning_rate_range",
        "suggestions",
        "warnings",
    ]
    assert {len(row) for row in [told["rates"], *told["losses"], *told["smoothed"]]} == {100}


# --- the door -------------------------------------------------------------------------------------


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
    first, second = (range_test(made_ready("iris", 1, **o)) for o in ({}, option))

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
    (prepared,) = made_ready("iris", 1)
    weightless = Batches(prepared.rows.X, prepared.rows.y, np.zeros(len(prepared.rows)))
    with pytest.raises(InvalidInputError, match="sample_weight must be above 0 for some"):
        range_test([replace(prepared, rows=weightless)])


def test_divergence_at_the_lowest_rate_is_told_with_its_cure() -> None:
    _, X, y = pipeline("diabetes")
    with pytest.raises(
        NothingCompletedError, match="lowest rate already, 1e-06, on 5 of 5 rep"
    ) as e:
        lr_range_test(MLPRegressor(), X * 1e9, y)

    assert "standardise the columns, or test lower rates" in str(e.value)


def test_data_that_overflow_are_told_too() -> None:
    _, X, y = pipeline("diabetes")
    with pytest.raises(NothingCompletedError, match="standardise the columns"):
        lr_range_test(MLPRegressor(dtype="float32"), X * 1e35, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0}, "low must be a positive, finite number, but got 0"),
        ({"low": -1.0}, "low must be a positive, finite number, but got -1.0"),
        ({"low": math.nan}, "low must be a positive, finite number, but got nan"),
        ({"low": "1"}, "low must be a positive, finite number, but got '1'"),
        ({"high": math.inf}, "high must be a positive, finite number, but got inf"),
        ({"low": 1.0, "high": 1.0}, "low must be below high, but got low=1.0, high=1.0"),
        ({"n_steps": 9}, "n_steps must be a whole number of at least 10, but got 9"),
        ({"n_steps": 50.0}, "n_steps must be a whole number of at least 10, but got 50.0"),
        ({"smoothing": 1.0}, "smoothing must be at least 0 and less than 1, but got 1.0"),
        ({"n_replicates": 0}, "n_replicates must be a whole number of at least 1, but got 0"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0, a Random"),
        ({"random_state": "x"}, "random_state must be a whole number of at least 0, a Random"),
        ({"estimator": StandardScaler()}, "estimator must be lrtune's MLPClassifier or MLPReg"),
        ({"y": None}, "y must be given, but got None"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(arguments: Any, message: str) -> None:
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
