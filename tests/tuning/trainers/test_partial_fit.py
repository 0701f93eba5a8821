"""Training by `partial_fit`: the rate of every epoch, the losses, and what is refused."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.metrics import hinge_loss
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from lrtune import Schedule, register_estimator
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.estimator_losses import linear_loss, log_loss, squared_error
from lrtune.tuning.trainers.partial_fit import RowSet, seeded_copy, train_epochs
from lrtune.tuning.trainers.tunable import TUNABLES, require_tunable
from tests.iris import X, Y

LINEAR = Schedule(learning_rate_init=0.1, decay="linear", decay_rate=0.25)
TARGET = X @ [1.0, -2.0, 0.5, 1.0]


class Recorder(RegressorMixin, BaseEstimator):
    """Notes the rate and the rows of each call."""

    def __init__(self, rate: float = 0.1, max_iter: int = 4) -> None:
        self.rate = rate
        self.max_iter = max_iter

    def partial_fit(self, X: Any, y: Any) -> "Recorder":  # noqa: ARG002
        self.calls = [*getattr(self, "calls", []), (self.rate, len(X))]
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.tuning.trainers.tunable.TUNABLES", TUNABLES.copy())
    register_estimator(Recorder, set_rate="rate")


def trained(model: Any, schedule: Schedule, epochs: int, **options: Any) -> Any:
    tunable, _ = require_tunable(model)
    model = seeded_copy(model, 3).set_params(**tunable.fixed)
    rows = RowSet(X, options.pop("y", TARGET))
    for _ in train_epochs(model, tunable, rows, schedule, epochs, 3, **options):
        pass
    return model


# --- the rate ---------------------------------------------------------------------------------


def test_each_epoch_is_one_call_at_its_rate() -> None:
    calls = trained(Recorder(), LINEAR, 4).calls

    assert calls == [(LINEAR(epoch), 150) for epoch in range(4)]


def test_rates_that_change_within_an_epoch_are_set_before_every_batch() -> None:
    schedule = Schedule(learning_rate_init=1.0, decay="linear", decay_rate=0.5, update="batch")
    calls = trained(Recorder(), schedule, 2).calls

    assert [size for _, size in calls] == [32, 32, 32, 32, 22] * 2
    assert [rate for rate, _ in calls] == schedule(np.arange(10) / 5).tolist()


def test_a_warm_up_sets_the_rate_of_batches_only_while_it_lasts() -> None:
    calls = trained(Recorder(), Schedule(learning_rate_init=1.0, warmup_epochs=1), 2).calls

    assert len(calls) == 6
    assert 0 < calls[0][0] < 1e-300  # a rate of 0 is refused by estimators
    assert calls[-1] == (1.0, 150)


def test_an_estimator_without_shuffling_gets_the_rows_in_order() -> None:
    model = SGDRegressor(shuffle=False)
    tuned = trained(model, LINEAR, 1)
    by_hand = SGDRegressor(shuffle=False, learning_rate="constant", eta0=0.1)
    by_hand.partial_fit(X, TARGET)

    assert tuned.coef_.tolist() == by_hand.coef_.tolist()


def test_epochs_of_sgd_are_those_by_hand_to_the_last_bit() -> None:
    tuned = trained(SGDRegressor(), LINEAR, 3)
    by_hand, rng = SGDRegressor(learning_rate="constant", random_state=3), np.random.default_rng(3)
    for epoch in range(3):
        order = rng.permutation(150)
        by_hand.set_params(eta0=0.1 * (1 - 0.25 * epoch)).partial_fit(X[order], TARGET[order])

    assert tuned.coef_.tolist() == by_hand.coef_.tolist()


def sgd_step(model: Any, rate: float, momentum: float, velocity: Any) -> Any:
    """Return the weights of a network without hidden layers after one full-batch step."""
    n, (W,), (b,) = len(X), model.coefs_, model.intercepts_
    error = (X @ W + b) - TARGET[:, None]
    gradient = X.T @ error / n + model.alpha * W / n
    velocity = momentum * velocity - rate * gradient
    return W + velocity, velocity


def test_the_rate_of_an_mlp_takes_effect_in_every_epoch() -> None:
    """One full-batch step an epoch, without hidden layers: gradient descent with momentum."""
    make = partial(
        MLPRegressor,
        hidden_layer_sizes=(),
        solver="sgd",
        batch_size=150,
        nesterovs_momentum=False,
        momentum=0.5,
    )
    schedule = Schedule(learning_rate_init=0.01, decay="exponential", decay_rate=0.5)
    velocity: Any = 0.0
    for epoch in range(4):
        before = trained(make(), schedule, epoch) if epoch else None
        if before is None:
            continue
        after = trained(make(), schedule, epoch + 1)
        if epoch == 1:  # the velocity of the first step is the change that it made
            start = trained(make(), Schedule(learning_rate_init=1e-300), 1)
            velocity = before.coefs_[0] - start.coefs_[0]
        expected, velocity = sgd_step(before, schedule(epoch), 0.5, velocity)
        np.testing.assert_allclose(after.coefs_[0], expected, rtol=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_mlp_stands_still_at_a_rate_of_all_but_0(solver: str) -> None:
    """From epoch 1 on, linear decay is at 0; without momentum nothing moves."""
    model = MLPRegressor(hidden_layer_sizes=(4,), solver=solver, momentum=0.0)
    schedule = Schedule(learning_rate_init=0.01, decay="linear", decay_rate=1.0)
    first, last = trained(model, schedule, 1), trained(model, schedule, 3)

    assert first.coefs_[0].tolist() == last.coefs_[0].tolist()


def test_a_batch_size_above_the_rows_does_not_warn_and_is_kept() -> None:
    assert (
        trained(MLPRegressor(hidden_layer_sizes=(2,), batch_size=500), LINEAR, 1).batch_size == 500
    )


# --- losses -----------------------------------------------------------------------------------


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


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RandomForestClassifier(), "RandomForestClassifier: tune one of these"),
        (GaussianNB(), "GaussianNB: if it has one, say how it is set by lrtune.register_estimator"),
        (SGDClassifier(early_stopping=True), "early_stopping=True: leave it out"),
        (SGDClassifier(average=True), "average=True: leave it out"),
        (SGDRegressor(learning_rate="adaptive"), "learning_rate='adaptive': leave it out"),
        (SGDClassifier(class_weight="balanced"), "class_weight='balanced': give a dict"),
        (Perceptron(class_weight="balanced"), "class_weight='balanced': give a dict"),
        (MLPClassifier(solver="lbfgs"), "solver='lbfgs', .* set solver='sgd' or 'adam'"),
        (MLPClassifier(early_stopping=True), "early_stopping=True: leave it out"),
        (MLPRegressor(learning_rate="invscaling"), "learning_rate='invscaling': leave it out"),
        (Recorder(max_iter=0), "`max_iter`, its epochs, .* but got 0: set it"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_a_cure(model: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^`estimator` must .*{message}"):
        require_tunable(model)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (Recorder(), {"set_rate": "rate"}, "`cls` must be a class"),
        (RandomForestClassifier, {"set_rate": "rate"}, "`cls` must have `partial_fit`"),
        (Recorder, {"set_rate": 3}, "`set_rate` must be a parameter's name or a function"),
        (Recorder, {"set_rate": "rate", "loss": "log"}, "`loss` must be a function"),
    ],
)
def test_a_registration_is_checked(cls: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        register_estimator(cls, **options)
