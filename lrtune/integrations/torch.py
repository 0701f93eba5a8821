"""A schedule as a scheduler of torch."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lrtune.exceptions import InvalidInputError
from lrtune.integrations.parameter_groups import rate_ratios
from lrtune.schedules.schedule import Schedule


def follow_schedule(optimizer: Optimizer, schedule: Schedule, steps_per_epoch: int) -> LambdaLR:
    """Return a scheduler that gives an optimizer the rates of a schedule.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        The first parameter group gets the schedule's rate, whatever rate it was made with; the
        others keep the ratio of their rates to it.
    schedule : Schedule
    steps_per_epoch : int
        Calls of the scheduler's ``step()`` per epoch: call it after every ``optimizer.step()``.

    Returns
    -------
    torch.optim.lr_scheduler.LambdaLR

    Raises
    ------
    InvalidInputError
        If the decay type follows losses, `steps_per_epoch` is not a positive whole number, or the
        first group's rate is 0.

    Notes
    -----
    To resume, make the scheduler first and then load the state of both, as for all schedulers of
    torch: the training goes on with the schedule that it was saved with.

    Examples
    --------
    >>> import torch
    >>> from lrtune import Schedule
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = Schedule(learning_rate_init=0.5, decay="linear", decay_rate=0.25)
    >>> scheduler, rates = follow_schedule(optimizer, schedule, steps_per_epoch=2), []
    >>> for step in range(6):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.5, 0.375, 0.375, 0.25, 0.25]
    """
    if steps_per_epoch != int(steps_per_epoch) or steps_per_epoch < 1:
        raise InvalidInputError(
            f"`steps_per_epoch` must be a positive whole number, but got {steps_per_epoch}"
        )
    factor = _Factor(schedule, int(steps_per_epoch))
    for group, ratio in zip(optimizer.param_groups, rate_ratios(optimizer), strict=True):
        group["initial_lr"] = schedule.learning_rate_init * ratio
    return LambdaLR(optimizer, factor)


class _Factor:
    """The rate after a number of steps, over α₀; LambdaLR saves these attributes with its state."""

    def __init__(self, schedule: Schedule, steps_per_epoch: int) -> None:
        schedule(0)  # raises if the decay type follows losses
        self.schedule, self.steps_per_epoch = schedule.to_dict(), steps_per_epoch

    def __call__(self, step: int) -> float:
        schedule = Schedule.from_dict(self.schedule)
        return float(schedule(step / self.steps_per_epoch)) / schedule.learning_rate_init
