"""A multilayer perceptron over K settings at once.

Parameters are one flat ``(K, P)`` array, layer after layer. A layer's block holds its weights, then
its biases as a last row: the weights of an input that is always 1. Each loss is paired with its
canonical output (cross entropy with softmax or the logistic function, squared error with the
identity), so that its gradient
at the last layer is ``scale * (output - target)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError

Array = npt.NDArray[Any]


class Layer(NamedTuple):
    """Weights ``(K, fan_in, fan_out)`` and biases ``(K, 1, fan_out)`` of one layer."""

    weights: Array
    biases: Array


# --- activations, in place --------------------------------------------------------------------


class Scratch(NamedTuple):
    """Buffers of a layer's shape for its activation."""

    zeros: Array
    """Read-only zeros: NumPy compares two arrays faster than an array and a number."""
    spare: Array
    """May be overwritten."""
    bits: tuple[Array, ...]
    """`bits_of` delta, a and `spare`; empty if there is no backward pass."""


def bits_of(*arrays: Array) -> tuple[Array, ...]:
    """Return views of floating-point arrays as unsigned integers with the same bits."""
    return tuple(array.view(f"u{array.itemsize}") for array in arrays)


class Activation(NamedTuple):
    """An activation a(z) and its derivative, both in place."""

    apply: Callable[[Array, Scratch], None]
    """``apply(z, scratch)`` replaces z by a(z)."""
    multiply_by_derivative: Callable[[Array, Array, Scratch], None]
    """``multiply_by_derivative(delta, a, scratch)`` multiplies delta by a'(z), given a(z)."""
    keeps_one: bool
    """True if a(1) = 1, so that the constant input of the next layer stays 1."""


def _logistic(z: Array, scratch: Scratch) -> None:  # noqa: ARG001
    z *= 0.5  # 1 / (1 + e^-z) is ½(1 + tanh(z/2)), which cannot overflow
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def _logistic_derivative(delta: Array, a: Array, scratch: Scratch) -> None:
    delta *= a
    np.subtract(1, a, out=scratch.spare)
    delta *= scratch.spare


def _tanh(z: Array, scratch: Scratch) -> None:  # noqa: ARG001
    np.tanh(z, out=z)


def _tanh_derivative(delta: Array, a: Array, scratch: Scratch) -> None:
    np.multiply(a, a, out=scratch.spare)
    np.subtract(1, scratch.spare, out=scratch.spare)
    delta *= scratch.spare


def _relu(z: Array, scratch: Scratch) -> None:
    np.maximum(z, scratch.zeros, out=z)


def _relu_derivative(delta: Array, a: Array, scratch: Scratch) -> None:  # noqa: ARG001
    # multiplying the bits by 1 or 0 is twice as fast as multiplying by a mask
    delta_bits, a_bits, spare_bits = scratch.bits
    np.sign(a_bits, out=spare_bits)
    np.multiply(delta_bits, spare_bits, out=delta_bits)


ActivationName = Literal["identity", "logistic", "relu", "tanh"]
"""The names in `ACTIVATIONS`, for type checkers; so are the other names of this kind."""

ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda *_: None, lambda *_: None, keeps_one=True),
    "logistic": Activation(_logistic, _logistic_derivative, keeps_one=False),
    "relu": Activation(_relu, _relu_derivative, keeps_one=True),
    "tanh": Activation(_tanh, _tanh_derivative, keeps_one=False),
}


# --- losses -----------------------------------------------------------------------------------


class Loss(NamedTuple):
    """A loss with its canonical output, for m outputs, K settings and b rows.

    The axis of outputs comes first because NumPy reduces a first axis several times faster than a
    short last one.
    """

    output: Callable[[Array, Array, Array], None]
    """``output(z, total, out)`` writes the output for the last layer's z ``(m, K, b)`` to `out`,
    and overwrites z and `total` ``(K, b)`` with the terms that `rows` needs."""
    rows: Callable[[Array, Array, Array], Array]
    """``rows(z, total, y)``, called after `output`, returns the loss ``(..., K, b)`` of each row
    for y ``(..., m, 1, b)``."""
    gradient_scale: Callable[[int], float]
    """``gradient_scale(m) * (output - y)`` is the gradient with respect to z."""
    guess: Callable[[Array], float]
    """``guess(y)`` returns the loss of a prediction that ignores the input, for y ``(n, m)``."""
    guess_rows: Callable[[Array, Array], Array]
    """``guess_rows(y, mean)`` returns the loss ``(n,)`` of predicting the mean target ``(m,)``."""


def _softmax(z: Array, total: Array, out: Array) -> None:
    # leaves z minus its maximum in z, and the sum of the exponentials in total
    np.maximum.reduce(z, axis=0, out=total)
    np.subtract(z, total, out=z)
    np.exp(z, out=out)
    np.add.reduce(out, axis=0, out=total)
    np.divide(out, total, out=out)


def _log_loss(z: Array, total: Array, y: Array) -> Array:
    # stays finite where a probability rounds to 0
    return np.asarray(np.log(total) - (z * y).sum(axis=-3))


def _logistic_output(z: Array, total: Array, out: Array) -> None:  # noqa: ARG001
    np.multiply(z, 0.5, out=out)  # as `_logistic`
    np.tanh(out, out=out)
    out += 1
    out *= 0.5


