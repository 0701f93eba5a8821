"""Models in files that are safe to load: skops's format, and a fixed list of types."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn import __version__ as sklearn_version
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skops.io.exceptions import UnsupportedTypeException

from lrtune._version import __version__
from lrtune.estimators.fitting import TrainableMLP
from lrtune.exceptions import InvalidInputError, LrtuneError, LrtuneWarning
from lrtune.models.format import (
    FACTS,
    FORMAT,
    SCHEMA,
    ModelFacts,
    build,
    foreign_type,
    pack,
    unpack,
)
from lrtune.support.files import require_new, write_new_file
from lrtune.tables.columns import Column
from lrtune.training.network import Network

__all__ = ["RESTORED", "SESSION", "load_model", "read_facts", "save_model"]

RESTORED = ("coefs_", "intercepts_", "n_layers_", "out_activation_")
"""Attributes that follow from the network and its parameters."""
SESSION = "_session"
"""What further epochs would need: optimizer state and random streams, larger than the model."""

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, MemoryError, OverflowError,
    LookupError, AttributeError, TypeError, ValueError, ImportError, SyntaxError, LrtuneError,
)  # fmt: skip
"""What reading a damaged or a forged file may raise."""


def save_model(
    model: Any, path: str | os.PathLike[str], *, facts: ModelFacts | None = None
) -> None:
    """Write a fitted model to a new file, whole or not at all.

    The training session (optimizer state, random streams) is left out: the loaded model predicts
    as this one does, while ``partial_fit`` starts anew.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        Fitted; of a `LearningRateSearchCV`, its ``best_estimator_``.
    path : str or path
        Of a file that is not there yet, by custom with the ending ``.skops``.
    facts : ModelFacts, optional
        What else to remember of it; by default its columns' names, taken for numbers.

    Raises
    ------
    InvalidInputError
        If the model is not fitted, or holds what `load_model` would refuse; or if the file exists
        or cannot be written.

    Examples
    --------
    >>> import tempfile
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
    network = _network_of(model)
    if not hasattr(network, "_parameters"):
        raise InvalidInputError(
            f"a model to save must be fitted, but this {type(network).__name__} is not: call fit"
        )
    facts = replace(facts or ModelFacts(columns=_columns(model)), versions=_versions())
    write_new_file(path, pack({**_members_of(_slim(model)), FACTS: facts.to_json()}))


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save_model` wrote; a file that asks for anything else is refused.

    No code of the file runs: it can name none but the types in `lrtune.models.format.TRUSTED`.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    MLPClassifier, MLPRegressor or Pipeline
        Fitted.

    Raises
    ------
    InvalidInputError
        If there is no such file, or it is not one that `save_model` wrote.

    Warns
    -----
    LrtuneWarning
        If it was saved with another version of lrtune or scikit-learn.
    """
    path = Path(path)
    members, facts = _open(path)
    model = _guarded(path, lambda: _revived(build(members)))
    _tell_versions(path, facts)
    return model


def read_facts(path: str | os.PathLike[str]) -> ModelFacts:
    """What is known of a saved model: its study, columns and target, and its confirmed loss.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    InvalidInputError
        As for `load_model`.
    """
    return _open(Path(path))[1]


# --- writing ----------------------------------------------------------------------------------


def _network_of(model: Any) -> TrainableMLP:
    network = model[-1] if isinstance(model, Pipeline) else model
    if not isinstance(network, TrainableMLP):
        raise InvalidInputError(
            "a model to save must be lrtune's MLPClassifier or MLPRegressor, or a Pipeline that "
            f"ends in one, but got {type(network).__name__}: of a search, save its best_estimator_"
        )
    return network


def _slim(model: Any) -> Any:
    """The model without its training session and what follows from the rest."""
    network = copy(_network_of(model))
    for name in (SESSION, *RESTORED):
        network.__dict__.pop(name, None)
    if not isinstance(model, Pipeline):
        return network
    whole = copy(model)
    whole.steps = [*model.steps[:-1], (model.steps[-1][0], network)]
    return whole


def _members_of(model: Any) -> dict[str, bytes]:
    """What skops writes, if `load_model` will read it."""
    try:
        members = unpack(io.BytesIO(skops.io.dumps(model)))
    except (UnsupportedTypeException, RecursionError, ValueError) as error:
        raise InvalidInputError(f"a model to save must be one that skops takes: {error}") from error
    foreign = foreign_type(json.loads(members[SCHEMA]))
    if foreign is not None:
        raise InvalidInputError(
            f"a model to save must hold lrtune's networks, scikit-learn's preprocessing, numbers "
            f"and text alone, but this one holds {foreign}: leave it out, or set it to its default"
        )
    return members


def _columns(model: Any) -> tuple[Column, ...]:
    return tuple(Column(str(name), "number") for name in getattr(model, "feature_names_in_", ()))


def _versions() -> dict[str, str]:
    return {
        "lrtune": __version__,
        "scikit-learn": sklearn_version,
        "numpy": np.__version__,
        "skops": skops.__version__,
    }


# --- reading ----------------------------------------------------------------------------------


def _guarded(path: Path, read: Callable[[], Any]) -> Any:
    """Read; whatever a damaged or forged file leads to is one plain error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are told by lrtune, once
            return read()
    except _DAMAGE as error:
        raise InvalidInputError(
            f"a model must be a whole file that lrtune's save_model wrote, but {str(path)!r} is "
            "not, so nothing of it was loaded: save the model again, and do not trust this file "
            "if it is not yours"
        ) from error


def _open(path: Path) -> tuple[dict[str, bytes], ModelFacts]:
    """The members of a file, unpacked but not yet looked at, and what is known of the model."""
    if not path.is_file():
        raise InvalidInputError(f"a model must be a file, but there is none at {str(path)!r}")
    members = _guarded(path, lambda: unpack(path))
    known = _guarded(path, lambda: int(json.loads(members[FACTS])["format"]))
    if known > FORMAT:
        raise InvalidInputError(
            f"a model must be of format {FORMAT} at most, but {str(path)!r} has format {known}, "
            "of a newer lrtune: upgrade lrtune to load it"
        )
    return members, _guarded(path, lambda: ModelFacts.from_json(members[FACTS]))


def _revived(model: Any) -> Any:
    """The model, once its weights and parameters are known to go together, and whole again."""
    network = _network_of(model)
    checked, parameters = Network(**asdict(network._network)), network._parameters
    n_outputs = len(network.classes_ if is_classifier(network) else network.target_mean_)
    if not (
        isinstance(parameters, np.ndarray)
        and parameters.dtype in (np.float32, np.float64)
        and parameters.shape == (checked.n_parameters,)
        and checked.layer_sizes[0] == network.n_features_in_
        and checked.layer_sizes[-1] == n_outputs
        and checked.loss == network._loss
    ):
        raise ValueError("weights that do not fit the network")
    network._validate_params()
    network.schedule()
    network.make_optimizer()
    network.adopt(checked, parameters)
    check_is_fitted(model)
    return model


def _tell_versions(path: Path, facts: ModelFacts) -> None:
    """Warn of a model that was saved with other versions."""
    now, known = _versions(), facts.versions or {}
    other = [name for name in ("lrtune", "scikit-learn") if known.get(name) != now[name]]
    if other:
        then, today = (
            " and ".join(f"{name} {versions.get(name)}" for name in other)
            for versions in (known, now)
        )
        warnings.warn(
            f"{str(path)!r} was saved with {then}, and is loaded with {today}: predictions may "
            "differ; train it again, or install those versions, if that matters",
            LrtuneWarning,
            stacklevel=3,
        )
