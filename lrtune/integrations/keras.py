"""Callbacks for ``fit`` of Keras."""

from __future__ import annotations

from typing import Any

import keras

from lrtune.integrations.epochs import epochs_at
from lrtune.integrations.reporting import Report, is_halted, loss_and_metrics
from lrtune.schedules.schedule import Schedule


class FollowSchedule(keras.callbacks.Callback):
    """Sets the rate before every batch in which the schedule changes it.

    Parameters
    ----------
    schedule : Schedule
        Its `update` says whether the rate changes within an epoch. A decay type that follows
        losses raises `InvalidInputError`.

    Examples
    --------
    >>> from lrtune import Schedule
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", loss="mse")
    >>> schedule = Schedule(learning_rate_init=0.5, decay="linear", decay_rate=0.25)
    >>> X, y = keras.ops.zeros((8, 2)), keras.ops.zeros((8, 1))
    >>> _ = model.fit(X, y, epochs=3, callbacks=[FollowSchedule(schedule)], verbose=0)
    >>> float(model.optimizer.learning_rate)
    0.25
    """

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.schedule, self._epoch, self._rate = schedule, 0, schedule(0)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._rate = epoch, None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        rate = self.schedule(epochs_at(self.schedule, self._epoch, batch, self.params["steps"]))
        if rate != self._rate:
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()  # otherwise JAX keeps the rate of the epoch's start
            self.model.optimizer.learning_rate = self._rate = rate


class ReportLoss(keras.callbacks.Callback):
    """Reports the validation loss after every epoch, with the other numbers of the logs.

    A halted training stops by Keras's own flag, so that ``fit`` ends all callbacks and returns.

    Parameters
    ----------
    report : callable
        The `report` that a training is handed.
    monitor : str, default="val_loss"
        The loss's name in the logs.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", loss="mse")
    >>> X, y = keras.ops.zeros((8, 2)), keras.ops.zeros((8, 1))
    >>> _ = model.fit(X, y, validation_data=(X, y), callbacks=[ReportLoss(print)], verbose=0)
    {'loss': 0.0}
    """

    def __init__(self, report: Report, monitor: str = "val_loss") -> None:
        super().__init__()
        self.report, self.monitor = report, monitor

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        losses = loss_and_metrics(logs or {}, self.monitor, "pass validation_data to fit")
        if is_halted(self.report, losses):
            self.model.stop_training = True
