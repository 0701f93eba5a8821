"""Encoders of categories as numbers, of all columns at once.

They give what scikit-learn's OneHotEncoder and TargetEncoder give, which go column by column: with
thousands of columns, that takes most of a search's time.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import KFold
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import check_is_fitted

Array = npt.NDArray[Any]

FOLDS = 5
"""Parts of the training rows, each encoded by what the others tell of its categories."""


class _CategoryEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns the categories of each column of texts; a gap, NaN, is one of them."""

    def _learn(self, X: pd.DataFrame) -> Array:
        """Learn the categories; return the place of each value's among those of all columns."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        codes, texts = _factorize(X.to_numpy(object).ravel(), sort=True)
        keys = codes + len(texts) * np.tile(np.arange(X.shape[1]), len(X))
        found, places = np.unique(keys, return_inverse=True)
        columns, categories = np.divmod(found, len(texts))
        ends = np.searchsorted(columns, np.arange(1, X.shape[1]))
        self.categories_ = np.split(texts[categories], ends)
        return places.reshape(X.shape)

    def _places(self, X: pd.DataFrame) -> Array:
        """Return the place of each value's category; -1 for one that was not seen in training."""
        check_is_fitted(self, "categories_")
        width = len(self.categories_)
        owners = np.repeat(np.arange(width), [len(each) for each in self.categories_])
        values = X[self.feature_names_in_].to_numpy(object).ravel()
        codes, texts = _factorize(np.concatenate([*self.categories_, values]))
        keys = codes + len(texts) * np.append(owners, np.tile(np.arange(width), len(X)))
        known = pd.Index(keys[: len(owners)])
        return known.get_indexer(pd.Index(keys[len(owners) :])).reshape(len(X), width)


def _factorize(values: Array, *, sort: bool = False) -> tuple[Array, Array]:
    """Return a code for each value and the different values, the missing one last."""
    codes, texts = pd.factorize(values, sort=sort)
    if (codes < 0).any():
        codes, texts = np.where(codes < 0, len(texts), codes), np.append(texts, np.nan)
    return codes, np.asarray(texts, dtype=object)


class OneHot(_CategoryEncoder):
    """Encode categories as columns of 0 and 1, all 0 for one that was not seen in training.

    >>> colours = pd.DataFrame({"colour": ["red", "blue"]})
    >>> OneHot().fit(colours).transform(pd.DataFrame({"colour": ["red", "pink"]}))
    array([[0., 1.],
           [0., 0.]])
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002
        self._learn(X)
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        return self._encode(self._places(X))

    def fit_transform(self, X: pd.DataFrame, y: Any = None) -> Array:  # noqa: ARG002
        return self._encode(self._learn(X))

    def _encode(self, places: Array) -> Array:
        encoded = np.zeros((len(places), sum(map(len, self.categories_))))
        rows, columns = np.nonzero(places >= 0)
        encoded[rows, places[rows, columns]] = 1.0
        return encoded

    def get_feature_names_out(self, input_features: Any = None) -> Array:  # noqa: ARG002
        check_is_fitted(self, "categories_")
        pairs = zip(self.feature_names_in_, self.categories_, strict=True)
        return np.asarray([f"{n}_{category}" for n, each in pairs for category in each], object)


class TargetMean(_CategoryEncoder):
    """Encode categories by the mean of the target, drawn to the mean of all rows.

    Each category's mean has the weight n·v / (n·v + w), with n rows of it, the target's variance v,
    and its variance w within the category (Micci-Barreca, 2001). Of classes, each one's share is
    encoded, of two classes that of the second. A category that was not seen in training has the
    mean of all rows. Training rows are encoded across `FOLDS` folds, so that no row's own target
    is part of its code.

    >>> shops = pd.DataFrame({"shop": ["a", "a", "b", "b"]})
    >>> encoder = TargetMean().fit(shops, [0.0, 2.0, 5.0, 5.0])
    >>> encoder.transform(pd.DataFrame({"shop": ["a", "b", "c"]})).ravel().round(2).tolist()
    [1.2, 5.0, 3.0]
    """

    def __init__(self, target_type: str = "continuous") -> None:
        self.target_type = target_type

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self._fit(X, y)
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        return _encode(self._places(X), self.means_, self.mean_)

    def fit_transform(self, X: pd.DataFrame, y: Any) -> Array:
        places, targets = self._fit(X, y)
        encoded = np.empty((len(X), X.shape[1] * targets.shape[1]))
        for rest, fold in KFold(FOLDS, shuffle=True, random_state=0).split(targets):
            mean = targets[rest].mean(axis=0)
            means = _shrunk_means(places[rest], targets[rest], mean, len(self.means_))
            encoded[fold] = _encode(places[fold], means, mean)
        return encoded

    def get_feature_names_out(self, input_features: Any = None) -> Array:  # noqa: ARG002
        check_is_fitted(self, "categories_")
        if len(self.mean_) == 1:
            return self.feature_names_in_
        classes = range(len(self.mean_))
        return np.asarray([f"{n}_{label}" for n in self.feature_names_in_ for label in classes])

    def _fit(self, X: pd.DataFrame, y: Any) -> tuple[Array, Array]:
        """Learn the encoding; return the places of the categories, and the target's columns."""
        targets = np.asarray(y, dtype=np.float64) if self.target_type == "continuous" else None
        if targets is None:
            targets = LabelBinarizer().fit_transform(y).astype(np.float64)
        targets = targets.reshape(len(X), -1)
        places = self._learn(X)
        self.mean_ = targets.mean(axis=0)
        self.means_ = _shrunk_means(places, targets, self.mean_, sum(map(len, self.categories_)))
        return places, targets


def _shrunk_means(places: Array, targets: Array, mean: Array, n_categories: int) -> Array:
    """Return the means ``(n_categories, n_targets)`` of the target by category."""
    shape = places.shape
    counts = np.bincount(places.ravel(), minlength=n_categories)
    seen = np.maximum(counts, 1)
    means = np.empty((n_categories, targets.shape[1]))
    for place, target in enumerate(targets.T):
        spread = np.broadcast_to(target[:, None], shape).ravel()
        own = np.bincount(places.ravel(), spread, n_categories) / seen
        squares = (spread - own[places.ravel()]) ** 2
        within = np.bincount(places.ravel(), squares, n_categories) / seen
        weight = target.var() * counts
        share = np.divide(weight, weight + within, out=np.ones_like(own), where=weight + within > 0)
        means[:, place] = np.where(counts > 0, share * own + (1 - share) * mean[place], mean[place])
    return means


def _encode(places: Array, means: Array, mean: Array) -> Array:
    encoded: Array = np.vstack([means, mean])[places].reshape(len(places), -1)  # -1 is the last
    return encoded
