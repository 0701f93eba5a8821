"""Schedules and reports to try with every framework."""

from typing import Any

import lrtune
from lrtune import Schedule

COSINE = {"learning_rate_init": 0.3, "decay": "cosine", "decay_rate": 0.13}
SCHEDULES = {
    "per epoch": Schedule(**COSINE),
    "per batch": Schedule(**COSINE, update="batch"),
    "warm-up": Schedule(**COSINE, warmup_epochs=1.5),
    "all": Schedule(
        **COSINE, warmup_epochs=0.5, cycle_epochs=2, min_learning_rate=0.02, update="batch"
    ),
    "floor": Schedule(
        learning_rate_init=0.3, decay="linear", decay_rate=0.4, min_learning_rate=0.01
    ),
}
PLATEAU = Schedule(learning_rate_init=0.3, decay="plateau", decay_rate=0.1)


class Reports:
    """A `report` that keeps what it is handed, and halts after so many epochs."""

    def __init__(self, halt_after: int | None = None) -> None:
        self.halt_after = halt_after
        self.losses: list[Any] = []

    def __call__(self, losses: Any) -> None:
        self.losses.append(losses)
        if len(self.losses) == self.halt_after:
            raise lrtune.Halted
