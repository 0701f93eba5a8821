"""Inspecting a table: the kind of each column, and which columns can be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column, gather, notes_on
from lrtune.tables.extremes import find_gap_code, has_extremes
from lrtune.tables.kinds import MAYBE_THOUSANDS, Kind, convert, find_kind, without_gaps
from lrtune.tables.number_format import DURATION, MULTIPLES, THOUSANDS_NAMES
from lrtune.tables.overrides import GIVEN, NO_OVERRIDES, Overrides

Array = npt.NDArray[Any]

LARGEST = 1e30
"""Largest value that can be standardised in single precision."""
MAX_CATEGORIES = 100
"""Most different texts in a column of categories with fewer than `ROWS_PER_CATEGORY` rows each."""
ROWS_PER_CATEGORY = 5
MIN_ONE_HOT = 30
"""So many categories always get a column of 0 and 1 each."""
ROWS_PER_ONE_HOT = 10
"""More categories do if they have so many rows each, on average."""
MAX_ONE_HOT = 512
"""Most columns of 0 and 1 in all."""
MAX_ONE_HOT_CELLS = 5_000_000
"""Most values in these columns: beyond, they slow down training more than they help it."""
MORE_CATEGORIES = "more categories"
MANY_CATEGORIES = "many categories"
EXTREME_NUMBER = "extreme number"
IDENTIFIER_NAME = re.compile(
    r"(?i:(^|[\W_])(id|uuid|guid|index|idx|row|rownum|row_?number|record|nr|no"
    r"|serial([\W_]?(number|no|nr))?)\.?$|^unnamed: \d+$)"
    r"|[a-z](Id|ID)$"
)
"""Names of columns whose integers only identify rows."""
_MIN_COUNTED = 20


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
        "they are named like identifiers, and differ in every row (keep one with `columns`)",
    ),
    _Drop("identifier", _is_row_name, "they hold a different word in every row"),
)
"""Reasons to leave a column out; the first one that applies counts."""

_TEXTS = "they hold free text or too many categories (`preprocessor='skrub'` encodes them)"
_GAP = "{}, far outside the other values, treated as a missing value"
_COUNTER = "it counts the rows, which may give the target away: leave it out with `columns` if so"
_FILLED = {
    "category": "missing values made a category of their own",
    "text": "missing values encoded as such",
}
_ENCODED = {
    "category": "categories encoded as columns of 0 and 1",
    MORE_CATEGORIES: "categories encoded as columns of 0 and 1",
    MANY_CATEGORIES: "categories, too many for a column each, encoded by the mean of the target",
    "text": "texts encoded by skrub",
    EXTREME_NUMBER: "values far outside the others compressed",
}


def describe_columns(
    frame: pd.DataFrame,
    *,
    source: str = "the table",
    encodes_texts: bool = False,
    decimal: str = "",
    overrides: Overrides = NO_OVERRIDES,
) -> tuple[tuple[Column, ...], Array | pd.DataFrame]:
    """Return all columns of a table of features, and the converted values of the used ones.

    Columns of free text are used only with `encodes_texts`, if the preprocessor encodes them.
    `decimal` is the decimal mark that the table shows.

    >>> frame = pd.DataFrame({"id": [1, 2, 3, 4], "a": [1.5, None, 2, 3], "b": list("xyxy")})
    >>> columns, X = describe_columns(frame)
    >>> [(column.name, column.kind, column.used) for column in columns]
    [('id', 'identifier', False), ('a', 'number', True), ('b', 'category', True)]
    """
    columns, converted = [], {}
    for name, values in frame.items():
        kind = overrides.kind_of(str(name), values, decimal) or find_kind(values, decimal=decimal)
        is_alone = frame.shape[1] == 1
        column, series = _describe(str(name), values, kind, encodes_texts, alone=is_alone)
        columns.append(column)
        if column.used:
            if column.encoder == "number":
                refuse_huge_values(series, f"column {column.name!r} of {source}")
            converted[column.name] = series
    if not converted:
        raise InvalidInputError(
            f"a table must have a column to train on, but {source} has none left; "
            f"{'; '.join(notes_on(columns)) or 'it has the target alone'}"
        )
    if not encodes_texts:
        columns = _encode_categories(columns, converted)
    return tuple(columns), gather(converted, columns)


def _describe(
    name: str, values: pd.Series[Any], kind: Kind, encodes_texts: bool, *, alone: bool
) -> tuple[Column, pd.Series[Any]]:
    """Return a column and its converted values; the only one is used whatever its name says."""
    is_given = kind.why == GIVEN
    if kind.name == "drop":
        return _dropped(name, "dropped", 0, "`columns` says so", kind), values
    converted = convert(values, kind)
    if kind.name == "category" and not is_given and _is_text(converted):
        kind = replace(kind, name="text")
    code = None if is_given or kind.name != "number" else find_gap_code(converted)
    gaps = () if code is None else (f"{code:g}",)
    unread = int(converted.isna().sum())
    values, converted = without_gaps(values, gaps), without_gaps(converted, gaps)
    missing = int(converted.isna().sum())
    for drop in _DROPS:
        if drop.applies("" if alone or is_given else name, kind.name, converted):
            return _dropped(name, drop.kind, missing, drop.reason, kind), converted
    if kind.name == "text" and not encodes_texts:
        return _dropped(name, kind.name, missing, _TEXTS, kind), converted
    is_extreme = kind.name == "number" and has_extremes(converted)
    counts_rows = _counts_rows(kind.name, converted)
    done = [*list_treatments(kind.name, values, converted), *list_readings(kind)]
    done += [(_GAP.format(code), missing - unread) for code in gaps]
    done += [(_ENCODED[EXTREME_NUMBER], 0)] if is_extreme else []
    done += [(_COUNTER, 0)] if counts_rows else []
    done += [(_ENCODED["category"], 0)] if encodes_texts and kind.name == "category" else []
    column = Column(
        name,
        kind.name,
        missing=missing,
        done=tuple(done),
        date_formats=kind.dates,
        thousands=kind.numbers.thousands,
        decimal=kind.numbers.decimal,
        unit=kind.numbers.unit,
        gaps=gaps,
        encoding=EXTREME_NUMBER if is_extreme else "",
        why=kind.why,
        doubt="it counts the rows" if counts_rows else kind.doubt,
    )
    return column, converted


def _dropped(name: str, label: str, missing: int, reason: str, kind: Kind) -> Column:
    done = ((f"columns dropped, as {reason}", 0),)
    return Column(name, label, False, missing, done, why=kind.why, doubt=kind.doubt)


def _counts_rows(label: str, numbers: pd.Series[Any]) -> bool:
    """Return True if numbers rise by the same whole step from row to row."""
    if label != "number" or len(numbers) < _MIN_COUNTED:
        return False
    steps = np.diff(numbers.to_numpy())
    is_whole = steps[0] % 1 == 0 and numbers.iloc[0] % 1 == 0
    return bool(steps[0] != 0 and is_whole and (steps == steps[0]).all())


def _encode_categories(
    columns: Sequence[Column], converted: Mapping[str, pd.Series[Any]]
) -> list[Column]:
    """Return the columns with the encoding of the categories: a column each, or the target's mean.

    The columns with the fewest categories get a column of 0 and 1 for each category first.
    """
    counts = {
        column.name: converted[column.name].nunique(dropna=False)
        for column in columns
        if column.used and column.kind == "category"
    }
    rows = max(map(len, converted.values()))
    left = min(MAX_ONE_HOT, MAX_ONE_HOT_CELLS // rows)
    encodings = {}
    for name in sorted(counts, key=lambda each: counts[each]):
        carried = counts[name] <= max(MIN_ONE_HOT, rows // ROWS_PER_ONE_HOT)
        if not carried or counts[name] > left:
            encodings[name] = MANY_CATEGORIES
            continue
        encodings[name] = MORE_CATEGORIES if counts[name] > MIN_ONE_HOT else ""
        left -= counts[name]
    return [
        replace(
            column,
            encoding=encodings[column.name],
            done=(*column.done, (_ENCODED[encodings[column.name] or "category"], 0)),
        )
        if column.name in encodings
        else column
        for column in columns
    ]


def _is_text(texts: pd.Series[Any]) -> bool:
    n_different, n_rows = texts.nunique(), len(texts)
    if n_different > max(2, n_rows // 2):
        return True
    return n_different > max(MAX_CATEGORIES, n_rows // ROWS_PER_CATEGORY)


def list_treatments(
    kind: str, values: pd.Series[Any], converted: pd.Series[Any], filler: str = "median"
) -> Iterator[tuple[str, int]]:
    """Yield each treatment of single values of a column, and the number of these values."""
    missing = int(converted.isna().sum())
    unreadable = 0
    if kind in ("number", "date"):
        unreadable = int((converted.isna() & values.notna()).sum())
    infinite = 0
    if unreadable and kind == "number":
        infinite = int(np.isinf(pd.to_numeric(values, errors="coerce").astype(np.float64)).sum())
    if infinite:
        yield "infinities treated as missing values", infinite
    if unreadable > infinite:
        yield f"texts that are not a {kind} treated as missing values", unreadable - infinite
    if missing:
        yield _FILLED.get(kind, f"missing values filled in with the {filler}"), missing


def list_readings(kind: Kind) -> Iterator[tuple[str, int]]:
    """Yield each way of reading a whole column, with the count 0 that stands for all values."""
    if kind.name == "number":
        yield from _list_number_readings(kind)
    if kind.name == "category" and "are names" in kind.why:
        yield f"{kind.why} (choose with `columns`)", 0
    if kind.name == "text":
        yield _ENCODED["text"], 0
    if kind.name == "date":
        formats = f", read as {' and '.join(kind.dates)}," if kind.dates else ""
        yield f"dates{formats} made numbers", 0
    if kind.name == "date" and kind.doubt:
        yield f"{kind.doubt} (choose with `columns`)", 0


def _list_number_readings(kind: Kind) -> Iterator[tuple[str, int]]:
    numbers = kind.numbers
    if numbers.thousands:
        yield f"{THOUSANDS_NAMES[numbers.thousands]} treated as thousands separators", 0
    if numbers.decimal == ",":
        yield "commas treated as decimal points", 0
    if numbers.unit == DURATION:
        yield f"durations, as {DURATION}, read in seconds", 0
    elif numbers.unit in MULTIPLES:
        yield f"letters such as {numbers.unit!r} read as multiples", 0
    elif numbers.unit:
        yield f"numbers read without {numbers.unit!r}", 0
    if kind.doubt and (numbers.bare or kind.doubt == MAYBE_THOUSANDS):
        yield f"{kind.doubt} (choose with `columns`)", 0
    if numbers.limits:
        yield "limits, such as <0.5, read as the number", numbers.limits
    if numbers.marked:
        yield "footnotes, such as 5* or 5 [1], left out of the number", numbers.marked


def refuse_huge_values(values: pd.Series[Any], where: str) -> None:
    """Raise if values are too large to be standardised in single precision."""
    largest = float(values.abs().max())
    if largest > LARGEST:
        raise InvalidInputError(
            f"values must be at most {LARGEST:g} in size, but {where} holds {largest:g}: "
            "express it in a larger unit"
        )
