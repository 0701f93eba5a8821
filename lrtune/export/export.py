"""Export a schedule as source code for another library, or as JSON.

The source runs without lrtune (except for scikit-learn, whose networks cannot follow such
schedules) and gives the rates of lrtune's rate table at every step. A schedule that a library
cannot express is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from textwrap import indent
from typing import TYPE_CHECKING, Literal

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError
from lrtune.export import templates
from lrtune.export.estimator import estimator_source
from lrtune.export.formulas import JAX, KERAS, array_formula, python_formula
from lrtune.export.source import assemble, function_body, rates
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule

if TYPE_CHECKING:
    from lrtune.export.provenance import Recommendation


Library = Literal["keras", "torch", "optax", "sklearn", "json"]
"""What a schedule is exported to: a key of `EXPORTERS`."""


def export_schedule(
    schedule: Schedule,
    to: Library,
    *,
    steps_per_epoch: int | None = None,
    origin: Recommendation | None = None,
) -> str:
    """Return a schedule as source code for another library, or as JSON.

    Parameters
    ----------
    schedule : Schedule
    to : {"keras", "torch", "optax", "sklearn", "json"}
        A key of `EXPORTERS`.
    steps_per_epoch : int, optional
        Batches per epoch of your training script. With it, torch and Keras count steps in place of
        epochs; optax, which always counts steps, needs it, and so does a schedule that changes
        within an epoch.
    origin : Recommendation, optional
        The study that recommends it; named in a comment with its confirmed loss.

    Returns
    -------
    str

    Raises
    ------
    InvalidInputError
        If the schedule cannot be written exactly, or `steps_per_epoch` is needed and not given.

    Examples
    --------
    >>> schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05)
    >>> Schedule.from_json(export_schedule(schedule, "json")) == schedule
    True
    """
    if to not in EXPORTERS:
        raise InvalidInputError(f"`to` must be one of {', '.join(EXPORTERS)}, but got {to!r}")
    if steps_per_epoch is not None and not (
        isinstance(steps_per_epoch, Integral) and steps_per_epoch >= 1
    ):
        raise InvalidInputError(
            f"`steps_per_epoch` must be a whole number of at least 1, but got {steps_per_epoch!r}"
        )
    return EXPORTERS[to](schedule, steps_per_epoch, origin)


def to_torch(
    schedule: Schedule,
    steps_per_epoch: int | None = None,
    origin: Recommendation | None = None,
) -> str:
    """Return a torch scheduler, counting epochs or steps.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="inverse_time", decay_rate=0.5)
    >>> namespace = {}
    >>> _, _, function = to_torch(schedule).partition("import torch")
    >>> exec(function.partition("def make_scheduler")[0], namespace)
    >>> namespace["LEARNING_RATE_INIT"] * namespace["factor"](2)
    0.05
    """
    plain = _plain(schedule, "torch", origin)
    if DECAYS[plain.decay].feedback:
        template = templates.TORCH_PLATEAU if plain.patience else templates.TORCH_ON_PLATEAU
        return assemble(schedule, origin, "import torch", rates(plain), _plateau(template, plain))
    unit = _unit(plain, steps_per_epoch)
    floor = "max(MIN_LEARNING_RATE / LEARNING_RATE_INIT, {})"
    body = templates.TORCH.format(
        unit=unit,
        period={"epoch": "epoch", "step": "optimizer step"}[unit],
        body=function_body(python_formula(plain, unit), plain, floor),
    )
    return assemble(schedule, origin, "import torch", rates(plain, steps_per_epoch), body)


def to_keras(
    schedule: Schedule,
    steps_per_epoch: int | None = None,
    origin: Recommendation | None = None,
) -> str:
    """Return a Keras callback that counts epochs, or a LearningRateSchedule that counts steps.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="inverse_time", decay_rate=0.5)
    >>> "keras.callbacks.LearningRateScheduler(learning_rate)" in to_keras(schedule)
    True
    """
    plain = _plain(schedule, "keras", origin)
    if DECAYS[plain.decay].feedback:
        body = _plateau(templates.KERAS_PLATEAU, plain)
        return assemble(schedule, origin, "import keras", rates(plain), body)
    if _unit(plain, steps_per_epoch) == "epoch":
        formula = python_formula(plain, "epoch")
        body = function_body(formula, plain, "max(MIN_LEARNING_RATE, {})", "LEARNING_RATE_INIT")
        body = templates.KERAS_EPOCHS.format(body=body)
        return assemble(schedule, origin, "import keras", rates(plain), body)
    assert steps_per_epoch is not None  # noqa: S101
    formula = array_formula(plain, KERAS, steps_per_epoch)
    body = function_body(formula, plain, "ops.maximum(MIN_LEARNING_RATE, {})", "LEARNING_RATE_INIT")
    body = templates.KERAS_STEPS.format(body=indent(body, "    "))
    constants = [*rates(plain, steps_per_epoch), *formula.constants]
    return assemble(schedule, origin, "import keras\nfrom keras import ops", constants, body)


def to_optax(
    schedule: Schedule,
    steps_per_epoch: int | None = None,
    origin: Recommendation | None = None,
) -> str:
    """Return an optax schedule, a function of the step in jax.numpy.

    >>> schedule = Schedule(learning_rate_init=0.1, decay="inverse_time", decay_rate=0.5)
    >>> to_optax(schedule, steps_per_epoch=100).splitlines()[-1]
    '    return LEARNING_RATE_INIT * decay'
    """
    plain = _plain(schedule, "optax", origin)
    if DECAYS[plain.decay].feedback:
        raise InvalidInputError(
            f"a schedule with decay={plain.decay!r} depends on losses, which optax's function of "
            "the step cannot: search other decay types, or export to torch or keras"
        )
    if steps_per_epoch is None:
        raise _need_steps("optax, which counts steps")
    formula = array_formula(plain, JAX, steps_per_epoch)
    body = function_body(formula, plain, "jnp.maximum(MIN_LEARNING_RATE, {})", "LEARNING_RATE_INIT")
    constants = [*rates(plain, steps_per_epoch), *formula.constants]
    body = templates.OPTAX.format(body=body)
    return assemble(schedule, origin, "import jax.numpy as jnp", constants, body)


def to_sklearn(
    schedule: Schedule,
    steps_per_epoch: int | None = None,  # noqa: ARG001
    origin: Recommendation | None = None,
) -> str:
    """Return one of lrtune's estimators, behind the transformers that it was tuned with.

    scikit-learn's networks cannot follow such schedules.

    >>> print(to_sklearn(Schedule(learning_rate_init=0.1)).partition("from ")[2])
    lrtune import MLPClassifier
    <BLANKLINE>
    model = MLPClassifier(
        learning_rate_init=0.1,
    )
    <BLANKLINE>
    """
    return estimator_source(schedule, origin)


def to_json(
    schedule: Schedule,
    steps_per_epoch: int | None = None,  # noqa: ARG001
    origin: Recommendation | None = None,
) -> str:
    """Return JSON that `Schedule.from_json` reads back into an equal schedule.

    >>> json.loads(to_json(Schedule(learning_rate_init=0.1)))["decay"]
    'constant'
    """
    about: dict[str, object] = {"made_by": f"lrtune {__version__}"}
    if origin is not None:
        about |= {"study": origin.study, "confirmed": origin.replicates is not None}
        about |= {"loss": origin.loss, "se": origin.se, "tuned_for": dict(origin.parameters)}
        if origin.is_function:
            about |= {"function": origin.estimator, "metric": origin.loss_name}
        about |= {"task": origin.task, "preprocessing": origin.preparation.classes}
    return (
        json.dumps({"about": about, **schedule.to_dict()}, indent=2, allow_nan=False, default=repr)
        + "\n"
    )


EXPORTERS: dict[Library, Callable[[Schedule, int | None, Recommendation | None], str]] = {
    "keras": to_keras,
    "torch": to_torch,
    "optax": to_optax,
    "sklearn": to_sklearn,
    "json": to_json,
}
"""Exporters by name: functions of the schedule, the steps per epoch and the recommendation."""


def _need_steps(reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"`steps_per_epoch` must be given for {reason}: it is the batches per epoch of your "
        "training script, ceil(rows / batch size)"
    )


def _plain(schedule: Schedule, library: str, origin: Recommendation | None) -> Schedule:
    """Return the simplest schedule with the same rates; raise if the library has no such rate."""
    if origin is not None and origin.optimizer == "dog":
        raise InvalidInputError(
            f"study {origin.study!r} was searched with optimizer='dog', whose learning_rate_init "
            f"is no learning rate in {library}: export to sklearn or json"
        )
    schedule = Schedule(**schedule.to_dict())  # in Python's own numbers
    shrinks = math.exp(-schedule.decay_rate) < 1 if DECAYS[schedule.decay].feedback else True
    if schedule.decay_rate == 0 or not shrinks:
        schedule = replace(schedule, decay="constant", decay_rate=0.0)
    if schedule.decay == "constant" and not schedule.warmup_epochs:
        return replace(schedule, cycle_epochs=None, update="epoch")
    return schedule


def _unit(schedule: Schedule, steps_per_epoch: int | None) -> Literal["epoch", "step"]:
    """Return "step" if the steps per epoch are known, else "epoch" if no rate changes within."""
    if steps_per_epoch is not None:
        return "step"
    if schedule.warmup_epochs or schedule.update == "batch":
        raise _need_steps("a warm-up or update='batch', with which the rate changes at every step")
    return "epoch"


def _plateau(template: str, schedule: Schedule) -> str:
    if schedule.warmup_epochs:
        raise InvalidInputError(
            f"`warmup_epochs` must be 0 to export decay={schedule.decay!r}, as schedulers that "
            f"follow losses do not warm up, but got {schedule.warmup_epochs}"
        )
    return template.format(
        k=schedule.decay_rate, patience=schedule.patience, floor=schedule.min_learning_rate
    )
