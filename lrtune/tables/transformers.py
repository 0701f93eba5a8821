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
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from lrtune.tables.kinds import as_dates

Array = npt.NDArray[Any]

MAX_ONE_HOT = 30
"""Most 0/1 columns for one column of categories; the rarest categories share the last."""

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


def fill_and_standardise() -> list[Any]:
    """Return the steps that fill gaps with the median, mark them, and standardise."""
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return [imputer, StandardScaler()]


def one_hot_encoder() -> OneHotEncoder:
    """Return an encoder that treats unseen categories as rare ones, or as none."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_ONE_HOT, sparse_output=False
    )


TRANSFORMERS: dict[str, Callable[[], Any]] = {
    "number": lambda: make_pipeline(*fill_and_standardise()),
    "boolean": lambda: make_pipeline(*fill_and_standardise()),
    "date": lambda: make_pipeline(DateParts(), *fill_and_standardise()),
    "category": one_hot_encoder,
}
"""Encoder of each kind of column, without skrub."""
