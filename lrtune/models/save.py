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

_LEFT_OUT = ("_session", "coefs_", "intercepts_", "n_layers_", "out_activation_")
"""Attributes that only further training needs, or that follow from the network's parameters."""


def save_model(
    model: Any, path: str | os.PathLike[str], *, facts: ModelFacts | None = None
) -> None:
    """Write a fitted model to a new file.

    The optimizer state and random streams are left out: the loaded model makes the same
    predictions, but ``partial_fit`` starts a new training.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        A fitted model. For a `LearningRateSearchCV`, pass its ``best_estimator_``.
    path : str or path
        A file that does not exist yet, usually with the extension ``.skops``.
    facts : ModelFacts, optional
        Metadata of the model; by default the names of its columns, as columns of numbers.

    Raises
    ------
    InvalidInputError
        If the model is not fitted or contains a type that `load_model` refuses, or if the file
        exists or cannot be written.

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
    if facts is None:
        names = getattr(model, "feature_names_in_", ())
        facts = ModelFacts(columns=tuple(Column(str(name), "number") for name in names))
    facts = replace(facts, versions=current_versions())
    write_new_file(path, pack({**_dump(_stripped(model)), FACTS: facts.to_json()}))


def _stripped(model: Any) -> Any:
    """Return a copy of the model without the attributes in `_LEFT_OUT`."""
    network = copy(network_of(model))
    for name in _LEFT_OUT:
        network.__dict__.pop(name, None)
    if not isinstance(model, Pipeline):
        return network
    pipeline = copy(model)
    pipeline.steps = [*model.steps[:-1], (model.steps[-1][0], network)]
    return pipeline


def _dump(model: Any) -> dict[str, bytes]:
    """Return the members that skops writes; raise if `load_model` refuses them."""
    try:
        members = unpack(io.BytesIO(skops.io.dumps(model)))
    except (UnsupportedTypeException, RecursionError, ValueError) as error:
        raise InvalidInputError(
            f"a model to save must be one that skops supports: {error}"
        ) from error
    untrusted = untrusted_type(json.loads(members[SCHEMA]))
    if untrusted is not None:
        raise InvalidInputError(
            "a model to save must hold lrtune's networks, scikit-learn's preprocessing, numbers "
            f"and text alone, but this one holds {untrusted}: leave it out, or set it to its "
            "default"
        )
    return members
