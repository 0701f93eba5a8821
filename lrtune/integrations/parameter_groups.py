"""Rates of the parameter groups of a torch optimizer; the first group follows the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrtune.exceptions import InvalidInputError


def rate_ratios(optimizer: Any) -> list[float]:
    """Return the ratio of each group's initial rate to that of the first group."""
    rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    if rates[0] <= 0:
        raise InvalidInputError(
            "the first parameter group's rate must be positive, as the other groups keep their "
            f"ratio to it, but got {rates[0]}: make the optimizer with another rate"
        )
    return [rate / rates[0] for rate in rates]


def set_rates(optimizer: Any, rate: float, ratios: Sequence[float]) -> None:
    """Set the first group's rate, and the others' by their ratio to it."""
    for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
        if hasattr(group["lr"], "fill_"):  # a tensor, for a compiled or capturable optimizer
            group["lr"].fill_(rate * ratio)
        else:
            group["lr"] = rate * ratio
