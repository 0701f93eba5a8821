"""Validation losses of estimators that are trained by `partial_fit`: means over rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Loss = Callable[[Any, Any, Any, Array | None], float]
"""Function of a fitted estimator, X, y and the rows' weights or None."""

MARGIN_LOSSES: dict[str, Callable[[Array], Array]] = {
    "hinge": lambda m: np.maximum(0, 1 - m),
    "squared_hinge": lambda m: np.maximum(0, 1 - m) ** 2,
    "modified_huber": lambda m: np.where(m >= -1, np.maximum(0, 1 - m) ** 2, -4 * m),
}
"""Losses of the margin m = y f(x), y = ±1, by scikit-learn's names."""

RESIDUAL_LOSSES: dict[str, Callable[[Array, float], Array]] = {
    "squared_error": lambda r, _: r**2,
    "huber": lambda r, e: np.where(np.abs(r) <= e, r**2 / 2, e * np.abs(r) - e**2 / 2),
    "epsilon_insensitive": lambda r, e: np.maximum(0, np.abs(r) - e),
    "squared_epsilon_insensitive": lambda r, e: np.maximum(0, np.abs(r) - e) ** 2,
}
"""Losses of the residual r = y − f(x), with the estimator's `epsilon`, by scikit-learn's names."""


def log_loss(estimator: Any, X: Any, y: Any, sample_weight: Array | None) -> float:
    """Return the log loss of `predict_proba`.

    A probability of 0 counts as the smallest number above it, so that the loss stays finite.
    """
    probabilities = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    own = probabilities[np.arange(len(probabilities)), _codes(estimator, y)]
    return _mean(-np.log(np.maximum(own, np.finfo(np.float64).tiny)), sample_weight)


def squared_error(estimator: Any, X: Any, y: Any, sample_weight: Array | None) -> float:
    """Return the squared error of `predict`, a mean over outputs, too."""
    target = np.asarray(y, dtype=np.float64)
    residuals = target - np.reshape(estimator.predict(X), target.shape)
    return _mean((residuals**2).reshape(len(target), -1).mean(axis=1), sample_weight)


def linear_loss(estimator: Any, X: Any, y: Any, sample_weight: Array | None) -> float:
    """Return the loss of an SGDClassifier, SGDRegressor or Perceptron by its own `loss`."""
    name = linear_loss_name(estimator)
    if not hasattr(estimator, "decision_function"):
        residuals = np.asarray(y, dtype=np.float64) - estimator.predict(X)
        return _mean(RESIDUAL_LOSSES[name](residuals, estimator.epsilon), sample_weight)
    scores = np.asarray(estimator.decision_function(X), dtype=np.float64)
    codes = _codes(estimator, y)
    if scores.ndim == 1:  # two classes
        signs = 2.0 * codes - 1
        if name == "log_loss":
            return _mean(np.logaddexp(0, -signs * scores), sample_weight)
        return _mean(_classifier_loss(estimator, name, signs, scores), sample_weight)
    if name == "log_loss":  # of one-vs-rest probabilities that are normalised, as predict_proba's
        logs = -np.logaddexp(0, -scores)
        own = logs[np.arange(len(codes)), codes] - np.logaddexp.reduce(logs, axis=1)
        return _mean(-own, sample_weight)
    signs = np.where(codes[:, np.newaxis] == np.arange(scores.shape[1]), 1.0, -1.0)
    return _mean(_classifier_loss(estimator, name, signs, scores).mean(axis=1), sample_weight)


def linear_loss_name(estimator: Any) -> str:
    """Return the loss that a linear estimator is judged by.

    It is the hinge loss in place of the perceptron loss, which is 0 for weights of 0.
    """
    name = str(estimator.loss)
    return "hinge" if name == "perceptron" else name


def network_loss(net: Any, X: Any, y: Any, _sample_weight: Array | None) -> float:
    """Return the loss of a skorch net by its own criterion."""
    return float(net.get_loss(net.forward(X, device=net.device), y))


def _classifier_loss(estimator: Any, name: str, signs: Array, scores: Array) -> Array:
    if name in MARGIN_LOSSES:
        return MARGIN_LOSSES[name](signs * scores)
    return RESIDUAL_LOSSES[name](signs - scores, estimator.epsilon)


def _codes(estimator: Any, y: Any) -> Array:
    """Return the index of each label among the estimator's classes, which are sorted."""
    return np.searchsorted(estimator.classes_, np.asarray(y))


def _mean(losses: Array, sample_weight: Array | None) -> float:
    return float(np.average(losses, weights=sample_weight))
