"""Callbacks of Keras: the rate at every batch, one report per epoch, and a stop in good order."""

import doctest
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import rate_table
from tests.integrations.frameworks import PLATEAU, SCHEDULES, Reports

pytestmark = [
    pytest.mark.keras,
    # Keras's, when it makes NumPy arrays of torch's tensors
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
keras = pytest.importorskip("keras")
hooks = pytest.importorskip("lrtune.integrations.keras")
EPOCHS, STEPS = 5, 3
X, Y = np.ones((3 * STEPS, 2)), np.arange(3.0 * STEPS)


class Watch(keras.callbacks.Callback):
    """Keeps the rate of every batch, and whether the training ended in order."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.ended = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.rates.append(float(self.model.optimizer.learning_rate))

    def on_train_end(self, logs: Any = None) -> None:
        self.ended = True


def make_model() -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.001), loss="mse", metrics=["mae"])
    return model


def fit(model: Any, *callbacks: Any, **options: Any) -> Watch:
    data = {"x": X, "y": Y, "batch_size": 3, "epochs": EPOCHS, "verbose": 0}
    watch = Watch()
    model.fit(**data | options, callbacks=[*callbacks, watch])
    return watch


def near(schedule: Schedule) -> Any:
    return pytest.approx(rate_table([schedule], EPOCHS, STEPS)[:, 0], rel=1e-6)


def test_the_examples_run() -> None:
    assert doctest.testmod(hooks).failed == 0


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_every_batch_has_the_schedules_rate(schedule: Schedule) -> None:
    assert fit(make_model(), hooks.FollowSchedule(schedule)).rates == near(schedule)


def test_a_training_that_starts_later_and_again_has_the_rates_of_its_epochs() -> None:
    model, callback = make_model(), hooks.FollowSchedule(SCHEDULES["all"])
    rates = fit(model, callback, epochs=2).rates + fit(model, callback, initial_epoch=2).rates

    assert rates == near(SCHEDULES["all"])


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_without_a_length_is_refused_only_for_a_rate_that_changes_within_an_epoch() -> None:
    def batches() -> Iterator[tuple[Any, Any]]:
        for _ in range(STEPS):
            yield X[:3], Y[:3]

    data = {"x": batches(), "y": None, "batch_size": None, "epochs": 1, "shuffle": False}
    watch = fit(make_model(), hooks.FollowSchedule(SCHEDULES["per epoch"]), **data)
    assert watch.rates == pytest.approx([0.3] * STEPS)
    with pytest.raises(InvalidInputError, match="pass steps_per_epoch"):
        fit(make_model(), hooks.FollowSchedule(SCHEDULES["warm-up"]), **data | {"x": batches()})


def test_a_schedule_that_follows_losses_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match="follows the validation loss"):
        hooks.FollowSchedule(PLATEAU)


def test_every_epoch_reports_its_validation_loss_once() -> None:
    model, report = make_model(), Reports()
    fit(model, hooks.ReportLoss(report), validation_data=(X + 1, Y))

    history = model.history.history
    assert [losses["loss"] for losses in report.losses] == history["val_loss"]
    assert [losses["val_mae"] for losses in report.losses] == history["val_mae"]
    assert {frozenset(losses) for losses in report.losses} == {
        frozenset({"loss", "mae", "val_mae"})
    }


def test_a_halted_training_ends_in_order_and_the_next_is_unaffected() -> None:
    model, report, n_threads = make_model(), Reports(halt_after=2), threading.active_count()
    watch = fit(model, hooks.ReportLoss(report), validation_data=(X, Y))
    assert (len(report.losses), len(watch.rates), watch.ended) == (2, 2 * STEPS, True)
    assert threading.active_count() == n_threads

    again = Reports()
    watch = fit(model, hooks.ReportLoss(again), validation_data=(X[:3], Y[:3] + 100))
    assert (len(again.losses), len(watch.rates)) == (EPOCHS, EPOCHS * STEPS)
    assert again.losses[-1]["loss"] > 1000  # of the new validation data


def test_a_loss_that_is_not_logged_is_refused_with_the_cure() -> None:
    with pytest.raises(
        InvalidInputError, match=r"\(loss, mae\), but got 'val_loss': pass validation_data to fit"
    ):
        fit(make_model(), hooks.ReportLoss(Reports()))


def test_under_jax_too_every_batch_has_the_schedules_rate() -> None:
    pytest.importorskip("jax")
    code = """
from tests.integrations import test_keras as here
assert here.keras.backend.backend() == "jax"
for schedule in here.SCHEDULES.values():
    here.test_every_batch_has_the_schedules_rate(schedule)
here.test_a_halted_training_ends_in_order_and_the_next_is_unaffected()
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"KERAS_BACKEND": "jax"}
    )
