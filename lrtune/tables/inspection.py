"""Finding out what the columns of a table are, and which of them can be learned from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column, gather, notes_on
from lrtune.tables.kinds import find_date_format, find_thousands, is_boolean, is_numeric

__all__ = [
    "DROPPED",
    "Drop",
    "IDENTIFIER_NAME",
    "LARGEST",
    "MAX_CATEGORIES",
    "SIGNS",
    "describe_columns",
    "list_done",
    "require_ordinary",
]

Array = npt.NDArray[Any]
Series = pd.Series

LARGEST = 1e30
"""Larger values cannot be standardised in single precision."""
MAX_CATEGORIES = 100
"""A column of more different texts is taken for text, not for categories."""
IDENTIFIER_NAME = re.compile(
    r"(?i:(^|[\W_])(id|uuid|guid|index|idx|row|rownum|row_?number|record|nr|no)$|^unnamed: \d+$)"
    r"|[a-z](Id|ID)$"
)
"""Names of columns that number or name rows."""


class Drop(NamedTuple):
    """Why a column is left out."""

    kind: str
    applies: Callable[[str, str, Series[Any]], bool]
    why: str


def _differ(values: Series[Any]) -> bool:
    return bool(values.is_unique) and not values.isna().any()


def _numbers_rows(name: str, kind: str, values: Series[Any]) -> bool:
    named_so = kind == "number" and IDENTIFIER_NAME.search(name) is not None
    return named_so and _differ(values) and bool((values == values.round()).all())


def _names_rows(name: str, kind: str, values: Series[Any]) -> bool:
    del name
    return kind == "text" and _differ(values) and not values.str.contains(r"\s").any()


DROPPED = (
    Drop("empty", lambda _, __, values: not values.notna().any(), "they hold no value"),
    Drop(
        "constant",
        lambda _, __, values: len(values.drop_duplicates()) == 1,
        "they hold the same value in every row",
    ),
    Drop(
        "identifier",
        _numbers_rows,
        "they are named like identifiers, and differ in every row (rename one to keep it)",
    ),
    Drop("identifier", _names_rows, "they hold another word in every row"),
)
"""Reasons to leave a column out, in this order."""

SIGNS = {".": "points", ",": "commas", "'": "apostrophes", " ": "spaces"}
"""Names of what may stand between thousands."""

_TEXTS = "they hold free text or too many categories (--preprocessor skrub encodes them)"
_FILLED = {
    "category": "missing values made a category of their own",
    "text": "missing values encoded as such",
}
_MADE = {
    "category": "categories encoded as columns of 0 and 1",
    "text": "texts encoded by skrub",
}


def describe_columns(
    frame: pd.DataFrame, *, source: str = "the table", encodes_texts: bool = False
) -> tuple[tuple[Column, ...], Array | pd.DataFrame]:
    """Find out what the columns are, and bring those that are used into one form.

    Parameters
    ----------
    frame : DataFrame
        Without the target; names are unique.
    source : str
        As messages name it.
    encodes_texts : bool, default=False
        Whether the preprocessor takes free text.

    Returns
    -------
    columns : tuple of Column
    X : ndarray or DataFrame
        Contiguous floats if all used columns are numbers without gaps.

    Raises
    ------
    InvalidInputError
        If a value is too large, or no column is left.

    Examples
    --------
    >>> frame = pd.DataFrame({"id": [1, 2, 3, 4], "a": [1.5, None, 2, 3], "b": list("xyxy")})
    >>> columns, X = describe_columns(frame)
    >>> [(column.name, column.kind, column.used) for column in columns]
    [('id', 'identifier', False), ('a', 'number', True), ('b', 'category', True)]
    """
    columns, converted = [], {}
    alone = frame.shape[1] == 1
    for name, values in frame.items():
        column, used = _describe(str(name), values, encodes_texts, alone=alone)
        columns.append(column)
        if column.used:
            if column.kind == "number":
                require_ordinary(used, f"column {column.name!r} of {source}")
            converted[column.name] = used
    if not converted:
        raise InvalidInputError(
            f"a table must have a column to learn from, but of {source} none is left; "
            f"{'; '.join(notes_on(columns)) or 'it has the target alone'}"
        )
    return tuple(columns), gather(converted, columns)


def _describe(
    name: str, values: Series[Any], encodes_texts: bool, *, alone: bool
) -> tuple[Column, Series[Any]]:
    kind, date_format, thousands = _find_kind(values)
    converted = Column(name, kind, date_format=date_format, thousands=thousands).convert(values)
    if kind == "category" and _is_text(converted):
        kind = "text"
    missing = int(converted.isna().sum())
    done: tuple[tuple[str, int], ...]
    for drop in DROPPED:
        if drop.applies("" if alone else name, kind, converted):
            done = ((f"columns dropped, as {drop.why}", 0),)
            return Column(name, drop.kind, False, missing, done), converted
    if kind == "text" and not encodes_texts:
        done = ((f"columns dropped, as {_TEXTS}", 0),)
        return Column(name, kind, False, missing, done), converted
    done = (*list_done(kind, values, converted), *_list_made(kind, date_format, thousands))
    return Column(name, kind, True, missing, done, date_format, thousands), converted


def _find_kind(values: Series[Any]) -> tuple[str, str | None, str]:
    """The kind, how its dates are written, and what stands between its thousands."""
    if is_boolean(values):
        return "boolean", None, ""
    thousands = find_thousands(values)
    if thousands or is_numeric(values):
        return "number", None, thousands
    date_format = find_date_format(values)
    return ("category" if date_format is None else "date"), date_format, ""


def _is_text(texts: Series[Any]) -> bool:
    different = texts.nunique()
    return different > min(MAX_CATEGORIES, max(2, len(texts) // 2))


def list_done(kind: str, values: Series[Any], converted: Series[Any]) -> Iterator[tuple[str, int]]:
    """What was done with some of a column's values, and with how many.

    Parameters
    ----------
    kind : str
        A key of `lrtune.tables.kinds.KINDS`.
    values, converted : Series
        As they were read, and in the one form of their kind.

    Examples
    --------
    >>> list(list_done("number", pd.Series(["1", "x"]), pd.Series([1.0, np.nan])))[0]
    ('texts that are no number taken for missing values', 1)
    """
    missing = int(converted.isna().sum())
    unread = missing - int(values.isna().sum())
    infinite = 0
    if unread and kind == "number":
        infinite = int(np.isinf(pd.to_numeric(values, errors="coerce").astype(np.float64)).sum())
    if infinite:
        yield "infinities taken for missing values", infinite
    if unread > infinite:
        yield f"texts that are no {kind} taken for missing values", unread - infinite
    if missing:
        yield _FILLED.get(kind, "missing values filled in with the median"), missing


def _list_made(kind: str, date_format: str | None, thousands: str) -> Iterator[tuple[str, int]]:
    """What was done with all of them."""
    if thousands:
        yield f"{SIGNS[thousands]} taken for thousands separators", 0
    if kind in _MADE:
        yield _MADE[kind], 0
    if kind == "date":
        yield f"dates{f', read as {date_format},' if date_format else ''} made numbers", 0


def require_ordinary(values: Series[Any], where: str) -> None:
    """Refuse values too large to be standardised in single precision.

    Examples
    --------
    >>> require_ordinary(pd.Series([1e20]), "column 'a'")
    """
    largest = float(values.abs().max())
    if largest > LARGEST:
        raise InvalidInputError(
            f"values must be at most {LARGEST:g} in size, but {where} holds {largest:g}: "
            "express it in a larger unit"
        )
