"""Source that trains a user's own function, or a framework's loop, with a schedule of lrtune's."""

from __future__ import annotations

from typing import Any

from lrtune.export.provenance import Recommendation
from lrtune.export.source import changed, header
from lrtune.support.numbers import number

CALL = """
# Call it with the time in epochs, as {function} did: schedule(0), schedule(0.5), …
"""
TORCH = """
scheduler = lrtune.integrations.torch.follow_schedule(optimizer, schedule, steps_per_epoch)
# Call scheduler.step() after every optimizer.step().
"""
KERAS = """
# One of the callbacks of model.fit(…, callbacks=[follow]):
follow = lrtune.integrations.keras.FollowSchedule(schedule)
"""


def function_source(origin: Recommendation) -> str:
    """Return the source of the schedule, and of further parameters, for the function itself."""
    call = CALL.format(function=origin.estimator)
    return "\n".join(header(origin.schedule, origin)) + _schedule("lrtune", origin) + call


def torch_source(origin: Recommendation) -> str:
    """Return source that sets the rates of an optimizer of torch."""
    return _schedule("lrtune.integrations.torch", origin) + TORCH


def keras_source(origin: Recommendation) -> str:
    """Return source that sets the rate in ``fit`` of Keras."""
    return _schedule("lrtune.integrations.keras", origin) + KERAS


HOOKS = {"function": function_source, "torch hook": torch_source, "keras hook": keras_source}
"""Functions of a recommendation for a user's training function, by the way of training."""


def schedule_line(origin: Recommendation) -> str:
    """Return the schedule's source on one line with rounded numbers, for reading."""
    arguments = ", ".join(f"{name}={_rounded(v)}" for name, v in changed(origin.schedule).items())
    return f"lrtune.Schedule({arguments})"


def function_line(origin: Recommendation) -> str:
    """Return a call of the function on one line with rounded numbers, for reading."""
    others = "".join(f", {name}={_rounded(value)}" for name, value in _others(origin))
    return f"{origin.estimator}({schedule_line(origin)}, seed{others})"


def _schedule(module: str, origin: Recommendation) -> str:
    values = changed(origin.schedule).items()
    arguments = "".join(f"    {name}={value!r},\n" for name, value in values)
    others = "".join(f"{name} = {value!r}\n" for name, value in _others(origin))
    return f"import {module}\n\nschedule = lrtune.Schedule(\n{arguments})\n{others}"


def _others(origin: Recommendation) -> list[tuple[str, Any]]:
    """Return the further parameters that were searched."""
    return [(name, value) for name, value in origin.parameters if name != "epochs"]


def _rounded(value: Any) -> str:
    return number(value, 4) if isinstance(value, float) else repr(value)
