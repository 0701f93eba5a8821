"""Describe an estimator on a table for the record: parameters, transformers, rows and splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils._pprint import _changed_params

from lrtune.tuning.record.schema import Step, TrainerFacts, decode, encode, stable_repr
from lrtune.tuning.trainers.preparation import split_pipeline
from lrtune.tuning.trainers.replicates import Replicate

Array = npt.NDArray[Any]


def describe_estimator(estimator: Any, *, loss: str, epochs: int) -> TrainerFacts:
    """Return the facts of an untuned estimator and of the transformers before it."""
    transformers, model = split_pipeline(estimator)
    steps = () if transformers is None else [step for _, step in transformers.steps]
    return TrainerFacts(
        estimator=type(model).__name__,
        task="classification" if is_classifier(model) else "regression",
        loss=loss,
        epochs=epochs,
        parameters={
            name: decode(encode(value)) for name, value in sorted(model.get_params().items())
        },
        changed=tuple(sorted(_changed_params(model))),
        steps=tuple(_describe(step) for step in steps if step not in (None, "passthrough")),
    )


def hash_table(X: Any, y: Any, sample_weight: Array | None) -> str:
    """Return a hash of the rows, the same in every process."""
    table = (_to_hash(X), _to_hash(y), *(() if sample_weight is None else (sample_weight,)))
    return str(joblib.hash(table))


def hash_replicates(replicates: Sequence[Replicate]) -> str:
    """Return a hash of the splits and seeds."""
    return str(joblib.hash([(each.train, each.validation, each.seed) for each in replicates]))


def _describe(step: Any) -> Step:
    source = " ".join(stable_repr(step).split())
    is_estimator = isinstance(step, BaseEstimator)
    parameters = step.get_params(deep=True) if is_estimator else {}
    return Step(
        kind=type(step).__name__,
        source=source if source.isprintable() else ascii(source)[1:-1],
        parameters={name: _comparable(value) for name, value in sorted(parameters.items())},
        changed=not is_estimator or bool(_changed_params(step)),
    )


def _comparable(value: Any) -> Any:
    """Return a parameter's value, or its repr where it is neither number nor text."""
    if isinstance(value, np.generic):
        value = value.item()
    plain = isinstance(value, int | float | str | bool | None) and value == value
    return value if plain else stable_repr(value)


def _to_hash(values: Any) -> Any:
    """Return numbers unchanged, other arrays as lists: joblib's hash of those is stable."""
    array = np.asarray(values)
    return array.tolist() if array.dtype == object else array
