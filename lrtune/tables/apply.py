"""Applying a saved model to the rows of another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.columns import Column, gather, is_plain, notes_on
from lrtune.tables.dataset import load_dataset
from lrtune.tables.inspection import list_treatments, refuse_huge_values
from lrtune.tables.reading import read_table
from lrtune.tables.wording import listed, one_line

Array = npt.NDArray[Any]

UNSEEN = "categories not seen in training, treated as rare or as none"


def require_applicable(
    estimator: Any, columns: Sequence[Column], model: str, *, proba: bool = False
) -> None:
    """Raise if a model cannot predict for a table, or not the probabilities that `proba` needs."""
    if proba and not hasattr(estimator, "predict_proba"):
        raise InvalidInputError(
            f"`proba` needs a classifier, but {model!r} is a regressor: leave it out"
        )
    if not columns:
        raise InvalidInputError(
            f"a model to predict with must know its columns' names, but {model!r} was trained on "
            "an array without names: train it on a DataFrame, or predict in Python"
        )


def read_rows(
    source: str,
    columns: Sequence[Column],
    estimator: Any,
    *,
    separator: str | None = None,
    encoding: str | None = None,
) -> tuple[Array | pd.DataFrame, tuple[str, ...]]:
    """Read a table's rows as input of a fitted model, and return them with notes on the table."""
    notes: list[str] = []
    if source in BUNDLED:
        dataset = load_dataset(source)
        frame = pd.DataFrame(dataset.X, columns=[column.name for column in dataset.columns])
    else:
        table = read_table(
            source, separator=separator, encoding=encoding, texts=text_columns(columns)
        )
        frame, notes = table.frame, list(table.notes)
    used = [column for column in columns if column.used]
    X = conform(frame, used, source=source)
    if not len(X):
        raise InvalidInputError(f"`data` must have rows to predict for, but {source!r} has none")
    for place, column in enumerate(used):
        if column.kind == "number":
            values = X[:, place] if isinstance(X, np.ndarray) else X[column.name]
            refuse_huge_values(pd.Series(values), f"column {column.name!r} of {source}")
    ignored = [name for name in frame.columns if name not in {column.name for column in used}]
    if ignored:
        notes.append(f"columns ignored: {listed(ignored)}")
    notes += notes_on([_treat(column, frame, _categories(estimator)) for column in used])
    if isinstance(X, np.ndarray) and hasattr(estimator, "feature_names_in_"):
        X = pd.DataFrame(X, columns=estimator.feature_names_in_)
    return X, tuple(notes)


def predict(
    estimator: Any,
    X: Array | pd.DataFrame,
    *,
    target: str | None = None,
    source: str = "the table",
    proba: bool = False,
) -> pd.DataFrame:
    """Return the predictions in a column named `target`, and optionally class probabilities."""
    try:
        predictions = {target or "prediction": estimator.predict(X)}
        if proba:
            names = [f"probability of {label}" for label in estimator.classes_]
            predictions |= dict(zip(names, estimator.predict_proba(X).T, strict=True))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidInputError(
            "`data` must be a table like the one that the model was trained on, but predicting "
            f"for {source!r} gave: {one_line(error)}"
        ) from error
    return pd.DataFrame(predictions)


def conform(
    frame: pd.DataFrame, columns: Sequence[Column], *, source: str = "the table"
) -> Array | pd.DataFrame:
    """Return the used columns of a table, in the order and types of the training table."""
    used = [column for column in columns if column.used]
    absent = [column.name for column in used if column.name not in frame.columns]
    if absent:
        raise InvalidInputError(
            f"rows to predict for must have the columns of the training table, but {source} "
            f"lacks {listed(absent)}: it has {listed(list(frame.columns))}"
        )
    converted = {column.name: column.convert(frame[column.name]) for column in used}
    for name, values in converted.items():
        if is_plain(used) and values.isna().any():
            raise InvalidInputError(
                f"columns must be complete, as they were in training, but column {name!r} of "
                f"{source} lacks {int(values.isna().sum())} of {len(values)} numbers: fill them "
                "in, or leave out these rows"
            )
    return gather(converted, used)


def text_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the names of the columns that must be read as text from every file."""
    return tuple(
        column.name
        for column in columns
        if column.used and (column.kind in ("category", "text") or column.thousands)
    )


def _treat(column: Column, frame: pd.DataFrame, categories: Mapping[str, Array]) -> Column:
    """Return the column with the treatments that its values in this table need."""
    values = frame[column.name]
    converted = column.convert(values)
    if column.name not in categories:
        return replace(column, done=tuple(list_treatments(column.kind, values, converted)))
    unseen = int((~converted.isin(categories[column.name])).sum())
    return replace(column, done=((UNSEEN, unseen),) if unseen else ())


def _categories(estimator: Any) -> dict[str, Array]:
    """Return the categories that a model was trained on, by column name."""
    first = estimator[0] if hasattr(estimator, "named_steps") else None
    steps = first.transformers_ if isinstance(first, ColumnTransformer) else []
    return {
        str(name): categories
        for _, step, names in steps
        if hasattr(step, "categories_")
        for name, categories in zip(names, step.categories_, strict=True)
    }
