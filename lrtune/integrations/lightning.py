"""Callbacks for Lightning's Trainer."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer

from lrtune.exceptions import InvalidInputError
from lrtune.integrations.epochs import epochs_at
from lrtune.integrations.parameter_groups import rate_ratios, set_rates
from lrtune.integrations.reporting import Report, is_halted, loss_and_metrics
from lrtune.schedules.schedule import Schedule


class FollowSchedule(Callback):
    """Sets the rate before every step, of the first parameter group; the others keep their ratio.

    It overrules the schedulers that the module configures.

    Parameters
    ----------
    schedule : Schedule
        A decay type that follows losses raises `InvalidInputError`.

    Examples
    --------
    >>> from lrtune import Schedule
    >>> callback = FollowSchedule(Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05))
    """

    def __init__(self, schedule: Schedule) -> None:
        schedule(0)  # raises if the decay type follows losses
        self.schedule = schedule

    def on_train_start(self, trainer: Trainer, *args: Any) -> None:
        self._ratios = [rate_ratios(optimizer) for optimizer in trainer.optimizers]

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        batch_idx = args[-1]
        if batch_idx % trainer.accumulate_grad_batches == 0:
            n_batches = trainer.num_training_batches
            t = epochs_at(self.schedule, trainer.current_epoch, batch_idx, n_batches)
            for optimizer, ratios in zip(trainer.optimizers, self._ratios, strict=True):
                set_rates(optimizer, self.schedule(t), ratios)


class ReportLoss(Callback):
    """Reports the validation loss after every epoch, with the other numbers that are logged.

    A halted training stops by Lightning's own flag, so that ``fit`` ends all callbacks and returns.

    Parameters
    ----------
    report : callable
        The `report` that a training is handed.
    monitor : str, default="val_loss"
        The name under which the module logs the loss.

    Examples
    --------
    >>> callback = ReportLoss(print)
    """

    def __init__(self, report: Report, monitor: str = "val_loss") -> None:
        self.report, self.monitor = report, monitor

    def on_train_start(self, trainer: Trainer, *args: Any) -> None:
        if trainer.check_val_every_n_epoch != 1:
            raise InvalidInputError(
                "`check_val_every_n_epoch` must be 1, as every epoch's loss is reported, but got "
                f"{trainer.check_val_every_n_epoch}"
            )

    def on_train_epoch_end(self, trainer: Trainer, *args: Any) -> None:
        logs = {name: value.item() for name, value in trainer.callback_metrics.items()}
        cure = f"log it in validation_step with self.log({self.monitor!r}, ...)"
        if is_halted(self.report, loss_and_metrics(logs, self.monitor, cure)):
            trainer.should_stop = True
