"""Time in epochs, within a framework's epoch."""

from __future__ import annotations

import math

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import Schedule


def epochs_at(schedule: Schedule, epoch: int, batch: int, n_batches: float | None) -> float:
    """Return t at a batch; `n_batches` is None or infinite where the framework cannot count them.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05)
    >>> epochs_at(schedule, 3, 1, 4), epochs_at(schedule, 3, 1, None)
    (3.25, 3.0)
    """
    if n_batches is not None and math.isfinite(n_batches):
        return epoch + batch / n_batches
    if schedule.update == "batch" or schedule.warmup_epochs > 0:
        raise InvalidInputError(
            "the number of batches per epoch must be fixed for a schedule that changes within an "
            "epoch, but got data without a length: pass steps_per_epoch to Keras's fit, "
            "limit_train_batches to Lightning's Trainer"
        )
    return float(epoch)
