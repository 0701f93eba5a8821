"""A replicate made ready: preprocessed and encoded, all of it learned on its training rows."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from lrtune.data import Replicate
from lrtune.training.network import LOSSES
from lrtune.training.population import Batches

__all__ = ["Prepared", "prepare", "split_pipeline"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """A replicate's rows, preprocessed and encoded, and the estimator that encoded them.

    Attributes
    ----------
    model : MLPClassifier or MLPRegressor
        Not trained, but with the encoding learned.
    rows, validation : Batches
    X_validation, y_validation : array_like
        Validation rows as a scorer wants them: preprocessed, not encoded.
    seed : int
    """

    model: Any
    rows: Batches
    validation: Batches
    X_validation: Any
    y_validation: Any
    seed: int

    @property
    def guess_loss(self) -> float:
        """Validation loss of a prediction that ignores the input, in the target's own unit."""
        loss: str = self.model._loss
        return LOSSES[loss].guess(self.validation.y) * float(self.model.loss_unit)

    def configured(self, others: tuple[tuple[str, Any], ...]) -> Prepared:
        """The same rows, with further parameters of the model set."""
        return replace(self, model=copy(self.model).set_params(**dict(others)))


def split_pipeline(estimator: Any) -> tuple[Pipeline | None, Any]:
    """The transformers before the network, if any, and the network."""
    if isinstance(estimator, Pipeline):
        return (estimator[:-1] if len(estimator) > 1 else None), estimator[-1]
    return None, estimator


def prepare(
    estimator: Any, X: Any, y: Any, replicate: Replicate, sample_weight: Array | None = None
) -> Prepared:
    """Preprocess and encode a replicate; whatever is learned is learned on its training rows.

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
    X_train, X_validation = (
        _safe_indexing(X, rows) for rows in (replicate.train, replicate.validation)
    )
    y_train, y_validation = (
        _safe_indexing(y, rows) for rows in (replicate.train, replicate.validation)
    )
    if transformers is not None:
        transformers = clone(transformers)
        X_train = transformers.fit_transform(X_train, y_train)
        X_validation = transformers.transform(X_validation)
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
    validation = model.encode(X_validation, y_validation, weight_validation)
    return Prepared(model, rows, validation, X_validation, y_validation, replicate.seed)
