"""Callbacks for the Trainer of Transformers."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from lrtune.exceptions import InvalidInputError
from lrtune.integrations.parameter_groups import rate_ratios, set_rates
from lrtune.integrations.reporting import Report, is_halted, loss_and_metrics
from lrtune.schedules.schedule import Schedule


class FollowSchedule(TrainerCallback):
    """Sets the rate before every step, of the first parameter group; the others keep their ratio.

    It overrules the Trainer's own scheduler, and has the rate logged that holds.

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

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._ratios = rate_ratios(kwargs["optimizer"])

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        optimizer = kwargs["optimizer"]
        set_rates(optimizer, self.schedule(state.epoch or 0), self._ratios)
        kwargs["lr_scheduler"]._last_lr = [group["lr"] for group in optimizer.param_groups]


class ReportLoss(TrainerCallback):
    """Reports the validation loss after every epoch, with the other numbers of the evaluation.

    A halted training stops by the Trainer's own flag, so that ``train`` ends in order and returns.

    Parameters
    ----------
    report : callable
        The `report` that a training is handed.
    monitor : str, default="eval_loss"
        The loss's name among the metrics.

    Examples
    --------
    >>> callback = ReportLoss(print)
    """

    def __init__(self, report: Report, monitor: str = "eval_loss") -> None:
        self.report, self.monitor, self._epoch = report, monitor, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.eval_strategy != "epoch":
            raise InvalidInputError(
                "`eval_strategy` must be 'epoch', as every epoch's loss is reported, but got "
                f"{args.eval_strategy.value!r}"
            )
        self._epoch = state.epoch or 0.0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        epoch = state.epoch or 0.0
        if epoch == self._epoch:
            return  # an evaluation before the first epoch, or after the training
        self._epoch = epoch
        losses = loss_and_metrics(kwargs["metrics"], self.monitor, "have the model return its loss")
        if is_halted(self.report, losses):
            control.should_training_stop = True
