"""Transformers that encode each kind of column as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from lrtune.tables.dates import as_dates
from lrtune.tables.encoders import OneHot, TargetMean
from lrtune.tables.extremes import BOUND, quartiles
from lrtune.tables.inspection import EXTREME_NUMBER, MANY_CATEGORIES, MORE_CATEGORIES

Array = npt.NDArray[Any]

PARTS: dict[str, Callable[[Any], Any]] = {
    "day_number": lambda dates: (dates - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1),
    "month": lambda dates: dates.dt.month,
    "day": lambda dates: dates.dt.day,
    "weekday": lambda dates: dates.dt.day_of_week,
    "hour": lambda dates: dates.dt.hour,
}
"""Numbers that a date is split into."""


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Split dates into the numbers of `PARTS` that vary in the training rows.

    The day number, which counts days and their fractions from the year 2000, is always one of them.
    Missing dates give missing numbers.

    >>> dates = pd.DataFrame({"day": pd.to_datetime(["2000-01-03", "2000-01-04"])})
    >>> DateParts().fit(dates).get_feature_names_out().tolist()
    ['day_day_number', 'day_day', 'day_weekday']
    >>> DateParts().fit_transform(dates)
    array([[2., 3., 0.],
           [3., 4., 1.]])
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.parts_ = [
            [str(name), part]
            for name in X.columns
            for part in PARTS
            if part == "day_number" or _varies(PARTS[part](as_dates(X[name])))
        ]
        return self

    def transform(self, X: pd.DataFrame) -> Array:
        check_is_fitted(self, "parts_")
        dates = {name: as_dates(X[name]) for name in self.feature_names_in_}
        numbers = [PARTS[part](dates[name]).to_numpy(np.float64) for name, part in self.parts_]
        return np.column_stack(numbers)

    def get_feature_names_out(self, input_features: Any = None) -> Array:  # noqa: ARG002
        check_is_fitted(self, "parts_")
        return np.asarray([f"{name}_{part}" for name, part in self.parts_], dtype=object)


def _varies(numbers: pd.Series[Any]) -> bool:
    return bool(numbers.max() > numbers.min())


class SoftClip(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scale by median and quartiles, and compress what lies far outside to at most `BOUND`.

    z is mapped to z/√(1 + (z/b)²), with z in interquartile ranges from the median and the bound b,
    as skrub's SquashingScaler does. The order of the numbers is kept.

    >>> SoftClip().fit(np.arange(5.0)[:, None]).transform([[1e9], [2.0], [np.nan]]).tolist()
    [[3.0], [0.0], [nan]]
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        numbers = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = numbers.shape[1]
        self.median_ = np.nanmedian(numbers, axis=0)
        spread = quartiles(numbers)[2]
        self.scale_ = np.where(spread > 0, spread, 1.0)
        return self

    def transform(self, X: Any) -> Array:
        check_is_fitted(self, "scale_")
        z = (np.asarray(X, dtype=np.float64) - self.median_) / self.scale_
        compressed: Array = z / np.hypot(1.0, z / BOUND)
        return compressed

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        check_is_fitted(self, "scale_")
        return np.asarray(input_features, dtype=object)


def fill_and_standardise() -> list[Any]:
    """Return the steps that fill gaps with the median, mark them, and standardise."""
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return [imputer, StandardScaler()]


TRANSFORMERS: dict[str, Callable[[str], Any]] = {
    "number": lambda _: make_pipeline(*fill_and_standardise()),
    EXTREME_NUMBER: lambda _: make_pipeline(SoftClip(), *fill_and_standardise()),
    "boolean": lambda _: make_pipeline(*fill_and_standardise()),
    "date": lambda _: make_pipeline(DateParts(), *fill_and_standardise()),
    "category": lambda _: OneHot(),
    MORE_CATEGORIES: lambda _: OneHot(),
    MANY_CATEGORIES: lambda target_type: make_pipeline(TargetMean(target_type), StandardScaler()),
}
"""Encoder of each kind of column, without skrub; a function of scikit-learn's type of target."""
