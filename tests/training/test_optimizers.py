"""Every optimizer against its textbook update, written out number by number."""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from lrtune.training.optimizers import OPTIMIZERS

Update = Callable[[float, float, float, dict[str, float], int, Any], float]
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


# one weight w, its gradient g, the rate, what was remembered of this weight, the count t from 1


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


TEXTBOOK: dict[str, Update] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
}


def start_and_gradients(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(STEPS, *SHAPE)) * 10.0 ** rng.integers(-4, 3, size=SHAPE)
    gradients[:, 0, 0] = 0.0  # a weight that gets no gradient, as behind a dead relu
    return rng.normal(size=SHAPE), gradients


def by_hand(optimizer: Any, update: Update, start: Any, gradients: Any) -> Any:
    params = start.copy()
    for index in np.ndindex(*SHAPE):
        w, memory = float(start[index]), {}
        for t, g in enumerate(gradients, start=1):
            w = update(w, float(g[index]), float(RATES[index[0], 0]), memory, t, optimizer)
        params[index] = w
    return params


def stacked(optimizer: Any, start: Any, gradients: Any, rates: Any = RATES) -> Any:
    params = start.copy()
    state = optimizer.init(params)
    for g in gradients:
        optimizer.update(params, g.copy(), state, rates.astype(params.dtype))
    return params


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
def test_the_precision_stays(name: str, dtype: str) -> None:
    start, gradients = (array.astype(dtype) for array in start_and_gradients())
    params, optimizer = start.copy(), OPTIMIZERS[name]()
    state = optimizer.init(params)

    optimizer.update(params, gradients[0], state, RATES.astype(dtype))

    assert {np.dtype(dtype)} == {a.dtype for a in (params, *state.buffers.values())}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_follows_float64(name: str) -> None:
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
def test_settings_do_not_meet(name: str) -> None:
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
