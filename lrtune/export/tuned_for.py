"""The parameters that a learning rate was tuned for, and depends on."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lrtune.schedules.schedule import Schedule
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.tuning.record.schema import TrainerFacts
from lrtune.tuning.setting import Setting

NETWORK = ("hidden_layer_sizes", "optimizer", "batch_size", "max_iter")
"""Parameters that every learning rate depends on."""
_ELSEWHERE = {field.name for field in fields(Schedule)} | {"random_state", "verbose", "warm_start"}
"""Parameters that are shown elsewhere, or that do not affect a learning rate."""


def tuned_parameters(trainer: TrainerFacts, setting: Setting) -> dict[str, Any]:
    """Return all parameters of the network, or of the function, that a setting was tuned with."""
    if trainer.function is not None:
        return {"epochs": trainer.epochs, **dict(setting.others)}
    return {**trainer.parameters, **setting.params}


def tuned_for(trainer: TrainerFacts, setting: Setting, *, options: bool = True) -> dict[str, Any]:
    """Return the parameters that a learning rate was tuned for.

    They are `NETWORK`, further parameters that were searched or differ from their defaults, and,
    with `options`, all options of the optimizer. Of another estimator they are the epochs and those
    further parameters; of a user's function, the epochs and what was searched.
    """
    parameters = tuned_parameters(trainer, setting)
    if trainer.function is not None:
        return parameters
    searched = {name for name, _ in setting.others}
    if not trainer.is_network:
        further = (name for name in parameters if name in searched.union(trainer.changed))
        own = {name: parameters[name] for name in further if name not in _ELSEWHERE}
        return {"epochs": trainer.epochs, **own}
    optimizer_options = {field.name for field in fields(OPTIMIZERS[parameters["optimizer"]])}
    relevant = searched.union(trainer.changed, optimizer_options if options else ())
    names = [
        name for name in parameters if name in relevant and name not in _ELSEWHERE.union(NETWORK)
    ]
    return {name: parameters[name] for name in (*NETWORK, *names)}
