"""Optimizers over K settings at once: ``update(params, grads, state, rates)``, in place.

An optimizer holds only its hyperparameters. Parameters and gradients are flat ``(K, P)`` arrays, so
that one update of all settings and layers takes a handful of array operations; rates are
``(K, 1)``. ``update`` overwrites ``grads``.

Names and defaults are scikit-learn's, or Keras' where scikit-learn has none. The updates are those
of the papers and of torch: a new rate applies to the whole velocity at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass
class OptimizerState:
    """Buffers with a leading K axis, and the number of updates so far."""

    buffers: dict[str, Array] = field(default_factory=dict)
    updates: int = 0

    def keep(self, mask: Array) -> None:
        """Drop the settings where the ``(K,)`` mask is false."""
        self.buffers = {name: buffer[mask] for name, buffer in self.buffers.items()}


class Optimizer(Protocol):
    """The interface of all optimizers."""

    def init(self, params: Array) -> OptimizerState:
        """Return the state before the first update of parameters ``(K, P)``."""

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        """Change `params` and `state` in place, and overwrite `grads`."""


def _zeros(params: Array, *names: str) -> OptimizerState:
    return OptimizerState({name: np.zeros_like(params) for name in names})


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent: w ← w - α·g."""

    def init(self, params: Array) -> OptimizerState:  # noqa: ARG002
        return OptimizerState()

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        grads *= rates
        params -= grads


@dataclass(frozen=True)
class Momentum:
    """Heavy-ball momentum: v ← μ·v + g; w ← w - α·v (Polyak 1964; torch ``SGD``)."""

    momentum: float = 0.9

    def init(self, params: Array) -> OptimizerState:
        return _zeros(params, "velocity")

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        velocity = state.buffers["velocity"]
        velocity *= self.momentum
        velocity += grads
        np.multiply(velocity, rates, out=grads)
        params -= grads


@dataclass(frozen=True)
class Nesterov:
    """Nesterov momentum: v ← μ·v + g; w ← w - α·(g + μ·v) (Sutskever et al. 2013; torch)."""

    momentum: float = 0.9

    def init(self, params: Array) -> OptimizerState:
        return _zeros(params, "velocity", "scratch")

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        velocity, scratch = state.buffers["velocity"], state.buffers["scratch"]
        velocity *= self.momentum
        velocity += grads
        np.multiply(velocity, self.momentum, out=scratch)
        grads += scratch
        grads *= rates
        params -= grads


@dataclass(frozen=True)
class Adagrad:
    """Adagrad: s ← s + g²; w ← w - α·g / (√s + ε) (Duchi et al. 2011)."""

    epsilon: float = 1e-8

    def init(self, params: Array) -> OptimizerState:
        return _zeros(params, "square_sum", "scratch")

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        square_sum, scratch = state.buffers["square_sum"], state.buffers["scratch"]
        np.multiply(grads, grads, out=scratch)
        square_sum += scratch
        np.sqrt(square_sum, out=scratch)
        scratch += self.epsilon
        grads /= scratch
        grads *= rates
        params -= grads


@dataclass(frozen=True)
class RMSprop:
    """RMSprop: s ← ρ·s + (1-ρ)·g²; w ← w - α·g / (√s + ε) (Hinton 2012, lecture 6e)."""

    rho: float = 0.9
    epsilon: float = 1e-8

    def init(self, params: Array) -> OptimizerState:
        return _zeros(params, "mean_square", "scratch")

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        mean_square, scratch = state.buffers["mean_square"], state.buffers["scratch"]
        np.multiply(grads, grads, out=scratch)
        scratch *= 1 - self.rho
        mean_square *= self.rho
        mean_square += scratch
        np.sqrt(mean_square, out=scratch)
        scratch += self.epsilon
        grads /= scratch
        grads *= rates
        params -= grads


@dataclass(frozen=True)
class Adam:
    """Adam, Algorithm 1 of Kingma and Ba (2015)."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def init(self, params: Array) -> OptimizerState:
        return _zeros(params, "first_moment", "second_moment", "scratch")

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        first, second = state.buffers["first_moment"], state.buffers["second_moment"]
        scratch = state.buffers["scratch"]
        np.multiply(grads, 1 - self.beta_1, out=scratch)
        first *= self.beta_1
        first += scratch
        np.multiply(grads, grads, out=scratch)
        scratch *= 1 - self.beta_2
        second *= self.beta_2
        second += scratch
        np.divide(second, 1 - self.beta_2**state.updates, out=scratch)
        np.sqrt(scratch, out=scratch)
        scratch += self.epsilon
        np.divide(first, scratch, out=grads)
        grads *= rates / (1 - self.beta_1**state.updates)
        params -= grads


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: w ← (1 - α·λ)·w first (Loshchilov and Hutter 2019)."""

    weight_decay: float = 0.01

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        params *= 1 - rates * self.weight_decay
        super().update(params, grads, state, rates)


_INITIAL_MOVEMENT = 1e-6  # the paper's r_ε, as a share of 1 + ‖x₀‖


@dataclass(frozen=True)
class DoG:
    """Distance over gradients, a step size that needs no tuning (Ivgi, Hinder and Carmon 2023).

    x ← x - α·r̄/√(Σ‖g‖² + ε)·g, where r̄ is the largest distance of x from x₀ so far, but at least
    1e-6·(1 + ‖x₀‖). The rate α is the paper's c: 1 is the learning-rate-free method. Norms are
    taken over all parameters of a setting. The paper's averaging of iterates is left out.

    The first steps are tiny and then grow: on the five bundled data sets x was 0.1 away from x₀
    after 50 to 85 steps, so a hundred steps are too few.

    "DoG is SGD's Best Friend: A Parameter-Free Dynamic Step Size Schedule", ICML 2023,
    https://arxiv.org/abs/2302.12022
    """

    epsilon: float = 1e-8

    def init(self, params: Array) -> OptimizerState:
        distance = (1 + np.sqrt(_sum_per_setting(params * params))) * _INITIAL_MOVEMENT
        buffers = {"start": params.copy(), "scratch": np.empty_like(params)}
        buffers |= {"distance": distance, "square_sum": np.zeros_like(distance)}
        return OptimizerState(buffers)

    def update(self, params: Array, grads: Array, state: OptimizerState, rates: Array) -> None:
        state.updates += 1
        distance, square_sum = state.buffers["distance"], state.buffers["square_sum"]
        scratch = state.buffers["scratch"]
        np.subtract(params, state.buffers["start"], out=scratch)
        scratch *= scratch
        np.maximum(distance, np.sqrt(_sum_per_setting(scratch)), out=distance)
        np.multiply(grads, grads, out=scratch)
        square_sum += _sum_per_setting(scratch)
        grads *= rates * distance / np.sqrt(square_sum + self.epsilon)
        params -= grads


def _sum_per_setting(squares: Array) -> Array:
    # (K, 1); unlike einsum, sum gives the same last bit for every K
    return np.asarray(squares.sum(axis=1, keepdims=True))


OptimizerName = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "dog"]
"""The names in `OPTIMIZERS`, for type checkers."""

OPTIMIZERS: dict[str, type[Any]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "dog": DoG,
}

DEFAULT_RATES: dict[str, float] = {
    "sgd": 0.1,
    "momentum": 0.01,
    "nesterov": 0.01,
    "adagrad": 0.01,
    "rmsprop": 0.001,
    "adam": 0.001,
    "adamw": 0.001,
    "dog": 1.0,
}
"""Usual untuned rate of each optimizer: the default of its authors or of the libraries; for SGD the
rate that tutorials try first."""
