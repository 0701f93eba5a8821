"""A multilayer perceptron over K settings at once: every array has a leading K axis.

Parameters are one flat ``(K, P)`` array (all weights, then all biases); `Network.layers` gives
views of it per layer. Both losses are paired with their canonical output (softmax with cross
entropy, identity with squared error), so the gradient at the last layer is the same expression,
``scale * (output - target)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "INITIALIZERS",
    "LOSSES",
    "Layer",
    "Loss",
    "Network",
]

Array = npt.NDArray[Any]


class Layer(NamedTuple):
    """Weights ``(K, fan_in, fan_out)`` and biases ``(K, 1, fan_out)`` of one layer."""

    weights: Array
    biases: Array


# --- activations, in place --------------------------------------------------------------------


class Activation(NamedTuple):
    """An activation and its derivative, which is given through the activation's own output."""

    apply: Callable[[Array], None]
    """Replaces z by a(z)."""
    multiply_by_derivative: Callable[[Array, Array], None]
    """Given ``(delta, a)``, multiplies delta by a'(z)."""


def _identity(z: Array) -> None:
    pass


def _identity_derivative(delta: Array, a: Array) -> None:
    pass


def _logistic(z: Array) -> None:
    """1 / (1 + e^-z) as ½(1 + tanh(z/2)), which cannot overflow."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def _logistic_derivative(delta: Array, a: Array) -> None:
    delta *= a
    delta *= 1 - a


def _tanh(z: Array) -> None:
    np.tanh(z, out=z)


def _tanh_derivative(delta: Array, a: Array) -> None:
    delta *= 1 - a * a


def _relu(z: Array) -> None:
    np.maximum(z, 0, out=z)


def _relu_derivative(delta: Array, a: Array) -> None:
    delta *= a > 0


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_identity, _identity_derivative),
    "logistic": Activation(_logistic, _logistic_derivative),
    "relu": Activation(_relu, _relu_derivative),
    "tanh": Activation(_tanh, _tanh_derivative),
}


# --- losses -----------------------------------------------------------------------------------


class Loss(NamedTuple):
    """A loss with its canonical output.

    ``rows(z, y)`` gives the loss of every row, ``(K, B)``, and replaces the last layer's z by the
    network's output; ``gradient_scale(m)`` times (output - y) is its gradient in z for m outputs;
    ``guess(y)`` is the loss of a prediction that ignores the input; ``guess_rows(y, centre)``,
    ``(B,)``, is that of rows for which the mean target of all rows is predicted.
    """

    rows: Callable[[Array, Array], Array]
    gradient_scale: Callable[[int], float]
    guess: Callable[[Array], float]
    guess_rows: Callable[[Array, Array], Array]


def _log_loss(z: Array, y: Array) -> Array:
    """Cross entropy of softmax(z); finite as long as z is, however small the probability.

    Classes come first while it is worked out: NumPy reduces a first axis several times faster
    than a last one of few elements.
    """
    n_settings, n_rows, n_classes = z.shape
    by_class = z.reshape(-1, n_classes).T.copy()
    by_class -= by_class.max(axis=0)
    by_row = by_class.reshape(n_classes, n_settings, n_rows)
    target = (by_row * y.T[:, np.newaxis]).sum(axis=0)
    np.exp(by_class, out=by_class)
    total = by_class.sum(axis=0)
    by_class /= total
    z[...] = by_row.transpose(1, 2, 0)
    return np.asarray(np.log(total).reshape(n_settings, n_rows) - target)


def _squared_error(z: Array, y: Array) -> Array:
    """Squared error, mean over the outputs: torch ``MSELoss``, Keras ``mean_squared_error``."""
    difference = z - y
    return np.asarray(np.einsum("...o,...o->...", difference, difference) / z.shape[-1])


def _variance(y: Array) -> float:
    variance = float(y.var(axis=0, dtype=np.float64).mean())
    return variance if variance > 0 else 1.0  # a constant target leaves no scale to compare with


def _uniform_guess(y: Array) -> float:
    return math.log(max(2, y.shape[1]))


LOSSES: dict[str, Loss] = {
    "log_loss": Loss(
        _log_loss, lambda _: 1.0, _uniform_guess, lambda y, _: np.full(len(y), _uniform_guess(y))
    ),
    "squared_error": Loss(
        _squared_error, lambda n_outputs: 2.0 / n_outputs, _variance, _squared_error
    ),
}


# --- initial weights --------------------------------------------------------------------------

Initializer = Callable[[np.random.Generator, int, int], Array]


def _uniform(rng: np.random.Generator, n: int, m: int, limit: float) -> Array:
    return rng.uniform(-limit, limit, size=(n, m))


INITIALIZERS: dict[str, Initializer] = {
    "glorot_normal": lambda rng, n, m: rng.normal(0.0, math.sqrt(2 / (n + m)), size=(n, m)),
    "glorot_uniform": lambda rng, n, m: _uniform(rng, n, m, math.sqrt(6 / (n + m))),
    "he_normal": lambda rng, n, m: rng.normal(0.0, math.sqrt(2 / n), size=(n, m)),
    "he_uniform": lambda rng, n, m: _uniform(rng, n, m, math.sqrt(6 / n)),
}
"""Glorot and Bengio (2010); He et al. (2015). Biases start at zero."""


# --- the network ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """The architecture; its methods are pure functions of the parameters they are given.

    Parameters
    ----------
    layer_sizes : tuple of int
        Inputs, hidden units of each layer, outputs.
    activation : str, default="relu"
        Activation of the hidden layers, a key of `ACTIVATIONS`.
    loss : str, default="log_loss"
        A key of `LOSSES`.
    weights_init : str, default="glorot_uniform"
        Distribution of the initial weights, a key of `INITIALIZERS`.

    Examples
    --------
    >>> network = Network((4, 50, 12, 3))
    >>> network.n_parameters
    901
    >>> network.initial_parameters(np.random.default_rng(0), np.dtype("float32")).shape
    (901,)
    """

    layer_sizes: tuple[int, ...]
    activation: str = "relu"
    loss: str = "log_loss"
    weights_init: str = "glorot_uniform"

    def __post_init__(self) -> None:
        if len(self.layer_sizes) < 2 or min(self.layer_sizes) < 1:
            raise InvalidInputError(
                "layer_sizes must name at least inputs and outputs, each at least 1, "
                f"but got {self.layer_sizes}"
            )
        for name, registry in (
            ("activation", ACTIVATIONS),
            ("loss", LOSSES),
            ("weights_init", INITIALIZERS),
        ):
            if getattr(self, name) not in registry:
                raise InvalidInputError(
                    f"{name} must be one of {', '.join(registry)}, but got {getattr(self, name)!r}"
                )

    @property
    def n_weights(self) -> int:
        """Number of weights, biases left out."""
        return sum(n * m for n, m in pairwise(self.layer_sizes))

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases, P."""
        return self.n_weights + sum(self.layer_sizes[1:])

    def initial_parameters(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
        """Draw initial parameters, shape (P,); drawn in float64 whatever the dtype."""
        draw = INITIALIZERS[self.weights_init]
        weights = [draw(rng, n, m).ravel() for n, m in pairwise(self.layer_sizes)]
        biases = np.zeros(sum(self.layer_sizes[1:]))
        return np.concatenate([*weights, biases]).astype(dtype)

    def layers(self, parameters: Array) -> list[Layer]:
        """Views of flat parameters (or gradients) ``(K, P)``, layer by layer."""
        n_settings = len(parameters)
        weight, bias = 0, self.n_weights
        layers = []
        for n, m in pairwise(self.layer_sizes):
            layers.append(
                Layer(
                    parameters[:, weight : weight + n * m].reshape(n_settings, n, m),
                    parameters[:, bias : bias + m].reshape(n_settings, 1, m),
                )
            )
            weight, bias = weight + n * m, bias + m
        return layers
