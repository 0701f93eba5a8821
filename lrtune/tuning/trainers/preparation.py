"""A replicate made ready: preprocessed and encoded, all of it learned on its training rows."""

from __future__ import annotations

import itertools
import sys
import warnings
from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import InvalidParameterError

from lrtune.estimators.fitting import TrainableMLP
from lrtune.exceptions import InvalidInputError, LrtuneWarning
from lrtune.schedules.schedule import Schedule
from lrtune.training.batches import Batches, TableRows
from lrtune.training.network import LOSSES, Network
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.replicates import Replicate

__all__ = [
    "Prepared",
    "SCALED_AT_ONCE",
    "check_space",
    "default_setting",
    "prepare",
    "require_network",
    "split_pipeline",
]

Array = npt.NDArray[Any]

SCALED_AT_ONCE = 1 << 14
"""Rows copied at once to learn means and scales from; bounds the memory that this takes."""


@dataclass(frozen=True)
class Prepared:
    """A replicate's rows, preprocessed and encoded, and the estimator that encoded them.

    Attributes
    ----------
    model : MLPClassifier or MLPRegressor
        Not trained, but with the encoding learned.
    rows, validation : Batches
    X, y : array_like
        The whole table and its target, as they were given.
    held_out : ndarray of int
        Which of its rows are the validation rows.
    seed : int
    pipeline : Pipeline or None
        The transformers, fitted, and the network in its place behind them.
    """

    model: Any
    rows: Batches
    validation: Batches
    X: Any
    y: Any
    held_out: Array
    seed: int
    pipeline: Pipeline | None = None

    def held_out_rows(self) -> tuple[Any, Any]:
        """The validation rows and their target as they were given."""
        return _safe_indexing(self.X, self.held_out), _safe_indexing(self.y, self.held_out)

    @property
    def guess_loss(self) -> float:
        """Validation loss of a prediction that ignores the input, in the target's own unit."""
        loss: str = self.model._loss
        return LOSSES[loss].guess(self.validation.y) * float(self.model.loss_unit)

    @property
    def naive_loss(self) -> float:
        """Validation loss of the training rows' mean target (or class shares), in its own unit."""
        rows, validation = self.rows, self.validation
        mean = np.average(rows.y, axis=0, weights=rows.sample_weight)
        if self.model._loss == "log_loss":
            losses = -(validation.y @ np.log(np.maximum(mean, np.finfo(mean.dtype).tiny)))
        else:
            losses = ((validation.y - mean) ** 2).mean(axis=1)
        return float(
            np.average(losses, weights=validation.sample_weight) * float(self.model.loss_unit)
        )

    @property
    def initial_loss(self) -> float:
        """Validation loss of the untrained network, in the target's own unit."""
        weights = RandomStreams(self.seed).weights
        population = self.model.make_population(self.rows, 1, weights)
        return float(population.evaluate(self.validation)[0] * self.model.loss_unit)

    def configured(self, others: tuple[tuple[str, Any], ...]) -> Prepared:
        """The same rows, with further parameters of the model set."""
        return replace(self, model=copy(self.model).set_params(**dict(others)))

    def fitted(self, setting: Setting, network: Network, parameters: Array) -> Any:
        """The whole estimator, fitted, with a setting and the weights that it led to."""
        model = copy(self.model).set_params(**setting.params).adopt(network, parameters)
        if self.pipeline is None:
            return model
        whole = copy(self.pipeline)
        whole.steps = [*whole.steps[:-1], (whole.steps[-1][0], model)]
        return whole


def split_pipeline(estimator: Any) -> tuple[Pipeline | None, Any]:
    """The transformers before the network, if any, and the network."""
    if isinstance(estimator, Pipeline):
        return (estimator[:-1] if len(estimator) > 1 else None), estimator[-1]
    return None, estimator


def require_network(estimator: Any) -> TrainableMLP:
    """The network of an estimator, alone or at the end of a pipeline.

    Raises
    ------
    InvalidInputError
        If it is not one of lrtune's.
    """
    _, network = split_pipeline(estimator)
    if not isinstance(network, TrainableMLP):
        raise InvalidInputError(
            "estimator must be lrtune's MLPClassifier or MLPRegressor, or a Pipeline that ends in "
            f"one, but got {type(network).__module__}.{type(network).__qualname__}"
        )
    return network


def default_setting(estimator: Any, space: Space) -> Setting:
    """The setting that an estimator has before it is tuned."""
    _, model = split_pipeline(estimator)
    others = tuple((name, _as_drawn(getattr(model, name))) for name, _ in space.others)
    return Setting(model.learning_rate_init, model.decay, model.decay_rate, others)


def _as_drawn(value: Any) -> Any:
    """Layer sizes as a space has them, a tuple, if they were given as a list or an array."""
    is_array = isinstance(value, list | np.ndarray)
    return tuple(np.atleast_1d(value).tolist()) if is_array else value


