"""Inspecting a table: the kind of each column, and which columns can be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column, gather, notes_on
from lrtune.tables.kinds import (
    THOUSANDS_NAMES,
    find_date_format,
    find_thousands,
    is_boolean,
    is_numeric,
)

Array = npt.NDArray[Any]

LARGEST = 1e30
"""Largest value that can be standardised in single precision."""
MAX_CATEGORIES = 100
"""Most different texts in a column of categories; one with more is treated as free text."""
IDENTIFIER_NAME = re.compile(
    r"(?i:(^|[\W_])(id|uuid|guid|index|idx|row|rownum|row_?number|record|nr|no)$|^unnamed: \d+$)"
    r"|[a-z](Id|ID)$"
)
"""Names of columns whose integers only identify rows."""


class _Drop(NamedTuple):
    """A reason to leave a column out; `applies` takes its name, kind and values."""

    kind: str
    applies: Callable[[str, str, pd.Series[Any]], bool]
    reason: str


def _all_different(values: pd.Series[Any]) -> bool:
    return bool(values.is_unique) and not values.isna().any()


def _is_row_number(name: str, kind: str, values: pd.Series[Any]) -> bool:
    if kind != "number" or not IDENTIFIER_NAME.search(name):
        return False
    return _all_different(values) and bool((values == values.round()).all())


def _is_row_name(name: str, kind: str, values: pd.Series[Any]) -> bool:
    del name
    return kind == "text" and _all_different(values) and not values.str.contains(r"\s").any()


_DROPS = (
    _Drop("empty", lambda _, __, values: not values.notna().any(), "they hold no value"),
    _Drop(
        "constant",
        lambda _, __, values: len(values.drop_duplicates()) == 1,
        "they hold the same value in every row",
    ),
    _Drop(
        "identifier",
        _is_row_number,
        "they are named like identifiers, and differ in every row (rename one to keep it)",
    ),
    _Drop("identifier", _is_row_name, "they hold a different word in every row"),
)
"""Reasons to leave a column out; the first one that applies counts."""

_TEXTS = "they hold free text or too many categories (`preprocessor='skrub'` encodes them)"
_FILLED = {
    "category": "missing values made a category of their own",
    "text": "missing values encoded as such",
}
_ENCODED = {
    "category": "categories encoded as columns of 0 and 1",
    "text": "texts encoded by skrub",
}


def describe_columns(
    frame: pd.DataFrame, *, source: str = "the table", encodes_texts: bool = False
) -> tuple[tuple[Column, ...], Array | pd.DataFrame]:
    """Return all columns of a table of features, and the converted values of the used ones.

    Columns of free text are used only with `encodes_texts`, if the preprocessor encodes them.

    >>> frame = pd.DataFrame({"id": [1, 2, 3, 4], "a": [1.5, None, 2, 3], "b": list("xyxy")})
    >>> columns, X = describe_columns(frame)
    >>> [(column.name, column.kind, column.used) for column in columns]
    [('id', 'identifier', False), ('a', 'number', True), ('b', 'category', True)]
    """
    columns, converted = [], {}
    for name, values in frame.items():
        column, series = _describe(str(name), values, encodes_texts, alone=frame.shape[1] == 1)
        columns.append(column)
        if column.used:
            if column.kind == "number":
                refuse_huge_values(series, f"column {column.name!r} of {source}")
            converted[column.name] = series
    if not converted:
        raise InvalidInputError(
            f"a table must have a column to train on, but {source} has none left; "
            f"{'; '.join(notes_on(columns)) or 'it has the target alone'}"
        )
    return tuple(columns), gather(converted, columns)


def _describe(
    name: str, values: pd.Series[Any], encodes_texts: bool, *, alone: bool
) -> tuple[Column, pd.Series[Any]]:
    kind, date_format, thousands = _find_kind(values)
    converted = Column(name, kind, date_format=date_format, thousands=thousands).convert(values)
    if kind == "category" and _is_text(converted):
        kind = "text"
    missing = int(converted.isna().sum())
    for drop in _DROPS:
        if drop.applies("" if alone else name, kind, converted):
            return _dropped(name, drop.kind, missing, drop.reason), converted
    if kind == "text" and not encodes_texts:
        return _dropped(name, kind, missing, _TEXTS), converted
    treatments = (
        *list_treatments(kind, values, converted),
        *_list_encodings(kind, date_format, thousands),
    )
    return Column(name, kind, True, missing, treatments, date_format, thousands), converted


def _dropped(name: str, kind: str, missing: int, reason: str) -> Column:
    return Column(name, kind, False, missing, ((f"columns dropped, as {reason}", 0),))


def _find_kind(values: pd.Series[Any]) -> tuple[str, str | None, str]:
    """Return the kind, date format and thousands separator of a column."""
    if is_boolean(values):
        return "boolean", None, ""
    thousands = find_thousands(values)
    if thousands or is_numeric(values):
        return "number", None, thousands
    date_format = find_date_format(values)
    return ("category" if date_format is None else "date"), date_format, ""


def _is_text(texts: pd.Series[Any]) -> bool:
    return texts.nunique() > min(MAX_CATEGORIES, max(2, len(texts) // 2))


def list_treatments(
    kind: str, values: pd.Series[Any], converted: pd.Series[Any]
) -> Iterator[tuple[str, int]]:
    """Yield each treatment of single values of a column, and the number of these values."""
    missing = int(converted.isna().sum())
    unreadable = missing - int(values.isna().sum())
    infinite = 0
    if unreadable and kind == "number":
        infinite = int(np.isinf(pd.to_numeric(values, errors="coerce").astype(np.float64)).sum())
    if infinite:
        yield "infinities treated as missing values", infinite
    if unreadable > infinite:
        yield f"texts that are not a {kind} treated as missing values", unreadable - infinite
    if missing:
        yield _FILLED.get(kind, "missing values filled in with the median"), missing


def _list_encodings(
    kind: str, date_format: str | None, thousands: str
) -> Iterator[tuple[str, int]]:
    """Yield each treatment of a whole column, with the count 0 that stands for all values."""
    if thousands:
        yield f"{THOUSANDS_NAMES[thousands]} treated as thousands separators", 0
    if kind in _ENCODED:
        yield _ENCODED[kind], 0
    if kind == "date":
        yield f"dates{f', read as {date_format},' if date_format else ''} made numbers", 0


def refuse_huge_values(values: pd.Series[Any], where: str) -> None:
    """Raise if values are too large to be standardised in single precision."""
    largest = float(values.abs().max())
    if largest > LARGEST:
        raise InvalidInputError(
            f"values must be at most {LARGEST:g} in size, but {where} holds {largest:g}: "
            "express it in a larger unit"
        )
