"""Every optimizer against its textbook update, computed number by number."""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from lrtune.training.optimizers import DEFAULT_RATES, OPTIMIZERS

Update = Callable[[float, float, float, dict[str, float], int, Any], float]
Weights = list[float]
WholeUpdate = Callable[[Weights, Weights, float, dict[Any, Any], int, Any], Weights]
RATES = np.array([[0.5], [0.01], [1e-4]])
SHAPE = (3, 7)
STEPS = 12
DEFAULTS = {
    "momentum": 0.9,
    "rho": 0.9,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-8,
    "weight_decay": 0.01,
}
OTHER_OPTIONS = {
    "momentum": 0.5,
    "rho": 0.6,
    "beta_1": 0.7,
    "beta_2": 0.8,
    "epsilon": 0.1,
    "weight_decay": 0.3,
}


# one weight w, its gradient g, the rate, memory of this weight, the count t from 1


def sgd(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    return w - rate * g


def momentum(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    memory["v"] = o.momentum * memory.get("v", 0.0) + g
    return w - rate * memory["v"]


def nesterov(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    memory["v"] = o.momentum * memory.get("v", 0.0) + g
    return w - rate * (g + o.momentum * memory["v"])


def adagrad(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    memory["s"] = memory.get("s", 0.0) + g**2
    return w - rate * g / (math.sqrt(memory["s"]) + o.epsilon)


def rmsprop(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    memory["s"] = o.rho * memory.get("s", 0.0) + (1 - o.rho) * g**2
    return w - rate * g / (math.sqrt(memory["s"]) + o.epsilon)


def adam(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    memory["m"] = o.beta_1 * memory.get("m", 0.0) + (1 - o.beta_1) * g
    memory["v"] = o.beta_2 * memory.get("v", 0.0) + (1 - o.beta_2) * g**2
    m, v = memory["m"] / (1 - o.beta_1**t), memory["v"] / (1 - o.beta_2**t)
    return w - rate * m / (math.sqrt(v) + o.epsilon)


def adamw(w: float, g: float, rate: float, memory: dict[str, float], t: int, o: Any) -> float:
    return adam(w - rate * o.weight_decay * w, g, rate, memory, t, o)


# all weights of a setting


def each(update: Update) -> WholeUpdate:
    """Apply an update of one weight to all weights."""

    def whole(
        ws: Weights, gs: Weights, rate: float, memory: dict[Any, Any], t: int, o: Any
    ) -> Weights:
        return [
            update(w, g, rate, memory.setdefault(index, {}), t, o)
            for index, (w, g) in enumerate(zip(ws, gs, strict=True))
        ]

    return whole


def dog(ws: Weights, gs: Weights, rate: float, memory: dict[Any, Any], t: int, o: Any) -> Weights:
    start = memory.setdefault("start", ws)
    distances = memory.setdefault("distances", [1e-6 * (1 + math.hypot(*start))])
    distances.append(math.dist(ws, start))
    memory["s"] = memory.get("s", 0.0) + sum(g**2 for g in gs)
    eta = max(distances) / math.sqrt(memory["s"] + o.epsilon)
    return [w - rate * eta * g for w, g in zip(ws, gs, strict=True)]


TEXTBOOK: dict[str, WholeUpdate] = {
    "sgd": each(sgd),
    "momentum": each(momentum),
    "nesterov": each(nesterov),
    "adagrad": each(adagrad),
    "rmsprop": each(rmsprop),
    "adam": each(adam),
    "adamw": each(adamw),
    "dog": dog,
}


def start_and_gradients(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(STEPS, *SHAPE)) * 10.0 ** rng.integers(-4, 3, size=SHAPE)
    gradients[:, 0, 0] = 0.0  # a weight that gets no gradient, as behind a dead relu
    return rng.normal(size=SHAPE), gradients


def by_hand(optimizer: Any, update: WholeUpdate, start: Any, gradients: Any) -> Any:
    params = start.copy()
    for setting, rate in enumerate(RATES[:, 0].tolist()):
        ws: Weights = start[setting].tolist()
        memory: dict[Any, Any] = {}
        for t, g in enumerate(gradients, start=1):
            ws = update(ws, g[setting].tolist(), rate, memory, t, optimizer)
        params[setting] = ws
    return params


def stacked(optimizer: Any, start: Any, gradients: Any, rates: Any = RATES) -> Any:
    params = start.copy()
    state = optimizer.init(params)
    for g in gradients:
        optimizer.update(params, g.copy(), state, rates.astype(params.dtype))
    return params


def test_every_optimizer_has_a_rate_that_people_use_untuned() -> None:
    assert set(DEFAULT_RATES) == set(OPTIMIZERS)


def test_every_optimizer_has_a_textbook_update() -> None:
    assert list(OPTIMIZERS) == list(TEXTBOOK)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_the_textbook(name: str) -> None:
    start, gradients = start_and_gradients()
    optimizer = OPTIMIZERS[name]()

    expected = by_hand(optimizer, TEXTBOOK[name], start, gradients)

    assert expected == pytest.approx(stacked(optimizer, start, gradients), rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_the_textbook_with_other_options_too(name: str) -> None:
    start, gradients = start_and_gradients()
    kind = OPTIMIZERS[name]
    optimizer = kind(**{field.name: OTHER_OPTIONS[field.name] for field in fields(kind)})

    expected = by_hand(optimizer, TEXTBOOK[name], start, gradients)

    assert expected == pytest.approx(stacked(optimizer, start, gradients), rel=1e-12)


@pytest.mark.parametrize(("option", "value"), DEFAULTS.items())
def test_options_default_to_the_usual_values(option: str, value: float) -> None:
    usual = {getattr(kind(), option, value) for kind in OPTIMIZERS.values()}

    assert {value} == usual


@pytest.mark.parametrize(
    ("name", "options", "simpler"),
    [
        ("momentum", {"momentum": 0.0}, "sgd"),
        ("nesterov", {"momentum": 0.0}, "sgd"),
        ("adamw", {"weight_decay": 0.0}, "adam"),
    ],
)
def test_with_its_option_off_an_optimizer_is_the_simpler_one(
    name: str, options: dict[str, float], simpler: str
) -> None:
    start, gradients = start_and_gradients()

    expected = stacked(OPTIMIZERS[simpler](), start, gradients)

    assert np.array_equal(expected, stacked(OPTIMIZERS[name](**options), start, gradients))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_rate_of_zero_changes_nothing(name: str) -> None:
    start, gradients = start_and_gradients()

    assert np.array_equal(start, stacked(OPTIMIZERS[name](), start, gradients, RATES * 0))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_parameters_and_state_is_kept(name: str, dtype: str) -> None:
    start, gradients = (array.astype(dtype) for array in start_and_gradients())
    params, optimizer = start.copy(), OPTIMIZERS[name]()
    state = optimizer.init(params)

    optimizer.update(params, gradients[0], state, RATES.astype(dtype))

    assert {np.dtype(dtype)} == {a.dtype for a in (params, *state.buffers.values())}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_gives_about_the_numbers_of_float64(name: str) -> None:
    start, gradients = start_and_gradients()
    single = stacked(OPTIMIZERS[name](), start.astype("float32"), gradients.astype("float32"))

    assert stacked(OPTIMIZERS[name](), start, gradients) == pytest.approx(single, rel=1e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_dropping_a_setting_leaves_the_others_as_they_were(name: str) -> None:
    start, gradients = start_and_gradients()
    mask, optimizer = np.array([True, False, True]), OPTIMIZERS[name]()
    params = start.copy()
    state = optimizer.init(params)
    for step, g in enumerate(gradients):
        if step == STEPS // 2:
            state.keep(mask)
            params = params[mask]
        here = mask if step >= STEPS // 2 else slice(None)
        optimizer.update(params, g[here].copy(), state, RATES[here])

    assert np.array_equal(stacked(optimizer, start, gradients)[mask], params)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_do_not_influence_each_other(name: str) -> None:
    start, gradients = start_and_gradients()
    disturbed = gradients.copy()
    disturbed[:, 1] = np.nan
    others = [0, 2]
    expected = stacked(OPTIMIZERS[name](), start, gradients)[others]

    assert np.array_equal(expected, stacked(OPTIMIZERS[name](), start, disturbed)[others])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_counts_its_updates(name: str) -> None:
    start, gradients = start_and_gradients()
    optimizer = OPTIMIZERS[name]()
    state = optimizer.init(start)
    for g in gradients:
        optimizer.update(start, g, state, RATES)

    assert state.updates == STEPS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_of_equal_options_are_equal_and_hold_no_state(name: str) -> None:
    optimizer = OPTIMIZERS[name]()
    stacked(optimizer, *start_and_gradients())

    assert OPTIMIZERS[name]() == optimizer


# --- distance over gradients ----------------------------------------------------------------------


def descended(curvatures: Any, start: Any, steps: int, *, dtype: str = "float64") -> Any:
    """DoG on ½ Σ cᵢ·xᵢ², every setting from the same start."""
    params = np.repeat(np.array([start], dtype=dtype), len(curvatures), axis=0)
    optimizer, rates = OPTIMIZERS["dog"](), np.ones((len(params), 1), dtype=dtype)
    state = optimizer.init(params)
    for _ in range(steps):
        optimizer.update(params, (params * curvatures).astype(dtype), state, rates)
    return params


def test_three_steps_of_dog_on_a_parabola_by_hand() -> None:
    # ½x² from x₀ = 3, so g = x; ε = 1e-8 beside Σg² ≥ 9 changes less than 1e-9 of a step
    first = 4e-6  # 1e-6·(1 + 3), and g/√g² = 1
    second = first * (3 - first) / math.sqrt(9 + (3 - first) ** 2)  # r̄ = 4e-6, come so far
    third_x = 3 - first - second
    third = (first + second) * third_x / math.sqrt(9 + (3 - first) ** 2 + third_x**2)
    moved = [3 - float(descended([[1.0]], [3.0], steps)[0, 0]) for steps in (1, 2, 3)]

    assert moved == pytest.approx([first, first + second, first + second + third], rel=1e-8)
    assert moved == pytest.approx([4e-6, 6.8284e-6, 10.7708e-6], rel=1e-4)  # 1/√2, then 1/√3


def test_dog_keeps_its_largest_distance_on_the_way_back() -> None:
    params, rates, optimizer = np.zeros((1, 1)), np.ones((1, 1)), OPTIMIZERS["dog"]()
    state = optimizer.init(params)
    distances = []
    for x in (0.0, 5.0, 2.0):
        params[:] = x
        optimizer.update(params, np.zeros((1, 1)), state, rates)
        distances.append(float(state.buffers["distance"][0, 0]))

    assert distances == [1e-6, 5.0, 5.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("distance", [1e-2, 1.0, 1e2, 1e4])
def test_dog_needs_no_rate_at_any_scale(distance: float, dtype: str) -> None:
    shape, start = np.array([1.0, 0.5, 0.2]), np.full(3, distance)
    curvatures = shape * 10.0 ** np.arange(-3, 4)[:, np.newaxis]  # seven settings, 1e6 apart

    ends = descended(curvatures, start, 1000, dtype=dtype)

    assert (np.abs(ends) < 0.01 * distance).all()


@pytest.mark.parametrize("unit", [1e-2, 1e2, 1e6])
def test_dog_takes_the_same_steps_in_any_unit_of_the_loss(unit: float) -> None:
    shape = np.array([[1.0, 0.5, 0.2]])
    expected = descended(shape, np.ones(3), 100)

    assert expected == pytest.approx(descended(shape * unit, np.ones(3), 100), rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 7, 8, 129, 901, 8193, 20_011])
def test_the_norms_of_dog_do_not_depend_on_the_settings_beside(width: int, dtype: str) -> None:
    rng, optimizer = np.random.default_rng(width), OPTIMIZERS["dog"]()
    start = rng.normal(size=(5, width)).astype(dtype)
    gradients = rng.normal(size=(3, 5, width)).astype(dtype)
    rates = np.geomspace(0.1, 1e5, 5)[:, np.newaxis]
    together = stacked(optimizer, start, gradients, rates)

    for k in range(5):
        one = slice(k, k + 1)
        alone = stacked(optimizer, start[one], gradients[:, one], rates[one])

        assert np.array_equal(alone, together[one])
