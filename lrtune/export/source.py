"""The parts of exported source: comments, imports, constants, and the body of a function."""

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


def function_body(formula: Formula, schedule: Schedule, floor: str, *factors: str) -> str:
    """Return the body of a function that returns the product of the formula's and more factors.

    `floor` is a template that applies the schedule's lowest rate to an expression.
    """
    product = " * ".join([*factors, *formula.factors]) or "1.0"
    if schedule.min_learning_rate:
        product = floor.format(product)
    return indent("\n".join([*formula.lines, f"return {product}"]), "    ")


def rates(schedule: Schedule, steps_per_epoch: int | None = None) -> list[str]:
    """Return the lines of the constants that every library's source begins with."""
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
    """Return the whole source: comments, imports, constants and body."""
    standard = ["import math", ""] if "math." in body else []
    head = [*header(schedule, origin), *standard, imports, "", *constants, ""]
    if origin is not None and origin.preparation.steps:
        head.insert(3, f"# Tuned {origin.preparation.describe()}")
        if origin.task == "regression":
            head.insert(4, "# The target was standardised as well.")
    return "\n".join(head) + body


def header(schedule: Schedule, origin: Recommendation | None) -> list[str]:
    """Return comment lines: the study, its confirmed loss and parameters, and the schedule."""
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
    """Return α₀ and the fields that differ from their defaults; no decay rate if constant."""
    values = schedule.to_dict()
    if schedule.decay == "constant":
        del values["decay_rate"]
    defaults = {field.name: field.default for field in fields(Schedule)}
    return {name: value for name, value in values.items() if value != defaults[name]}
