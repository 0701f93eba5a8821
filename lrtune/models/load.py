"""Loading a model file without running code from it."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from lrtune.exceptions import InvalidInputError, LrtuneError, LrtuneWarning
from lrtune.models.format import (
    FACTS,
    FORMAT,
    ModelFacts,
    build,
    current_versions,
    network_of,
    unpack,
)
from lrtune.training.network import Network

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, MemoryError, OverflowError,
    LookupError, AttributeError, TypeError, ValueError, ImportError, SyntaxError, LrtuneError,
)  # fmt: skip
"""Errors from reading a damaged or forged file."""


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load a model that `save_model` wrote, without running code from the file.

    A file can name only the types in `lrtune.models.format.TRUSTED`; any other is refused.

    Parameters
    ----------
    path : str or path
        A file that `save_model` or ``lrtune search --save`` wrote.

    Returns
    -------
    MLPClassifier, MLPRegressor or Pipeline
        The fitted model.

    Raises
    ------
    InvalidInputError
        If there is no such file, or `save_model` did not write it.

    Warns
    -----
    LrtuneWarning
        If the model was saved with another version of lrtune or scikit-learn.

    Examples
    --------
    >>> import tempfile
    >>> from lrtune import MLPClassifier, load_model, save_model
    >>> X = np.linspace(-1, 1, 40)[:, np.newaxis]
    >>> model = MLPClassifier(random_state=0).fit(X, X[:, 0] > 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder, "sign.skops"))
    ...     loaded = load_model(Path(folder, "sign.skops"))
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    path = Path(path)
    members, facts = _read(path)
    model = _refuse_damaged(path, lambda: _restore(build(members)))
    _warn_of_other_versions(path, facts)
    return model


def read_facts(path: str | os.PathLike[str]) -> ModelFacts:
    """Return the facts of a saved model without building it; raise as `load_model` does."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[dict[str, bytes], ModelFacts]:
    """Return the members of a file, without checking the schema, and the model's facts."""
    if not path.is_file():
        raise InvalidInputError(f"a model must be a file, but there is none at {str(path)!r}")
    members = _refuse_damaged(path, lambda: unpack(path))
    version = _refuse_damaged(path, lambda: int(json.loads(members[FACTS])["format"]))
    if version > FORMAT:
        raise InvalidInputError(
            f"a model must be of format {FORMAT} at most, but {str(path)!r} has format {version}, "
            "of a newer lrtune: upgrade lrtune to load it"
        )
    return members, _refuse_damaged(path, lambda: ModelFacts.from_json(members[FACTS]))


def _refuse_damaged(path: Path, read: Callable[[], Any]) -> Any:
    """Call `read`, and raise `InvalidInputError` for any error that a bad file causes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `_warn_of_other_versions` warns once for all
            return read()
    except _DAMAGE as error:
        raise InvalidInputError(
            f"a model must be a complete file that lrtune's save_model wrote, but {str(path)!r} is "
            "not, so nothing in it was loaded: save the model again, and do not trust this file "
            "if it is not yours"
        ) from error


def _restore(model: Any) -> Any:
    """Check that the weights fit the parameters, and restore what `save_model` left out."""
    estimator: Any = network_of(model)
    network, parameters = Network(**asdict(estimator._network)), estimator._parameters
    n_outputs = len(estimator.classes_ if is_classifier(estimator) else estimator.target_mean_)
    if not (
        isinstance(parameters, np.ndarray)
        and parameters.dtype in (np.float32, np.float64)
        and parameters.shape == (network.n_parameters,)
        and network.layer_sizes[0] == estimator.n_features_in_
        and network.layer_sizes[-1] == n_outputs
        and network.loss == estimator._loss
    ):
        raise ValueError("weights that do not fit the network")
    estimator._validate_params()
    estimator.schedule()
    estimator.make_optimizer()
    estimator.adopt(network, parameters)
    check_is_fitted(model)
    return model


def _warn_of_other_versions(path: Path, facts: ModelFacts) -> None:
    now, then = current_versions(), facts.versions or {}
    changed = [name for name in ("lrtune", "scikit-learn") if then.get(name) != now[name]]
    if changed:
        saved_with, loaded_with = (
            " and ".join(f"{name} {versions.get(name)}" for name in changed)
            for versions in (then, now)
        )
        warnings.warn(
            f"{str(path)!r} was saved with {saved_with}, and is loaded with {loaded_with}: "
            "predictions may differ; train it again, or install those versions, if that matters",
            LrtuneWarning,
            stacklevel=3,
        )
