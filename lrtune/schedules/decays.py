"""Decay types: shapes as functions of k in 1/epoch and t in epochs, and their one registry.

A shape is 1 at t = 0 and never rises. Shapes are evaluated in extended precision and rounded
once, so that the last digit of the ``float64`` result is right also where ``1 - k*t`` cancels
(where the platform's ``longdouble`` is no wider than ``float64``, a few units of the last place
remain). A new decay type is one function and one line of `DECAYS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "DECAYS",
    "Decay",
    "PI",
    "compound",
    "compound_recursion",
    "constant",
    "cosine",
    "exponential",
    "inverse_sqrt",
    "inverse_time",
    "linear",
    "polynomial",
    "step",
]

Array = npt.NDArray[np.floating[Any]]

PI = np.longdouble("3.14159265358979323846264338327950288")


def constant(k: Array, t: Array) -> Array:
    """1: the rate stays."""
    return np.ones(np.broadcast_shapes(k.shape, t.shape), dtype=np.result_type(k, t))


def inverse_time(k: Array, t: Array) -> Array:
    """1 / (1 + k·t); Keras ``InverseTimeDecay``."""
    return np.reciprocal(1 + k * t)


def compound(k: Array, t: Array) -> Array:
    """∏ 1 / (1 + k·i) over i = 1..⌊t⌋: the recursion α(t) = α(t-1) / (1 + k·t)."""
    epoch = np.floor(t).astype(np.int64)
    factors = 1 + k[..., np.newaxis] * np.arange(epoch.max(initial=0) + 1)
    products = np.cumprod(factors, axis=-1)  # entry i = 0 is the factor 1
    shape = np.broadcast_shapes(k.shape, t.shape)
    products = np.broadcast_to(products, (*shape, products.shape[-1]))
    index = np.broadcast_to(epoch, shape)[..., np.newaxis]
    final: Array = np.take_along_axis(products, index, axis=-1)[..., 0]
    return np.reciprocal(final)


def exponential(k: Array, t: Array) -> Array:
    """e^(-k·t); Keras ``ExponentialDecay``, torch ``ExponentialLR`` with gamma = e^(-k)."""
    return np.exp(-k * t)


def step(k: Array, t: Array, *, step_size: float) -> Array:
    """e^(-k·s·⌊t/s⌋), s = `step_size` epochs; torch ``StepLR`` with gamma = e^(-k·s)."""
    return exponential(k, step_size * np.floor(t / step_size))


def inverse_sqrt(k: Array, t: Array) -> Array:
    """1 / √(1 + k·t)."""
    return np.reciprocal(np.sqrt(1 + k * t))


def linear(k: Array, t: Array) -> Array:
    """max(0, 1 - k·t); torch ``LinearLR``; 0 from t = 1/k on."""
    return np.maximum(0, 1 - k * t)


def polynomial(k: Array, t: Array, *, power: float) -> Array:
    """max(0, 1 - k·t)^power; Keras ``PolynomialDecay``, torch ``PolynomialLR``."""
    return linear(k, t) ** power


def cosine(k: Array, t: Array) -> Array:
    """½(1 + cos(π·min(1, k·t))); torch ``CosineAnnealingLR`` up to T_max = 1/k.

    Written as sin²(π/2·(1 - u)), the same function without the cancellation near its end.
    """
    angle: Array = PI / 2 * linear(k, t)
    return np.square(np.sin(angle))


@dataclass(frozen=True)
class Decay:
    """One decay type: its shape, the names of its further options, and whether it needs losses.

    Parameters
    ----------
    shape : callable
        ``shape(k, t, **options)``, vectorised, 1 at t = 0, never rising.
    options : tuple of str
        Names of the `Schedule` fields that the shape takes besides k and t.
    feedback : bool
        The rate also depends on validation losses (`Plateau`); `shape` is then its pure part.

    Examples
    --------
    >>> DECAYS["inverse_time"](0.01, [0, 1, 100])
    array([1.        , 0.99009901, 0.5       ])
    """

    shape: Callable[..., Array]
    options: tuple[str, ...] = ()
    feedback: bool = False

    def __call__(self, k: npt.ArrayLike, t: npt.ArrayLike, **options: float) -> Array:
        """Evaluate the shape in extended precision and round once to float64."""
        k, t = np.asarray(k, dtype=np.longdouble), np.asarray(t, dtype=np.longdouble)
        with np.errstate(over="ignore", under="ignore"):  # 1/inf and e^-inf are the right 0
            return np.asarray(self.shape(k, t, **options), dtype=np.float64)


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


def compound_recursion(
    learning_rate_init: float, decay_rate: float, epochs: int, *, decimals: int | None = None
) -> list[float]:
    """The recursion α(t) = α(t-1) / (1 + k·t), with each value cut to `decimals` or as it is.

    Published decay tables are often made by this recursion with every value cut (not rounded)
    before it enters the next; ``decay="compound"`` is the same without cutting.

    Parameters
    ----------
    learning_rate_init : float
        α₀.
    decay_rate : float
        k, in 1/epoch.
    epochs : int
        Values to return, for t = 1..epochs.
    decimals : int or None, default=None
        Decimal places to which each value is cut before the next is computed.

    Returns
    -------
    list of float
        α(1), ..., α(epochs).

    Examples
    --------
    >>> compound_recursion(0.2, 0.01, 5, decimals=3)
    [0.198, 0.194, 0.188, 0.18, 0.171]
    >>> [round(rate, 5) for rate in compound_recursion(0.2, 0.01, 5)]
    [0.19802, 0.19414, 0.18848, 0.18123, 0.1726]
    """
    if decimals is None:
        factors = 1 + decay_rate * np.arange(1, epochs + 1)
        return [float(rate) for rate in learning_rate_init / np.cumprod(factors)]
    # in decimal arithmetic, where 0.29 is 0.29 and is not cut to 0.28
    rate, k = Decimal(repr(float(learning_rate_init))), Decimal(repr(float(decay_rate)))
    place, rates = Decimal(1).scaleb(-decimals), []
    for t in range(1, epochs + 1):
        rate = (rate / (1 + k * t)).quantize(place, rounding=ROUND_FLOOR)
        rates.append(float(rate))
    return rates
