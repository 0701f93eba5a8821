"""Prepare replicates: preprocess and encode them, with all that is fitted on the training rows."""

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
from lrtune.training.network import LOSSES, Network
from lrtune.training.random_streams import RandomStreams
from lrtune.training.rows import Rows, TableRows
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.replicates import Replicate
from lrtune.tuning.trainers.steps import fit_steps, require_no_weights, transform

Array = npt.NDArray[Any]

SCALED_AT_ONCE = 1 << 14
"""Rows copied at once to fit a scaler; bounds the memory that this takes."""


TUNABLE = (
    "hidden_layer_sizes",
    "activation",
    "optimizer",
    "step_size",
    "power",
    "patience",
    "warmup_epochs",
    "cycle_epochs",
    "min_learning_rate",
    "update",
    "alpha",
    "momentum",
    "rho",
    "beta_1",
    "beta_2",
    "epsilon",
    "weight_decay",
    "weights_init",
    "batch_size",
)
"""Further parameters that can be searched: those that change neither the rows, nor their encoding,
nor the number of epochs."""


@dataclass(frozen=True)
class Prepared:
    """A replicate's rows, preprocessed and encoded, and the estimator that encoded them.

    Attributes
    ----------
    model : MLPClassifier or MLPRegressor
        Untrained, with its encoding fitted.
    rows, validation : Rows
    X, y : array_like
        The table and its target before preprocessing.
    held_out : ndarray of int
        Indices of the validation rows.
    seed : int
    pipeline : Pipeline or None
        The fitted transformers, then the untrained network.
    """

    model: Any
    rows: Rows
    validation: Rows
    X: Any
    y: Any
    held_out: Array
    seed: int
    pipeline: Pipeline | None = None

    def held_out_rows(self) -> tuple[Any, Any]:
        """Return the validation rows and their target before preprocessing."""
        return _safe_indexing(self.X, self.held_out), _safe_indexing(self.y, self.held_out)

    @property
    def guess_loss(self) -> float:
        """Return the validation loss of guessing: equal class shares, or the validation mean."""
        loss: str = self.model._loss
        return float(LOSSES[loss].guess(self.validation.y)) * float(self.model.loss_unit)

    @property
    def naive_loss(self) -> float:
        """Return the validation loss of the training rows' mean target, or class shares."""
        rows, validation = self.rows, self.validation
        mean = np.average(rows.y.astype(np.float64), axis=0, weights=rows.sample_weight)
        tiny = np.finfo(np.float64).tiny
        if self.model._loss == "log_loss":
            losses = -(validation.y @ np.log(np.maximum(mean, tiny)))
        elif self.model._loss == "binary_log_loss":
            present, absent = (np.log(np.maximum(share, tiny)) for share in (mean, 1 - mean))
            losses = -np.where(validation.y, present, absent).sum(axis=1)
        else:
            losses = ((validation.y - mean) ** 2).mean(axis=1)
        # the unit is a factor of its own, as it may be beyond what single precision holds
        loss = float(np.average(losses, weights=validation.sample_weight))
        return loss * float(self.model.loss_unit)

    @property
    def initial_loss(self) -> float:
        """Return the validation loss of the untrained network, in the target's unit."""
        weights = RandomStreams(self.seed).weights
        population = self.model.make_population(self.rows, 1, weights)
        return float(population.evaluate(self.validation)[0]) * float(self.model.loss_unit)

    def configured(self, others: tuple[tuple[str, Any], ...]) -> Prepared:
        """Return the same rows with further parameters of the model set."""
        return replace(self, model=copy(self.model).set_params(**dict(others)))

    def fitted(self, setting: Setting, network: Network, parameters: Array) -> Any:
        """Return the whole estimator, fitted, with a setting and its trained weights."""
        model = copy(self.model).set_params(**setting.params).adopt(network, parameters)
        if self.pipeline is None:
            return model
        pipeline = copy(self.pipeline)
        pipeline.steps = [*pipeline.steps[:-1], (pipeline.steps[-1][0], model)]
        return pipeline


