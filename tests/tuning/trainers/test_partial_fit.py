"""Training by `partial_fit`: the rate of every epoch, the losses, and what is refused."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import SGDRegressor
from sklearn.neural_network import MLPRegressor

from lrtune import Schedule, register_estimator
from lrtune.tuning.trainers.tunable import TUNABLES
from tests.iris import X
from tests.partial_fit_training import LINEAR, TARGET, Recorder, trained


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.tuning.trainers.tunable.TUNABLES", TUNABLES.copy())
    register_estimator(Recorder, set_rate="rate")


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
