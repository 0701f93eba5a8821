"""What a learning rate was tuned for: the parameters of a network that it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from lrtune.estimators import MLPClassifier
from lrtune.schedules.schedule import Schedule
from lrtune.training.optimizers import OPTIMIZERS

__all__ = ["NETWORK", "tuned_for"]

NETWORK = ("hidden_layer_sizes", "optimizer", "batch_size", "max_iter")
"""Parameters that a learning rate was tuned for, and that a reader of it should always know."""
_UNTOLD = {field.name for field in fields(Schedule)} | {"random_state", "verbose", "warm_start"}
"""Parameters that are told elsewhere, or that a learning rate does not depend on."""


def tuned_for(parameters: Mapping[str, Any], *, searched: Iterable[str] = ()) -> dict[str, Any]:
    """What a learning rate was tuned for, of all parameters of a network.

    `NETWORK`, the options of its optimizer, what was searched, and what is not as usual.

    Examples
    --------
    >>> model = MLPClassifier(activation="tanh", optimizer="momentum")
    >>> list(tuned_for(model.get_params()))[len(NETWORK) :]
    ['activation', 'momentum']
    """
    usual = MLPClassifier().get_params()
    wanted = {field.name for field in fields(OPTIMIZERS[parameters["optimizer"]])}.union(searched)
    further = (
        name
        for name, value in parameters.items()
        if name not in _UNTOLD.union(NETWORK) and (name in wanted or value != usual.get(name))
    )
    return {name: parameters[name] for name in (*NETWORK, *further)}
