"""The loss and the metrics to report, from a framework's logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lrtune.exceptions import Halted, InvalidInputError
from lrtune.support.numbers import as_float

Report = Callable[[Mapping[str, float]], object]


def loss_and_metrics(logs: Mapping[str, Any], monitor: str, cure: str) -> dict[str, float]:
    """Return the numbers of the logs, with the monitored one as "loss".

    >>> loss_and_metrics({"loss": 0.4, "val_loss": 0.5, "val_accuracy": 0.9}, "val_loss", "")
    {'loss': 0.5, 'val_accuracy': 0.9}
    """
    floats = {name: as_float(value) for name, value in logs.items()}
    numbers = {name: value for name, value in floats.items() if value is not None}
    if monitor not in numbers:
        raise InvalidInputError(
            f"`monitor` must be a number that is logged at the end of every epoch "
            f"({', '.join(numbers) or 'there is none'}), but got {monitor!r}: {cure}"
        )
    loss = numbers.pop(monitor)
    return {**numbers, "loss": loss}


def is_halted(report: Report, losses: Mapping[str, float]) -> bool:
    """Report the losses, and return True if the training is to stop.

    >>> is_halted(print, {"loss": 0.5})
    {'loss': 0.5}
    False
    """
    try:
        report(losses)
    except Halted:
        return True
    return False
