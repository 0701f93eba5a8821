"""Facts of a search as release 0.1.0 recorded them, brought to today's schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.schema import (
    DataFacts,
    SearchFacts,
    Source,
    Step,
    TrainerFacts,
)
from lrtune.tuning.setting import SCHEDULE_PARAMETERS
from lrtune.tuning.space import Space

__all__ = ["DEFAULTS", "upgrade"]

DEFAULTS: dict[str, Any] = {
    "hidden_layer_sizes": (50, 12), "activation": "relu", "optimizer": "sgd",
    "learning_rate_init": 0.1, "decay": "constant", "decay_rate": 0.0, "step_size": 5.0,
    "power": 2.0, "patience": 2, "warmup_epochs": 0.0, "cycle_epochs": None,
    "min_learning_rate": 0.0, "update": "epoch", "alpha": 0.0, "momentum": 0.9, "rho": 0.9,
    "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01,
    "weights_init": "glorot_uniform", "batch_size": 32, "max_iter": 20, "shuffle": True,
    "early_stopping": False, "validation_fraction": 0.1, "n_iter_no_change": 10, "tol": None,
    "warm_start": False, "verbose": False, "dtype": "auto", "class_weight": None,
    "random_state": None,
}  # fmt: skip
"""Of release 0.1.0's networks."""

_LAYERS = "hidden_layer_sizes"
_PIPELINE = {"memory", "steps", "transform_input", "verbose"}
_CLASSES = {"log_loss": "MLPClassifier", "squared_error": "MLPRegressor"}


def upgrade(
    values: Mapping[str, Any], loss: str, trials: Sequence[FrozenTrial], name: str
) -> SearchFacts:
    """Return the facts of a search that version 1 of the schema recorded.

    Version 1 wrote whatever JSON does not hold as its repr, so that further parameters' ranges are
    read from the trials.

    Parameters
    ----------
    values : mapping
        The study attribute of version 1.
    loss : {"log_loss", "squared_error"}
        From the plan.
    trials : sequence of FrozenTrial
        The study's.
    name : str
        The study's, for messages.

    Raises
    ------
    InvalidInputError
        If a range was recorded as its repr and no trial holds it.
    """
    space = values["space"]
    others = [parameter for parameter in space if parameter not in SCHEDULE_PARAMETERS]
    if others and not trials:
        raise InvalidInputError(
            f"a study of release 0.1.0 must have a finished trial to be read, as it does not say "
            f"otherwise which {', '.join(others)} it searched, but {name!r} has none: start a new "
            "study"
        )
    data = {key: values[key] for key in ("dataset", "target", "preprocessor", "rows", "columns")
            if key in values}  # fmt: skip
    return SearchFacts(
        version=values["version"],
        data=DataFacts(**data),
        seed=values["seed"],
        replicates=values["replicates"],
        trainer=_trainer(values["estimator"], loss),
        metric=values["metric"],
        scoring=values.get("scoring"),
        data_hash=values["data"],
        splits_hash=values["splits"],
        space=Space(
            tuple(space["learning_rate_init"]),
            tuple(space["decay"]),
            tuple(space["decay_rate"]),
            tuple((each, _dimension(each, trials[0])) for each in others),
        ),
        block_size=values["block_size"],
        pruner=values["pruner"],
    )


def _trainer(recorded: Mapping[str, Any], loss: str) -> TrainerFacts:
    """Return what trained, from the parameters of a network, or of a pipeline that ends in one."""
    prefix = next(key for key in recorded if key.endswith(_LAYERS)).removesuffix(_LAYERS)
    parameters = {
        key.removeprefix(prefix): _value(key.removeprefix(prefix), value)
        for key, value in recorded.items()
        if key.startswith(prefix) and key.removeprefix(prefix) in DEFAULTS
    }
    changed = (key for key in parameters if parameters[key] != DEFAULTS[key])
    return TrainerFacts(
        estimator=_CLASSES[loss],
        task="classification" if loss == "log_loss" else "regression",
        loss=loss,
        parameters=dict(sorted(parameters.items())),
        changed=tuple(sorted(changed)),
        steps=_steps(recorded, prefix) if prefix else (),
    )


def _steps(recorded: Mapping[str, Any], prefix: str) -> tuple[Step, ...]:
    names = [key for key in recorded if "__" not in key and key not in _PIPELINE]
    steps = []
    for name in names:
        if prefix == f"{name}__" or recorded[name] in (None, "passthrough"):
            continue
        source, inner = " ".join(recorded[name].split()), f"{name}__"
        parameters = {
            key.removeprefix(inner): value
            for key, value in recorded.items()
            if key.startswith(inner)
        }
        kind = source.partition("(")[0]
        changed = source != f"{kind}()"
        steps.append(Step(kind, source, dict(sorted(parameters.items())), changed))
    return tuple(steps)


def _value(name: str, value: Any) -> Any:
    """Return a parameter: layer sizes as numbers, anything else that was a repr as its source."""
    if name == _LAYERS:
        return _layers(value)
    return Source(value) if name in ("class_weight", "random_state") and value else value


def _layers(value: Any) -> Any:
    """Return layer sizes from their repr, such as "(50, 12)" or "[50]"."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(json.loads(f"[{value.strip('()[] ,')}]"))
    except ValueError:
        return Source(value)


def _dimension(name: str, trial: FrozenTrial) -> Dimension:
    distribution = trial.distributions[name]
    choices = getattr(distribution, "choices", ())
    labels = ((each, _layers(each)) for each in choices if name == _LAYERS)
    return Dimension(distribution, tuple(labels))
