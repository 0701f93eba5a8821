"""Upgrade of the facts that release 0.1.0 recorded (version 1 of the schema) to today's schema.

Version 1 recorded the repr of values that JSON cannot hold.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.schema import DataFacts, SearchFacts, Source, Step, TrainerFacts
from lrtune.tuning.setting import SCHEDULE_PARAMETERS
from lrtune.tuning.space import Space

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
"""Default parameters of the networks of release 0.1.0; only its classifier has class weights."""

_LAYERS = "hidden_layer_sizes"
_PIPELINE = {"memory", "steps", "transform_input", "verbose"}
_REPRS = {_LAYERS, "class_weight", "random_state"}
_ONE_HOT = re.compile(
    r"OneHotEncoder\(handle_unknown='infrequent_if_exist', max_categories=30,\s+"
    r"sparse_output=False\)"
)
"""The encoder of a table's categories in release 0.1.0: `OneHot` gives the same numbers."""
_CLASSES = {"log_loss": "MLPClassifier", "squared_error": "MLPRegressor"}


def upgrade(
    values: Mapping[str, Any], loss: str | None, trials: Sequence[FrozenTrial], study_name: str
) -> SearchFacts:
    """Return the facts of a search that version 1 of the schema recorded in `values`.

    `loss` is from the plan: "log_loss" or "squared_error". The ranges of further parameters, which
    version 1 recorded as reprs, are taken from the trials.
    """
    space = values["space"]
    others = [parameter for parameter in space if parameter not in SCHEDULE_PARAMETERS]
    if loss is None or (others and not trials):
        raise InvalidInputError(
            f"a study of release 0.1.0 must have a finished trial to be read, but {study_name!r} "
            "has none: start a new study"
        )
    return SearchFacts(
        version=values["version"],
        data=DataFacts.from_json(values),
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
            tuple((name, _dimension(name, trials[0])) for name in others),
        ),
        block_size=values["block_size"],
        pruner=values["pruner"],
    )


def _trainer(recorded: Mapping[str, Any], loss: str) -> TrainerFacts:
    """Return the facts of a network, or of a pipeline that ends in one, from its parameters."""
    prefix = next(name for name in recorded if name.endswith(_LAYERS)).removesuffix(_LAYERS)
    parameters = {
        name: _parameter(name, recorded[prefix + name])
        for name in sorted(DEFAULTS)
        if prefix + name in recorded
    }
    return TrainerFacts(
        estimator=_CLASSES[loss],
        task="classification" if loss == "log_loss" else "regression",
        loss=loss,
        epochs=parameters["max_iter"],
        parameters=parameters,
        changed=tuple(name for name in parameters if parameters[name] != DEFAULTS[name]),
        steps=_steps(recorded, prefix) if prefix else (),
    )


def _steps(recorded: Mapping[str, Any], prefix: str) -> tuple[Step, ...]:
    """Return the transformers of a pipeline, whose network's parameters begin with `prefix`."""
    steps = []
    for name, source in recorded.items():
        if "__" in name or name in _PIPELINE or f"{name}__" == prefix:
            continue
        if source in (None, "passthrough"):
            continue
        source = _ONE_HOT.sub("OneHot()", " ".join(source.split()))
        kind = source.partition("(")[0]
        inner = f"{name}__"
        parameters = {
            each.removeprefix(inner): _with_one_hot(recorded[each])
            for each in sorted(recorded)
            if each.startswith(inner)
        }
        if parameters.get("category") == "OneHot()":
            parameters = {k: v for k, v in parameters.items() if not k.startswith("category__")}
        steps.append(Step(kind, source, parameters, changed=source != f"{kind}()"))
    return tuple(steps)


def _with_one_hot(value: Any) -> Any:
    return _ONE_HOT.sub("OneHot()", value) if isinstance(value, str) else value


def _parameter(name: str, value: Any) -> Any:
    """Return the value of a network's parameter, which may have been recorded as its repr."""
    was_repr = name in _REPRS and isinstance(value, str) and value != "balanced"
    return _from_repr(value) if was_repr else value


def _from_repr(text: str) -> Any:
    """Return the value of a repr of constants, tuples, lists and dicts; else its source."""
    try:
        return _constant(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError):
        return Source(text)


def _constant(node: ast.expr | None) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.Tuple() | ast.List():
            return tuple(map(_constant, node.elts))
        case ast.Dict(keys, values):
            return dict(zip(map(_constant, keys), map(_constant, values), strict=True))
    raise ValueError


def _dimension(name: str, trial: FrozenTrial) -> Dimension:
    distribution = trial.distributions[name]
    choices = getattr(distribution, "choices", ()) if name == _LAYERS else ()
    labels = ((choice, _from_repr(choice)) for choice in choices if isinstance(choice, str))
    return Dimension(distribution, tuple(labels))
