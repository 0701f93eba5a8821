"""Decay types that Keras or torch have too give the same rates, step by step.

The rates of torch's schedulers at each epoch are compared in test_torch_parity.
"""

import math
import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule, rate_table

os.environ.setdefault("KERAS_BACKEND", "torch")
# Keras's, when it makes NumPy arrays of torch's tensors
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RATE, K, POWER, STEPS, END = 0.3, 0.05, 3.0, 8, 20  # END is 1/K


def table(decay: str, update: Any, epochs: int, *, k: float = K) -> Any:
    options = {"decay": decay, "decay_rate": k, "step_size": 4, "power": POWER}
    schedule = Schedule(learning_rate_init=RATE, update=update, **options)
    return rate_table([schedule], epochs, STEPS)[:, 0]


# --- torch ----------------------------------------------------------------------------------------

TORCH: dict[str, tuple[int, Callable[[Any, Any], Any]]] = {
    "exponential": (40, lambda s, o: s.ExponentialLR(o, gamma=math.exp(-K / STEPS))),
    "step": (40, lambda s, o: s.StepLR(o, step_size=4 * STEPS, gamma=math.exp(-4 * K))),
    "linear": (40, lambda s, o: s.LinearLR(o, 1.0, end_factor=0.0, total_iters=END * STEPS)),
    "polynomial": (40, lambda s, o: s.PolynomialLR(o, total_iters=END * STEPS, power=POWER)),
    "cosine": (END, lambda s, o: s.CosineAnnealingLR(o, T_max=END * STEPS)),
}
"""Epochs to compare (torch's cosine rises again after T_max), and how to make the scheduler."""


@pytest.mark.torch
@pytest.mark.parametrize("decay", TORCH)
def test_torchs_scheduler_stepped_at_every_step_gives_the_same_rates(decay: str) -> None:
    torch = pytest.importorskip("torch")
    epochs, make = TORCH[decay]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(epochs * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()

    assert rates == pytest.approx(table(decay, "batch", epochs), rel=1e-6, abs=1e-12)


# --- Keras ----------------------------------------------------------------------------------------

KERAS: dict[str, Callable[[Any, float], Any]] = {
    "inverse_time": lambda s, n: s.InverseTimeDecay(RATE, decay_steps=n, decay_rate=K),
    "exponential": lambda s, n: s.ExponentialDecay(RATE, decay_steps=n, decay_rate=math.exp(-K)),
    "linear": lambda s, n: s.PolynomialDecay(RATE, END * n, end_learning_rate=0.0, power=1.0),
    "polynomial": lambda s, n: s.PolynomialDecay(RATE, END * n, end_learning_rate=0.0, power=POWER),
    "cosine": lambda s, n: s.CosineDecay(RATE, decay_steps=END * n),
}
"""The schedule whose unit of time is n steps."""
STAIRCASES: dict[str, Callable[[Any], Any]] = {
    "inverse_time": lambda s: s.InverseTimeDecay(RATE, STEPS, K, staircase=True),
    "exponential": lambda s: s.ExponentialDecay(RATE, STEPS, math.exp(-K), staircase=True),
    "step": lambda s: s.ExponentialDecay(RATE, 4 * STEPS, math.exp(-4 * K), staircase=True),
}


@pytest.fixture
def keras() -> Iterator[Any]:
    """Return Keras in float64, to compare formulas and not rounding."""
    module = pytest.importorskip("keras")
    before = module.config.floatx()
    module.config.set_floatx("float64")
    yield module
    module.config.set_floatx(before)


def in_keras(schedule: Any, n: int) -> list[float]:
    return [float(schedule(step)) for step in range(n)]


@pytest.mark.keras
@pytest.mark.parametrize("decay", KERAS)
def test_keras_gives_the_same_rates_at_every_step(keras: Any, decay: str) -> None:
    schedule = KERAS[decay](keras.optimizers.schedules, STEPS)
    rates = table(decay, "batch", 40)

    assert in_keras(schedule, len(rates)) == pytest.approx(rates, rel=1e-6, abs=1e-12)


@pytest.mark.keras
@pytest.mark.parametrize("decay", KERAS)
def test_keras_gives_the_same_rates_at_every_epoch(keras: Any, decay: str) -> None:
    schedule = KERAS[decay](keras.optimizers.schedules, 1)
    rates = table(decay, "epoch", 40)[::STEPS]

    assert in_keras(schedule, len(rates)) == pytest.approx(rates, rel=1e-6, abs=1e-12)


@pytest.mark.keras
@pytest.mark.parametrize("decay", STAIRCASES)
def test_keras_staircases_are_constant_within_an_epoch(keras: Any, decay: str) -> None:
    schedule = STAIRCASES[decay](keras.optimizers.schedules)
    rates = table(decay, "epoch", 40)

    assert in_keras(schedule, len(rates)) == pytest.approx(rates, rel=1e-6, abs=1e-12)


def test_legacy_kerass_decay_is_inverse_time_per_step() -> None:
    """``SGD(lr, decay=d)``: lr / (1 + d * iterations), which Keras 3 no longer has."""
    d = 1e-3
    expected = [RATE / (1 + d * iteration) for iteration in range(40 * STEPS)]

    rates = table("inverse_time", "batch", 40, k=d * STEPS)

    assert expected == pytest.approx(rates, rel=1e-12)


@pytest.mark.keras
@pytest.mark.parametrize("seed", range(3))
def test_plateau_without_patience_is_kerass_reduce_on_plateau(keras: Any, seed: int) -> None:
    losses = np.random.default_rng(seed).integers(1, 30, size=40).astype(float)
    optimizer = keras.optimizers.SGD(RATE)
    options = {"mode": "min", "factor": math.exp(-K), "patience": 0, "min_delta": 0}
    callback = keras.callbacks.ReduceLROnPlateau("val_loss", **options)
    callback.set_model(SimpleNamespace(optimizer=optimizer))
    callback.on_train_begin()
    schedule = Schedule(learning_rate_init=RATE, decay="plateau", decay_rate=K, patience=0)
    plateau, rates, theirs = Plateau([schedule]), [], []
    for epoch, loss in enumerate(losses):
        plateau.update(np.array([loss]))
        rates.append(float(plateau.apply(np.full((1, 1), RATE))[0, 0]))
        callback.on_epoch_end(epoch, {"val_loss": loss})
        theirs.append(float(optimizer.learning_rate))

    assert theirs == pytest.approx(rates, rel=1e-6)
    assert rates[-1] < RATE / 2
