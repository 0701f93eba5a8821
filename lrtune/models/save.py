"""Saving a fitted model to a file that is safe to load."""

from __future__ import annotations

import io
import json
import os
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UnsupportedTypeException

from lrtune.exceptions import InvalidInputError
from lrtune.models.format import (
    FACTS,
    SCHEMA,
    ModelFacts,
    current_versions,
    network_of,
    pack,
    unpack,
    untrusted_type,
)
from lrtune.support.files import require_new, write_new_file
from lrtune.tables.columns import Column

__all__ = ["DERIVED", "SESSION", "save_model"]

DERIVED = ("coefs_", "intercepts_", "n_layers_", "out_activation_")
"""Attributes that follow from the network and its parameters."""
SESSION = "_session"
"""Attribute with optimizer state and random streams, needed only to train on; large."""


def save_model(
    model: Any, path: str | os.PathLike[str], *, facts: ModelFacts | None = None
) -> None:
    """Write a fitted model to a new file, whole or not at all.

    The training session (optimizer state, random streams) is left out: the loaded model predicts
    as this one does, while ``partial_fit`` starts anew.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        Fitted. Of a `LearningRateSearchCV`, pass its ``best_estimator_``.
    path : str or path
        Of a file that does not exist yet, by custom with the ending ``.skops``.
    facts : ModelFacts, optional
        What else to store about the model; by default its columns' names, taken for numbers.

    Raises
    ------
    InvalidInputError
        If the model is not fitted, or holds what `load_model` would refuse; or if the file exists
        or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from lrtune import MLPRegressor, load_model, save_model
    >>> X = np.linspace(0, 1, 40)[:, np.newaxis]
    >>> model = MLPRegressor(random_state=0).fit(X, 3 * X[:, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder, "line.skops"))
    ...     loaded = load_model(Path(folder, "line.skops"))
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    path = Path(path)
    require_new(path)
    network = network_of(model)
    if not hasattr(network, "_parameters"):
        raise InvalidInputError(
            f"a model to save must be fitted, but this {type(network).__name__} is not: call fit"
        )
    facts = replace(facts or ModelFacts(columns=_columns(model)), versions=current_versions())
    write_new_file(path, pack({**_dump(_without_session(model)), FACTS: facts.to_json()}))


def _without_session(model: Any) -> Any:
    """Return a copy of the model without its training session and derived attributes."""
    network = copy(network_of(model))
    for name in (SESSION, *DERIVED):
        network.__dict__.pop(name, None)
    if not isinstance(model, Pipeline):
        return network
    pipeline = copy(model)
    pipeline.steps = [*model.steps[:-1], (model.steps[-1][0], network)]
    return pipeline


def _dump(model: Any) -> dict[str, bytes]:
    """Return the members that skops writes; raise if `load_model` would refuse them."""
    try:
        members = unpack(io.BytesIO(skops.io.dumps(model)))
    except (UnsupportedTypeException, RecursionError, ValueError) as error:
        raise InvalidInputError(f"a model to save must be one that skops takes: {error}") from error
    untrusted = untrusted_type(json.loads(members[SCHEMA]))
    if untrusted is not None:
        raise InvalidInputError(
            "a model to save must hold lrtune's networks, scikit-learn's preprocessing, numbers "
            f"and text alone, but this one holds {untrusted}: leave it out, or set it to its "
            "default"
        )
    return members


def _columns(model: Any) -> tuple[Column, ...]:
    return tuple(Column(str(name), "number") for name in getattr(model, "feature_names_in_", ()))
