"""Preprocessing of tables, by name; importing this module loads no scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lrtune.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lrtune.tables.columns import Column


def _column_transformer(columns: Sequence[Column], target_type: str) -> Any:
    from sklearn.compose import ColumnTransformer

    from lrtune.tables.transformers import TRANSFORMERS

    names_by_kind = {
        kind: [column.name for column in columns if column.used and column.encoder == kind]
        for kind in TRANSFORMERS
    }
    return ColumnTransformer(
        [
            (kind, TRANSFORMERS[kind](target_type), names)
            for kind, names in names_by_kind.items()
            if names
        ]
    )


def _table_vectorizer(columns: Sequence[Column], target_type: str) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    from lrtune.tables.inspection import MIN_ONE_HOT
    from lrtune.tables.transformers import fill_and_standardise

    del columns, target_type  # skrub detects the kinds of columns itself
    try:
        from skrub import StringEncoder, TableVectorizer
    except ImportError as error:
        raise InvalidInputError(
            "`preprocessor='skrub'` needs skrub 0.11 or newer: pip install 'lrtune[skrub]'"
        ) from error
    encoders = {
        "low_cardinality": OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=MIN_ONE_HOT, sparse_output=False
        ),
        "high_cardinality": StringEncoder(random_state=0),
    }
    steps = [(type(step).__name__.lower(), step) for step in fill_and_standardise()]
    return Pipeline([("vectorizer", TableVectorizer(**encoders)), *steps])


PREPROCESSORS: dict[str, Callable[[Sequence[Column], str], Any]] = {
    "sklearn": _column_transformer,
    "skrub": _table_vectorizer,
}


def make_preprocessing(
    columns: Sequence[Column], preprocessor: str = "sklearn", *, target_type: str = "continuous"
) -> Any:
    """Return an unfitted transformer of the used columns to numbers.

    With every preprocessor, numbers without missing values are only standardised. `target_type` is
    binary, multiclass or continuous, as scikit-learn's TargetEncoder names it.
    """
    from sklearn.preprocessing import StandardScaler

    from lrtune.tables.columns import is_plain

    if preprocessor not in PREPROCESSORS:
        raise InvalidInputError(
            f"`preprocessor` must be one of {', '.join(PREPROCESSORS)}, but got {preprocessor!r}"
        )
    return (
        StandardScaler() if is_plain(columns) else PREPROCESSORS[preprocessor](columns, target_type)
    )
