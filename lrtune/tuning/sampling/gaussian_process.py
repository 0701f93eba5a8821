"""Gaussian-process regression with a random effect of each replicate.

``y = f(x) + (mean of the effects of its replicates) + noise``, where f has a Matérn 5/2 covariance
with a length scale for each group of features. Its hyperparameters maximise the posterior density
under log-normal priors (Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning",
sections 4.2 and 5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

Array = npt.NDArray[Any]

SPREAD = 0.7
"""Standard deviation of the logarithm of each hyperparameter, in its prior."""
FARTHEST = 3.0
"""Limit on that logarithm's distance from its median, so that no covariance is nearly singular."""
JITTER = 1e-8
"""Added to the variance of each observation, so that the covariance can be decomposed."""
ITERATIONS = 15
"""Steps of the optimizer; further ones hardly change a prediction."""


@dataclass(frozen=True)
class Features:
    """Points, and the prior of the length scales.

    Attributes
    ----------
    points : ndarray of shape (n, d)
    groups : ndarray of int of shape (d,)
        Index of each column's length scale: the columns of one choice share theirs.
    lengths : ndarray of shape (g,)
        Prior medians of the length scales.
    """

    points: Array
    groups: Array
    lengths: Array

    def at(self, index: Any) -> Self:
        return type(self)(self.points[index], self.groups, self.lengths)


@dataclass(frozen=True)
class Hyperparameters:
    """Standard deviations of f, of a replicate's effect and of the noise; length scales of f."""

    signal: float = 1.0
    replicate: float = 0.3
    noise: float = 0.2
    lengths: tuple[float, ...] = ()

    @property
    def logarithms(self) -> Array:
        return np.log([self.signal, self.replicate, self.noise, *self.lengths])

    @classmethod
    def of(cls, logarithms: Array) -> Self:
        signal, replicate, noise, *lengths = np.exp(logarithms).tolist()
        return cls(signal, replicate, noise, tuple(lengths))


@dataclass(frozen=True)
class Posterior:
    """The process, given observations."""

    features: Features
    membership: Array
    """Shape (n, R): share of each replicate in each observation."""
    hyperparameters: Hyperparameters
    factor: Array
    """Cholesky factor of the observations' covariance."""
    weights: Array
    """The inverse of that covariance times the observations."""

    def predict(self, features: Features) -> tuple[Array, Array]:
        """Return the mean ``(m,)`` and the covariance ``(m, m)`` of f."""
        cross = self._covariance(features, self.features)
        reduced = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        prior = self._covariance(features, features)
        return cross @ self.weights, prior - reduced.T @ reduced

    def mean(self, features: Features) -> Array:
        """Return the mean ``(m,)`` of f."""
        return np.asarray(self._covariance(features, self.features) @ self.weights)

    def effects(self) -> tuple[Array, Array]:
        """Return the mean effect of each replicate, and its standard deviation, both ``(R,)``."""
        variance = self.hyperparameters.replicate**2
        reduced = solve_triangular(self.factor, variance * self.membership, lower=True)
        spread = np.sqrt(np.maximum(variance - (reduced**2).sum(axis=0), 0.0))
        return variance * self.membership.T @ self.weights, spread

    def _covariance(self, first: Features, second: Features) -> Array:
        lengths = np.array(self.hyperparameters.lengths)
        a, b = (each.points / lengths[each.groups] for each in (first, second))
        squares = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * a @ b.T
        return self.hyperparameters.signal**2 * _matern(np.maximum(squares, 0.0))[0]


def fit(
    features: Features, membership: Array, values: Array, prior: Hyperparameters
) -> Hyperparameters:
    """Return the hyperparameters for values ``(n,)`` of about zero mean and unit spread.

    `prior` holds the medians of their priors. The noise of an observation on R replicates is that
    of one divided by R.
    """
    process = _Process(features, membership, values)
    medians = prior.logarithms
    best = minimize(
        process.loss,
        medians,
        args=(medians,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(median - FARTHEST, median + FARTHEST) for median in medians],
        options={"maxiter": ITERATIONS},
    )
    return Hyperparameters.of(best.x)


def condition(
    features: Features, membership: Array, values: Array, hyperparameters: Hyperparameters
) -> Posterior:
    """Return the process, given values ``(n,)``."""
    process = _Process(features, membership, values)
    factor = cholesky(process.covariance(hyperparameters.logarithms)[0], lower=True)
    weights = cho_solve((factor, True), values)
    return Posterior(features, membership, hyperparameters, factor, weights)


class _Process:
    """The negative log posterior density of the hyperparameters, with its gradient."""

    def __init__(self, features: Features, membership: Array, values: Array) -> None:
        squares = (features.points[:, np.newaxis] - features.points) ** 2
        same_group = features.groups[:, np.newaxis] == np.arange(len(features.lengths))
        self._squares = np.moveaxis(squares @ same_group, 2, 0)  # (g, n, n)
        self._shared = membership @ membership.T
        self._noise = (membership**2).sum(axis=1)  # 1 / R
        self._values = values

    def covariance(self, logarithms: Array) -> tuple[Array, Array, Array]:
        """Return the covariance, the correlation of f, and its factor of the derivatives."""
        signal, replicate, noise = np.exp(2 * logarithms[:3])
        scales = np.exp(-2 * logarithms[3:])
        correlation, slope = _matern(np.tensordot(scales, self._squares, 1))
        total = signal * correlation + replicate * self._shared
        total[np.diag_indices_from(total)] += noise * self._noise + JITTER
        return total, correlation, slope

    def loss(self, logarithms: Array, medians: Array) -> tuple[float, Array]:
        """Return the negative log density, and its gradient (Rasmussen and Williams, eq. 5.9)."""
        covariance, correlation, slope = self.covariance(logarithms)
        factor = cholesky(covariance, lower=True, check_finite=False)
        solved = cho_solve(
            (factor, True), np.column_stack([np.eye(len(factor)), self._values]), check_finite=False
        )
        inverse, weights = solved[:, :-1], solved[:, -1]
        outer = np.outer(weights, weights) - inverse
        signal, replicate, noise = np.exp(2 * logarithms[:3])
        gradient = np.empty_like(logarithms)
        gradient[0] = -signal * (outer * correlation).sum()
        gradient[1] = -replicate * (outer * self._shared).sum()
        gradient[2] = -noise * (np.diag(outer) * self._noise).sum()
        scaled = self._squares / np.exp(2 * logarithms[3:])[:, np.newaxis, np.newaxis]
        gradient[3:] = -0.5 * signal * np.einsum("ij,gij->g", outer * slope, scaled)
        from_medians = (logarithms - medians) / SPREAD
        loss = 0.5 * self._values @ weights + np.log(np.diag(factor)).sum()
        loss += 0.5 * from_medians @ from_medians
        return float(loss), gradient + from_medians / SPREAD


def _matern(squares: Array) -> tuple[Array, Array]:
    """Return the Matérn 5/2 correlation at squared scaled distances, and a factor of its slope.

    Its derivative by the logarithm of a length scale is that factor times the squared scaled
    distance in that length's features.
    """
    distance = np.sqrt(5 * squares)
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, 5 / 3 * (1 + distance) * decay
