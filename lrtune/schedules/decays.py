"""Decay types: shapes as functions of k (1/epoch) and t (epochs), and their registry `DECAYS`.

A shape is 1 at t = 0 and never rises. It is evaluated in extended precision and rounded once, so
the last digit of the ``float64`` result is correct even where ``1 - k*t`` cancels (within a few
units in the last place on platforms whose ``longdouble`` is no wider than ``float64``). To add a
decay type, add a function, and a line to `DECAYS` and `DecayName`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]

PI = np.longdouble("3.14159265358979323846264338327950288")


def constant(k: Array, t: Array) -> Array:
    """Return 1: the rate stays the same."""
    return np.ones(np.broadcast_shapes(k.shape, t.shape), dtype=np.result_type(k, t))


def inverse_time(k: Array, t: Array) -> Array:
    """Return 1 / (1 + k·t); Keras ``InverseTimeDecay``."""
    return np.reciprocal(1 + k * t)


def compound(k: Array, t: Array) -> Array:
    """Return ∏ 1 / (1 + k·i) over i = 1..⌊t⌋: the recursion α(t) = α(t-1) / (1 + k·t)."""
    epoch = np.floor(t).astype(np.int64)
    factors = 1 + k[..., np.newaxis] * np.arange(epoch.max(initial=0) + 1)
    products = np.cumprod(factors, axis=-1)  # entry i = 0 is the factor 1
    shape = np.broadcast_shapes(k.shape, t.shape)
    products = np.broadcast_to(products, (*shape, products.shape[-1]))
    index = np.broadcast_to(epoch, shape)[..., np.newaxis]
    final: Array = np.take_along_axis(products, index, axis=-1)[..., 0]
    return np.reciprocal(final)


def exponential(k: Array, t: Array) -> Array:
    """Return e^(-k·t); Keras ``ExponentialDecay``, torch ``ExponentialLR`` (gamma = e^(-k))."""
    return np.exp(-k * t)


def step(k: Array, t: Array, *, step_size: float) -> Array:
    """Return e^(-k·s·⌊t/s⌋), s = `step_size` epochs; torch ``StepLR`` with gamma = e^(-k·s)."""
    return exponential(k, step_size * np.floor(t / step_size))


def inverse_sqrt(k: Array, t: Array) -> Array:
    """Return 1 / √(1 + k·t)."""
    return np.reciprocal(np.sqrt(1 + k * t))


def linear(k: Array, t: Array) -> Array:
    """Return max(0, 1 - k·t), which is 0 from t = 1/k on; torch ``LinearLR``."""
    return np.maximum(0, 1 - k * t)


def polynomial(k: Array, t: Array, *, power: float) -> Array:
    """Return max(0, 1 - k·t)^power; Keras ``PolynomialDecay``, torch ``PolynomialLR``."""
    return linear(k, t) ** power


def cosine(k: Array, t: Array) -> Array:
    """Return ½(1 + cos(π·min(1, k·t))); torch ``CosineAnnealingLR`` up to T_max = 1/k."""
    # as sin²(π/2·(1 - k·t)), which does not cancel near the end
    angle: Array = PI / 2 * linear(k, t)
    return np.square(np.sin(angle))


@dataclass(frozen=True)
class Decay:
    """A decay type.

    >>> DECAYS["inverse_time"](0.01, [0, 1, 100])
    array([1.        , 0.99009901, 0.5       ])
    """

    shape: Callable[..., Array]
    """``shape(k, t, **options)``, vectorised."""
    options: tuple[str, ...] = ()
    """Names of the `Schedule` fields that are passed as options."""
    feedback: bool = False
    """True if the rate also depends on validation losses (`Plateau`)."""

    def __call__(self, k: npt.ArrayLike, t: npt.ArrayLike, **options: float) -> Array:
        """Evaluate the shape in extended precision and round it to float64."""
        k, t = np.asarray(k, dtype=np.longdouble), np.asarray(t, dtype=np.longdouble)
        with np.errstate(over="ignore", under="ignore"):  # 1/inf and e^-inf are 0, as they should
            return np.asarray(self.shape(k, t, **options), dtype=np.float64)


DecayName = Literal[
    "constant",
    "inverse_time",
    "compound",
    "exponential",
    "step",
    "inverse_sqrt",
    "linear",
    "polynomial",
    "cosine",
    "plateau",
]
"""The names in `DECAYS`, for type checkers."""

DECAYS: dict[str, Decay] = {
    "constant": Decay(constant),
    "inverse_time": Decay(inverse_time),
    "compound": Decay(compound),
    "exponential": Decay(exponential),
    "step": Decay(step, options=("step_size",)),
    "inverse_sqrt": Decay(inverse_sqrt),
    "linear": Decay(linear),
    "polynomial": Decay(polynomial, options=("power",)),
    "cosine": Decay(cosine),
    "plateau": Decay(constant, options=("patience",), feedback=True),
}
