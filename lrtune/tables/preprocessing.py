"""From columns of any kind to the numbers that a network takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column, is_plain
from lrtune.tables.kinds import as_dates

__all__ = [
    "DateParts",
    "MAX_ONE_HOT",
    "PARTS",
    "PREPROCESSORS",
    "TRANSFORMERS",
    "make_preprocessing",
]

Array = npt.NDArray[Any]

MAX_ONE_HOT = 30
"""Columns that a column of categories becomes at most; the rarest share the last."""

PARTS: dict[str, Callable[[Any], Any]] = {
    "day_number": lambda dates: (dates - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1),
    "month": lambda dates: dates.dt.month,
    "day": lambda dates: dates.dt.day,
    "weekday": lambda dates: dates.dt.day_of_week,
    "hour": lambda dates: dates.dt.hour,
}
"""Numbers that a date is taken apart into."""


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Dates taken apart into numbers: those of `PARTS` that vary in the training rows.

    The day number, which counts days and their fractions from the year 2000, is always among them.
    Missing dates give missing numbers.

    Examples
    --------
    >>> dates = pd.DataFrame({"day": pd.to_datetime(["2000-01-03", "2000-01-04"])})
    >>> DateParts().fit(dates).get_feature_names_out().tolist()
    ['day_day_number', 'day_day', 'day_weekday']
    >>> DateParts().fit_transform(dates)
    array([[2., 3., 0.],
           [3., 4., 1.]])
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:  # noqa: ARG002
        """Find the parts that vary.

        Parameters
        ----------
        X : DataFrame of dates
        y : ignored
        """
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
        """The numbers, a column each.

        Parameters
        ----------
        X : DataFrame of dates
        """
        check_is_fitted(self, "parts_")
        dates = {name: as_dates(X[name]) for name in self.feature_names_in_}
        numbers = [PARTS[part](dates[name]).to_numpy(np.float64) for name, part in self.parts_]
        return np.column_stack(numbers)

    def get_feature_names_out(self, input_features: Any = None) -> Array:  # noqa: ARG002
        """Names of the numbers: column and part."""
        check_is_fitted(self, "parts_")
        return np.asarray([f"{name}_{part}" for name, part in self.parts_], dtype=object)


def _varies(numbers: pd.Series[Any]) -> bool:
    return bool(numbers.max() > numbers.min())


def _filled() -> list[Any]:
    """Missing numbers replaced by the median, and marked; then standardised."""
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return [imputer, StandardScaler()]


def _one_hot() -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_ONE_HOT, sparse_output=False
    )


TRANSFORMERS: dict[str, Callable[[], Any]] = {
    "number": lambda: make_pipeline(*_filled()),
    "boolean": lambda: make_pipeline(*_filled()),
    "date": lambda: make_pipeline(DateParts(), *_filled()),
    "category": _one_hot,
}
"""What makes numbers of each kind of column, without skrub."""


def _column_transformer(columns: Sequence[Column]) -> Any:
    by_kind = {
        kind: [column.name for column in columns if column.used and column.kind == kind]
        for kind in TRANSFORMERS
    }
    return ColumnTransformer(
        [(kind, TRANSFORMERS[kind](), names) for kind, names in by_kind.items() if names]
    )


def _table_vectorizer(columns: Sequence[Column]) -> Any:
    del columns  # skrub sorts them by itself
    try:
        from skrub import StringEncoder, TableVectorizer
    except ImportError as error:
        raise InvalidInputError(
            "--preprocessor skrub takes skrub 0.11 or newer: pip install 'lrtune[skrub]'"
        ) from error
    encoders = {
        "low_cardinality": _one_hot(),
        "high_cardinality": StringEncoder(random_state=0),
    }
    return Pipeline([("vectorizer", TableVectorizer(**encoders)), *_named(_filled())])


def _named(steps: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(type(step).__name__.lower(), step) for step in steps]


PREPROCESSORS: dict[str, Callable[[Sequence[Column]], Any]] = {
    "sklearn": _column_transformer,
    "skrub": _table_vectorizer,
}
"""What makes a table's preprocessing."""


def make_preprocessing(columns: Sequence[Column], preprocessor: str = "sklearn") -> Any:
    """A transformer, not fitted, for the columns of a table.

    Parameters
    ----------
    columns : sequence of Column
    preprocessor : {"sklearn", "skrub"}, default="sklearn"
        Numbers without gaps are standardised with either.

    Returns
    -------
    StandardScaler, ColumnTransformer or Pipeline

    Raises
    ------
    InvalidInputError
        If it is unknown, or skrub is not installed.

    Examples
    --------
    >>> make_preprocessing([Column("a", "number")])
    StandardScaler()
    >>> frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", "y", "x"]})
    >>> columns = [Column("a", "number", missing=1), Column("b", "category")]
    >>> make_preprocessing(columns).fit_transform(frame).shape
    (3, 4)
    """
    if preprocessor not in PREPROCESSORS:
        raise InvalidInputError(
            f"preprocessor must be one of {', '.join(PREPROCESSORS)}, but got {preprocessor!r}"
        )
    return StandardScaler() if is_plain(columns) else PREPROCESSORS[preprocessor](columns)
