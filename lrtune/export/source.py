"""The source around a formula: comments, imports, constants, and the body of a function."""

from __future__ import annotations

from dataclasses import fields
from textwrap import indent
from typing import TYPE_CHECKING

from lrtune._version import __version__
from lrtune.export.formulas import Formula
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

if TYPE_CHECKING:
    from lrtune.export.provenance import Recommendation

__all__ = ["assemble", "changed", "function_body", "header", "rates"]


def function_body(formula: Formula, schedule: Schedule, floor: str, *factors: str) -> str:
    """The lines of a function that returns a rate, or a rate over α₀.

    Parameters
    ----------
    formula : Formula
    schedule : Schedule
    floor : str
        Template that puts the schedule's floor under an expression.
    *factors : str
        Multiplied with those of the formula.
    """
    product = " * ".join([*factors, *formula.factors]) or "1.0"
    if schedule.min_learning_rate:
        product = floor.format(product)
    return indent("\n".join([*formula.lines, f"return {product}"]), "    ")


def rates(schedule: Schedule, steps_per_epoch: int | None = None) -> list[str]:
    """The constants that every library's source begins with."""
    constants = [f"LEARNING_RATE_INIT = {float(schedule.learning_rate_init)!r}"]
    if schedule.min_learning_rate and not DECAYS[schedule.decay].feedback:
        constants.append(f"MIN_LEARNING_RATE = {float(schedule.min_learning_rate)!r}")
    if steps_per_epoch is not None:
        constants.append(f"STEPS_PER_EPOCH = {int(steps_per_epoch)}")
    return constants


def assemble(
    schedule: Schedule,
    origin: Recommendation | None,
    imports: str,
    constants: list[str],
    body: str,
) -> str:
    """Comments, imports, constants and body, in this order."""
    standard = ["import math", ""] if "math." in body else []
    head = [*header(schedule, origin), *standard, imports, "", *constants, ""]
    if origin is not None and origin.preparation.steps:
        head.insert(3, f"# Tuned {origin.preparation.describe()}")
        if origin.task == "regression":
            head.insert(4, "# The target was standardised as well.")
    return "\n".join(head) + body


def header(schedule: Schedule, origin: Recommendation | None) -> list[str]:
    """Comments: the study and its confirmed loss, what it was tuned for, and the schedule."""
    values = ", ".join(f"{name}={value!r}" for name, value in changed(schedule).items())
    lines = [f"# Learning rate written by lrtune {__version__}."]
    if origin is not None:
        tuned_for = ", ".join(f"{name}={value!r}" for name, value in origin.parameters)
        lines = [
            f"# Learning rate of study {origin.study!r}, written by lrtune {__version__}:",
            f"# {origin.describe()}.",
            f"# Tuned for {tuned_for}.",
        ]
    return [*lines, f"# Schedule({values})", ""]


def changed(schedule: Schedule) -> dict[str, object]:
    """α₀, and the fields that differ from their defaults; not the rate at which nothing decays."""
    values = schedule.to_dict()
    if schedule.decay == "constant":
        del values["decay_rate"]
    defaults = {field.name: field.default for field in fields(Schedule)}
    return {name: value for name, value in values.items() if value != defaults[name]}
