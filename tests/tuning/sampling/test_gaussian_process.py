"""Gaussian-process regression: against scikit-learn, finite differences, and a plain reference."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from lrtune.tuning.sampling.gaussian_process import (
    JITTER,
    Features,
    Hyperparameters,
    _Process,
    condition,
    fit,
)

CHOSEN = Hyperparameters(signal=1.3, replicate=0.5, noise=0.4, lengths=(0.8, 2.0))


def points(n: int, seed: int = 0) -> Features:
    """Return n points of two features, the second of two columns."""
    drawn = np.random.default_rng(seed).normal(size=(n, 3))
    return Features(drawn, np.array([0, 1, 1]), np.array([1.0, 1.0]))


def test_without_replicates_it_predicts_as_scikit_learn_does() -> None:
    features, queries = points(20), points(7, seed=1)
    values = np.random.default_rng(2).normal(size=20)
    kernel = ConstantKernel(1.3**2) * Matern([0.8, 2.0, 2.0], nu=2.5) + WhiteKernel(0.4**2)
    reference = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None)
    reference.fit(features.points, values)
    chosen = Hyperparameters(signal=1.3, replicate=1e-9, noise=0.4, lengths=(0.8, 2.0))

    posterior = condition(features, np.eye(20), values, chosen)
    mean, covariance = posterior.predict(queries)

    expected, deviation = reference.predict(queries.points, return_std=True)
    assert mean == pytest.approx(expected, rel=1e-6)
    assert posterior.mean(queries) == pytest.approx(expected, rel=1e-6)
    assert np.sqrt(np.diag(covariance) + 0.4**2) == pytest.approx(deviation, rel=1e-6)


def test_the_gradient_is_that_of_finite_differences() -> None:
    features, rng = points(12), np.random.default_rng(3)
    membership = np.eye(4)[rng.integers(4, size=12)]
    process = _Process(features, membership, rng.normal(size=12))
    medians = np.zeros(5)
    for _ in range(5):
        at = rng.normal(scale=0.5, size=5)
        error = check_grad(
            lambda x: process.loss(x, medians)[0], lambda x: process.loss(x, medians)[1], at
        )
        assert error < 1e-4


def test_the_effect_of_a_replicate_is_the_conditional_mean() -> None:
    features, rng = points(9), np.random.default_rng(4)
    membership = np.repeat(np.eye(3), 3, axis=0)
    values = rng.normal(size=9)

    posterior = condition(features, membership, values, CHOSEN)
    effects, errors = posterior.effects()

    scaled = features.points / np.array([0.8, 2.0, 2.0])
    distance = np.sqrt(5) * np.linalg.norm(scaled[:, np.newaxis] - scaled, axis=2)
    f = 1.3**2 * (1 + distance + distance**2 / 3) * np.exp(-distance)
    total = f + 0.5**2 * membership @ membership.T + (0.4**2 + JITTER) * np.eye(9)
    cross = 0.5**2 * membership.T
    assert effects == pytest.approx(cross @ np.linalg.solve(total, values))
    variance = 0.5**2 * np.eye(3) - cross @ np.linalg.solve(total, cross.T)
    assert errors == pytest.approx(np.sqrt(np.diag(variance)))


def test_a_mean_over_replicates_has_less_noise() -> None:
    features = points(2)
    one, three = np.array([[1.0, 0, 0], [0, 1, 0]]), np.full((2, 3), 1 / 3)
    variances = [
        np.diag(_Process(features, each, np.zeros(2)).covariance(CHOSEN.logarithms)[0])
        for each in (one, three)
    ]
    signal, replicate, noise = 1.3**2, 0.5**2, 0.4**2
    assert variances[0] == pytest.approx(signal + replicate + noise)
    assert variances[1] == pytest.approx(signal + replicate / 3 + noise / 3)


def test_values_without_noise_at_points_that_coincide_are_fitted() -> None:
    drawn = np.repeat(np.random.default_rng(6).normal(size=(6, 1)), 16, axis=0)
    features = Features(drawn, np.array([0]), np.array([1.0]))
    values = np.sin(3 * drawn[:, 0]) * 5
    chosen = fit(features, np.eye(96), values, Hyperparameters(lengths=(1.0,)))

    mean = condition(features, np.eye(96), values, chosen).mean(features)

    assert mean == pytest.approx(values, abs=0.05)


def test_hyperparameters_that_made_the_values_are_found_again() -> None:
    rng = np.random.default_rng(5)
    features = Features(rng.uniform(-3, 3, (120, 1)), np.array([0]), np.array([1.0]))
    membership = np.repeat(np.eye(15), 8, axis=0)
    effects = rng.normal(scale=0.8, size=15)
    values = np.sin(features.points[:, 0]) + membership @ effects + rng.normal(scale=0.1, size=120)
    prior = Hyperparameters(lengths=(1.0,))

    found = fit(features, membership, values, prior)

    assert found.replicate == pytest.approx(effects.std(), rel=0.4)
    assert found.noise == pytest.approx(0.1, rel=0.3)