def split_pipeline(estimator: Any) -> tuple[Pipeline | None, Any]:
    """Return the transformers before the network, if there are any, and the network."""
    if isinstance(estimator, Pipeline):
        return (estimator[:-1] if len(estimator) > 1 else None), estimator[-1]
    return None, estimator


def require_network(estimator: Any) -> TrainableMLP:
    """Return an estimator's network; raise InvalidInputError if it is not one of lrtune's."""
    _, network = split_pipeline(estimator)
    if not isinstance(network, TrainableMLP):
        raise InvalidInputError(
            "`estimator` must be lrtune's MLPClassifier or MLPRegressor, or a Pipeline that ends "
            f"in one, but got {type(network).__module__}.{type(network).__qualname__}"
        )
    return network


def default_setting(estimator: Any, space: Space) -> Setting:
    """Return the setting of an untuned estimator."""
    _, model = split_pipeline(estimator)
    others = tuple((name, _as_choice(getattr(model, name))) for name, _ in space.others)
    return Setting(model.initial_rate(), model.decay, model.decay_rate, others)


def _as_choice(value: Any) -> Any:
    """Return layer sizes as a tuple, which a space holds, if they are a list or an array."""
    is_array = isinstance(value, list | np.ndarray)
    return tuple(np.atleast_1d(value).tolist()) if is_array else value


def prepare(
    estimator: Any, X: Any, y: Any, replicate: Replicate, sample_weight: Array | None = None
) -> Prepared:
    """Preprocess and encode a replicate, with copies of the estimator fitted on its training rows.

    An array of floats is not copied if at most a StandardScaler stands before the network: its rows
    are then standardised as they are read. `sample_weight` counts in training and in validation.
    """
    transformers, model = split_pipeline(estimator)
    pipeline = copy(estimator) if isinstance(estimator, Pipeline) else None
    y_train, y_validation = (
        _safe_indexing(y, rows) for rows in (replicate.train, replicate.validation)
    )
    require_no_weights(transformers, sample_weight)
    if _is_read_in_place(X, transformers):
        transformers, X_train, X_validation = _in_place(X, transformers, replicate)
    else:
        transformers, X_train, y_train, X_validation = transform_rows(
            X, y_train, transformers, replicate
        )
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
    """Return the fitted scaler, and training and validation rows that are scaled when read."""
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


def transform_rows(
    X: Any, y_train: Any, transformers: Pipeline | None, replicate: Replicate
) -> tuple[Pipeline | None, Any, Any, Any]:
    """Return the fitted transformers, the training rows and target, and the validation rows."""
    train, validation = (
        _safe_indexing(X, rows) for rows in (replicate.train, replicate.validation)
    )
    if transformers is not None:
        transformers, train, y_train = fit_steps(transformers, train, y_train, replicate.seed)
        validation = transform(transformers, validation)
    return transformers, train, y_train, validation


def check_space(prepared: Prepared, space: Space) -> None:
    """Raise InvalidInputError unless network and schedule accept all ends of the space.

    A parameter may be out of its range, or two may not go together.
    """
    for name, _ in space.others:
        if name not in TUNABLE:
            raise InvalidInputError(
                f"a space may name learning_rate_init, decay, decay_rate and "
                f"{', '.join(TUNABLE)}, but got {name!r}"
            )
    one_changed = [((name, end),) for name, dimension in space.others for end in dimension.ends]
    for others in ((), *one_changed):
        configured = prepared.configured(others)
        try:
            configured.model._validate_params()
        except InvalidParameterError as error:
            raise InvalidInputError(str(error)) from error
        configured.model.make_population(prepared.rows, 1, np.random.default_rng(0))
    prepared.model.schedule()  # the untuned default's
    ends = {
        "learning_rate_init": space.learning_rate_init or (sys.float_info.max,),
        "decay": space.decay,
        "decay_rate": space.decay_rate,
        **{name: dimension.ends for name, dimension in space.others if dimension.ends},
    }
    names = [field.name for field in fields(Schedule) if field.name in ends]
    for values in itertools.product(*(ends[name] for name in names)):
        prepared.configured(tuple(zip(names, values, strict=True))).model.schedule()
