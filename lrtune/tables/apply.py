"""Applying a saved model to the rows of another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.columns import Column, gather, is_plain, notes_on
from lrtune.tables.dataset import load_dataset
from lrtune.tables.inspection import list_readings, list_treatments, refuse_huge_values
from lrtune.tables.kinds import as_texts, find_kind, find_numbers, text_counts
from lrtune.tables.number_format import is_placeholder
from lrtune.tables.reading import read_table
from lrtune.tables.wording import listed, one_line

Array = npt.NDArray[Any]

UNSEEN = "categories not seen in training, treated as none of them"

_HALF = 0.5


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
    skip_lines: int | None = None,
    header: bool = True,
    missing: Sequence[str] = (),
) -> tuple[Array | pd.DataFrame, tuple[str, ...]]:
    """Read a table's rows as input of a fitted model, and return them with notes on the table."""
    notes: list[str] = []
    decimal = ""
    if source in BUNDLED:
        dataset = load_dataset(source)
        frame = pd.DataFrame(dataset.X, columns=[column.name for column in dataset.columns])
    else:
        table = read_table(
            source,
            separator=separator,
            encoding=encoding,
            skip_lines=skip_lines,
            header=header,
            missing=missing,
            texts=text_columns(columns),
        )
        frame, notes, decimal = table.frame, list(table.notes), table.decimal
    if not len(frame):
        raise InvalidInputError(f"`data` must have rows to predict for, but {source!r} has none")
    used = [column for column in columns if column.used]
    X = conform(frame, used, source=source, decimal=decimal, gaps=_means(estimator, used))
    for place, column in enumerate(used):
        if column.encoder == "number":
            values = X[:, place] if isinstance(X, np.ndarray) else X[column.name]
            refuse_huge_values(pd.Series(values), f"column {column.name!r} of {source}")
    ignored = [name for name in frame.columns if name not in {column.name for column in used}]
    if ignored:
        notes.append(f"columns ignored: {listed(ignored)}")
    categories, is_filled = _categories(estimator), is_plain(used)
    notes += notes_on(
        [_treat(column, frame, decimal, categories, is_plain=is_filled) for column in used]
    )
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
    frame: pd.DataFrame,
    columns: Sequence[Column],
    *,
    source: str = "the table",
    decimal: str = "",
    gaps: Mapping[str, float] | None = None,
) -> Array | pd.DataFrame:
    """Return the used columns of a table, in the order and types of the training table.

    `gaps` has the number to fill gaps with, by column, if the model itself cannot fill them.
    """
    used = [column for column in columns if column.used]
    absent = [column.name for column in used if column.name not in frame.columns]
    if absent:
        raise InvalidInputError(
            f"rows to predict for must have the columns of the training table, but {source} "
            f"lacks {listed(absent)}: it has {listed(list(frame.columns))}"
        )
    converted = {}
    for column in used:
        values = frame[column.name]
        numbers = _as_written(column, values, decimal).convert(values)
        _require_readable(column, values, numbers, source)
        if is_plain(used) and numbers.isna().any():
            if gaps is None or column.name not in gaps:
                raise InvalidInputError(
                    f"columns must be complete, as they were in training, but column "
                    f"{column.name!r} of {source} lacks {int(numbers.isna().sum())} of "
                    f"{len(numbers)} numbers: fill them in, or leave out these rows"
                )
            numbers = numbers.fillna(gaps[column.name])
        converted[column.name] = numbers
    return gather(converted, used)


def _as_written(column: Column, values: pd.Series[Any], decimal: str) -> Column:
    """Return the column with the formats of numbers and dates that a further table has."""
    if column.kind == "number":
        usual = column.number_format
        found = find_numbers(text_counts(values), decimal=decimal, usual=usual, share=_HALF)
        if pd.api.types.is_numeric_dtype(values) or found is None:
            return column
        return replace(column, thousands=found.thousands, decimal=found.decimal, unit=found.unit)
    if column.kind == "date" and column.convert(values).notna().mean() < values.notna().mean():
        formats = find_kind(values, decimal=decimal).dates
        read = replace(column, date_formats=formats).convert(values) if formats else None
        if read is not None and read.notna().sum() > column.convert(values).notna().sum():
            return replace(column, date_formats=formats)
    return column


def _require_readable(
    column: Column, values: pd.Series[Any], converted: pd.Series[Any], source: str
) -> None:
    """Raise if most values of a column cannot be read as in the training table."""
    if column.kind not in ("number", "date"):
        return
    texts = as_texts(values).dropna()
    present = texts[[not is_placeholder(text) for text in texts]]
    odd = present[converted[present.index].isna()]
    if len(odd) > _HALF * len(present):
        form = f" written as {column.date_formats[0]}" if column.date_formats else ""
        raise InvalidInputError(
            f"column {column.name!r} held {column.kind}s{form} in training, but in {source} "
            f"{len(odd)} of {len(present)} values are none, for example {odd.iloc[0]!r}: write "
            "them as in the training table"
        )


def _means(estimator: Any, columns: Sequence[Column]) -> dict[str, float]:
    """Return the means of the training rows, by column, if a scaler comes first."""
    first = estimator[0] if hasattr(estimator, "named_steps") else None
    if not isinstance(first, StandardScaler) or first.mean_ is None:
        return {}
    return {column.name: float(mean) for column, mean in zip(columns, first.mean_, strict=True)}


def text_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the names of the columns that must be read as text from every file.

    Among them are numbers whose points may separate thousands.
    """
    return tuple(
        column.name
        for column in columns
        if column.used
        and (column.kind in ("category", "text", "date") or _has_other_points(column))
    )


def _has_other_points(column: Column) -> bool:
    return column.kind == "number" and (column.thousands == "." or column.decimal == ",")


def _treat(
    column: Column,
    frame: pd.DataFrame,
    decimal: str,
    categories: Mapping[str, Array],
    *,
    is_plain: bool,
) -> Column:
    """Return the column with the treatments that its values in this table need."""
    values = frame[column.name]
    read = _as_written(column, values, decimal)
    converted = read.convert(values)
    if column.name in categories:
        unseen = int((~converted.isin(categories[column.name])).sum())
        return replace(column, done=((UNSEEN, unseen),) if unseen else ())
    done = list_treatments(column.kind, values, converted, filler="mean" if is_plain else "median")
    readings = () if read == column else list_readings(read.as_kind)
    return replace(column, done=(*done, *readings))


def _categories(estimator: Any) -> dict[str, Array]:
    """Return the categories that a model was trained on, by column name."""
    first = estimator[0] if hasattr(estimator, "named_steps") else None
    steps = first.transformers_ if isinstance(first, ColumnTransformer) else []
    encoders = [(s[0] if isinstance(s, Pipeline) else s, names) for _, s, names in steps]
    return {
        str(name): categories
        for encoder, names in encoders
        if hasattr(encoder, "categories_")
        for name, categories in zip(names, encoder.categories_, strict=True)
    }