def prepare(
    estimator: Any, X: Any, y: Any, replicate: Replicate, sample_weight: Array | None = None
) -> Prepared:
    """Preprocess and encode a replicate; whatever is learned is learned on its training rows.

    An array of floats is not copied if nothing but a StandardScaler stands before the network: its
    rows are then standardised as they are read.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        Not changed.
    X : array_like or DataFrame of shape (n, n_features)
    y : array_like of shape (n,) or (n, n_outputs)
    replicate : Replicate
    sample_weight : ndarray of shape (n,), optional
        Weights of the rows, in training and in the validation loss.
    """
    transformers, model = split_pipeline(estimator)
    pipeline = copy(estimator) if isinstance(estimator, Pipeline) else None
    y_train, y_validation = (
        _safe_indexing(y, rows) for rows in (replicate.train, replicate.validation)
    )
    if _is_read_in_place(X, transformers):
        transformers, X_train, X_validation = _in_place(X, transformers, replicate)
    else:
        transformers, X_train, X_validation = _copied(X, y_train, transformers, replicate)
    if pipeline is not None and transformers is not None:
        pipeline.steps = [*transformers.steps, pipeline.steps[-1]]
    model = clone(model).set_params(random_state=replicate.seed)
    model._validate_params()
    weight_train, weight_validation = (
        None if sample_weight is None else sample_weight[rows]
        for rows in (replicate.train, replicate.validation)
    )
    rows = model.learn_encoding(
        X_train,
        y_train,
        weight_train,
        classes=np.unique(np.asarray(y)) if is_classifier(model) else None,
    )
    if is_classifier(model) and not rows.y.any(axis=0).all():
        absent = model.classes_[~rows.y.any(axis=0)].tolist()
        warnings.warn(
            f"the training rows of a split hold no row of class {', '.join(map(str, absent))}: "
            "use a splitter that is stratified or shuffles",
            LrtuneWarning,
            stacklevel=2,
        )
    validation = model.encode(X_validation, y_validation, weight_validation)
    held_out, seed = replicate.validation, replicate.seed
    return Prepared(model, rows, validation, X, y, held_out, seed, pipeline)


def _is_read_in_place(X: Any, transformers: Pipeline | None) -> bool:
    kinds = [] if transformers is None else [type(step) for _, step in transformers.steps]
    return (
        type(X) in (np.ndarray, np.memmap)
        and X.ndim == 2
        and X.dtype in (np.float64, np.float32)
        and X.flags.c_contiguous
        and kinds in ([], [StandardScaler])
    )


def _in_place(
    X: Array, transformers: Pipeline | None, replicate: Replicate
) -> tuple[Pipeline | None, TableRows, TableRows]:
    """The fitted transformers; training and validation rows as they leave them, uncopied."""
    mean = scale = None
    if transformers is not None:
        transformers = clone(transformers)
        scaler = transformers[-1]
        for start in range(0, len(replicate.train), SCALED_AT_ONCE):
            scaler.partial_fit(X.take(replicate.train[start : start + SCALED_AT_ONCE], axis=0))
        mean = scaler.mean_.astype(X.dtype) if scaler.with_mean else None
        scale = scaler.scale_.astype(X.dtype) if scaler.with_std else None
    train, validation = (
        TableRows(X, rows, mean, scale) for rows in (replicate.train, replicate.validation)
    )
    return transformers, train, validation


def _copied(
    X: Any, y_train: Any, transformers: Pipeline | None, replicate: Replicate
) -> tuple[Pipeline | None, Any, Any]:
    """The same for tables and transformers of any kind, which takes copies."""
    train, validation = (
        _safe_indexing(X, rows) for rows in (replicate.train, replicate.validation)
    )
    if transformers is not None:
        transformers = clone(transformers)
        train = transformers.fit_transform(train, y_train)
        validation = transformers.transform(validation)
    return transformers, train, validation


def check_space(prepared: Prepared, space: Space) -> None:
    """Refuse a space with ends that the network, or a schedule, does not take.

    Parameters
    ----------
    prepared : Prepared
    space : Space

    Raises
    ------
    InvalidInputError
        If a parameter is out of its range, or two do not go together.
    """
    singles = [((name, end),) for name, dimension in space.others for end in dimension.ends]
    for others in ((), *singles):
        configured = prepared.configured(others)
        try:
            configured.model._validate_params()
        except InvalidParameterError as error:
            raise InvalidInputError(str(error)) from error
        configured.model.make_population(prepared.rows, 1, np.random.default_rng(0))
    prepared.model.schedule()  # of the untuned default
    ends = {
        "learning_rate_init": space.learning_rate_init or (sys.float_info.max,),
        "decay": space.decay,
        "decay_rate": space.decay_rate,
        **{name: dimension.ends for name, dimension in space.others if dimension.ends},
    }
    names = [field.name for field in fields(Schedule) if field.name in ends]
    for values in itertools.product(*(ends[name] for name in names)):
        prepared.configured(tuple(zip(names, values, strict=True))).model.schedule()
