"""Losses of estimators with `partial_fit`, against scikit-learn's."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.metrics import hinge_loss
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.neural_network import MLPClassifier

from lrtune.tuning.trainers.estimator_losses import linear_loss, log_loss, squared_error
from tests.iris import X, Y
from tests.partial_fit_training import LINEAR, TARGET, trained


@pytest.mark.parametrize("y", [Y, Y == 1], ids=["three classes", "two"])
def test_log_loss_is_that_of_scikit_learn(y: Any) -> None:
    model = trained(SGDClassifier(loss="log_loss"), LINEAR, 2, y=y, classes=np.unique(y))
    probabilities = np.clip(model.predict_proba(X), 1e-300, 1)
    weights = np.arange(1.0, 151)

    assert linear_loss(model, X, y, weights) == pytest.approx(
        sklearn_log_loss(y, probabilities, sample_weight=weights), rel=1e-6
    )


def test_the_log_loss_stays_exact_where_probabilities_are_0() -> None:
    model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.1)
    model.partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])
    model.coef_, model.intercept_ = np.array([[5000.0]]), np.array([0.0])

    assert linear_loss(model, [[1.0]], [0], None) == 5000


@pytest.mark.parametrize("kind", [SGDClassifier, Perceptron, partial(SGDClassifier, "perceptron")])
def test_linear_classifiers_have_the_hinge_loss(kind: Any) -> None:
    model = trained(kind(), LINEAR, 2, y=Y == 1, classes=np.array([False, True]))

    assert linear_loss(model, X, Y == 1, None) == pytest.approx(
        hinge_loss(Y == 1, model.decision_function(X))
    )


@pytest.mark.parametrize("model", [MLPClassifier((4,)), MLPClassifier((4,), solver="sgd")])
def test_a_network_has_the_log_loss(model: Any) -> None:
    labels = np.array(["a", "b", "c"])[Y]
    model = trained(model, LINEAR, 2, y=labels, classes=np.unique(labels))

    assert log_loss(model, X, labels, None) == pytest.approx(
        sklearn_log_loss(labels, model.predict_proba(X))
    )


@pytest.mark.parametrize(
    "loss", ["squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"]
)
def test_a_linear_regressor_has_its_own_loss(loss: str) -> None:
    model = trained(SGDRegressor(loss=loss, epsilon=0.3), LINEAR, 1)
    r = np.abs(TARGET - model.predict(X))
    expected = {
        "squared_error": r**2,
        "huber": np.where(r <= 0.3, r**2 / 2, 0.3 * r - 0.045),
        "epsilon_insensitive": np.maximum(0, r - 0.3),
        "squared_epsilon_insensitive": np.maximum(0, r - 0.3) ** 2,
    }

    assert linear_loss(model, X, TARGET, None) == pytest.approx(expected[loss].mean())
    assert squared_error(model, X, TARGET, None) == pytest.approx((r**2).mean())