def _binary_log_loss(z: Array, total: Array, y: Array) -> Array:  # noqa: ARG001
    # the sum over the labels, as in scikit-learn
    return np.asarray((np.logaddexp(0, z) - z * y).sum(axis=-3))


def _coin_guess(y: Array) -> float:
    return math.log(2) * int(y.shape[1])


def _identity_output(z: Array, total: Array, out: Array) -> None:  # noqa: ARG001
    np.copyto(out, z)


def _squared_error(z: Array, total: Array, y: Array) -> Array:  # noqa: ARG001
    # the mean over the outputs, as in torch's MSELoss and Keras' mean_squared_error
    difference = z - y
    difference *= difference
    return np.asarray(difference.sum(axis=-3) / z.shape[-3])


def _squared_distance(y: Array, mean: Array) -> Array:
    return np.asarray(((y - mean) ** 2).mean(axis=1))


def _variance(y: Array) -> float:
    variance = float(y.var(axis=0, dtype=np.float64).mean())
    return variance if variance > 0 else 1.0  # a constant target has no scale


def _uniform_guess(y: Array) -> float:
    return math.log(max(2, y.shape[1]))


LOSSES: dict[str, Loss] = {
    "log_loss": Loss(
        _softmax,
        _log_loss,
        lambda _: 1.0,
        _uniform_guess,
        lambda y, _: np.full(len(y), _uniform_guess(y)),
    ),
    "binary_log_loss": Loss(
        _logistic_output,
        _binary_log_loss,
        lambda _: 1.0,
        _coin_guess,
        lambda y, _: np.full(len(y), _coin_guess(y)),
    ),
    "squared_error": Loss(
        _identity_output,
        _squared_error,
        lambda n_outputs: 2.0 / n_outputs,
        _variance,
        _squared_distance,
    ),
}


# --- initial weights --------------------------------------------------------------------------

InitializerName = Literal["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"]
Initializer = Callable[[np.random.Generator, int, int], Array]


def _uniform(rng: np.random.Generator, n: int, m: int, limit: float) -> Array:
    return rng.uniform(-limit, limit, size=(n, m))


def _normal(rng: np.random.Generator, n: int, m: int, deviation: float) -> Array:
    return rng.normal(0.0, deviation, size=(n, m))


INITIALIZERS: dict[str, Initializer] = {
    "glorot_normal": lambda rng, n, m: _normal(rng, n, m, math.sqrt(2 / (n + m))),
    "glorot_uniform": lambda rng, n, m: _uniform(rng, n, m, math.sqrt(6 / (n + m))),
    "he_normal": lambda rng, n, m: _normal(rng, n, m, math.sqrt(2 / n)),
    "he_uniform": lambda rng, n, m: _uniform(rng, n, m, math.sqrt(6 / n)),
}
"""Glorot and Bengio (2010); He et al. (2015). Biases start at zero."""


# --- the network ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """An architecture.

    >>> Network((4, 50, 12, 3)).n_parameters
    901
    """

    layer_sizes: tuple[int, ...]
    """Numbers of inputs, of units in each hidden layer, and of outputs."""
    activation: str = "relu"
    loss: str = "log_loss"
    weights_init: str = "glorot_uniform"

    def __post_init__(self) -> None:
        if len(self.layer_sizes) < 2 or min(self.layer_sizes) < 1:
            raise InvalidInputError(
                "`layer_sizes` must hold the numbers of inputs and outputs, each at least 1, "
                f"but got {self.layer_sizes}"
            )
        for name, value, registry in (
            ("activation", self.activation, ACTIVATIONS),
            ("loss", self.loss, LOSSES),
            ("weights_init", self.weights_init, INITIALIZERS),
        ):
            if value not in registry:
                raise InvalidInputError(
                    f"`{name}` must be one of {', '.join(registry)}, but got {value!r}"
                )

    @property
    def n_parameters(self) -> int:
        """Return the number of weights and biases, P."""
        return sum((n + 1) * m for n, m in pairwise(self.layer_sizes))

    @property
    def is_weight(self) -> npt.NDArray[np.bool_]:
        """Return a mask ``(P,)`` of the flat parameters: True for weights, False for biases."""
        flat = np.ones((1, self.n_parameters), dtype=bool)
        for layer in self.layers(flat):
            layer.biases[...] = False
        return np.asarray(flat[0], dtype=bool)

    def initial_parameters(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        """Draw initial parameters ``(P,)``, the same numbers for every dtype."""
        draw = INITIALIZERS[self.weights_init]
        blocks = [
            np.vstack([draw(rng, n, m), np.zeros((1, m))]) for n, m in pairwise(self.layer_sizes)
        ]
        return np.concatenate([block.ravel() for block in blocks]).astype(dtype)

    def blocks(self, parameters: Array) -> list[Array]:
        """Return a view ``(K, fan_in + 1, fan_out)`` of parameters ``(K, P)`` for each layer."""
        start, blocks = 0, []
        for n, m in pairwise(self.layer_sizes):
            stop = start + (n + 1) * m
            blocks.append(parameters[:, start:stop].reshape(len(parameters), n + 1, m))
            start = stop
        return blocks

    def layers(self, parameters: Array) -> list[Layer]:
        """Return views of the weights and biases in parameters ``(K, P)`` for each layer."""
        return [Layer(block[:, :-1], block[:, -1:]) for block in self.blocks(parameters)]
