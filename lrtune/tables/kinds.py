"""Kinds of columns: recognised by their values, and converted to floats, dates or texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "DATE_FORMATS",
    "KINDS",
    "PLACEHOLDERS",
    "SHARE_READ",
    "THOUSANDS",
    "THOUSANDS_NAMES",
    "as_booleans",
    "as_dates",
    "as_numbers",
    "as_texts",
    "find_date_format",
    "find_thousands",
    "is_boolean",
    "is_numeric",
]

PLACEHOLDERS = frozenset(
    "#n/a #value! * - -- . ? <na> missing n/a na nil none null undefined unknown".split()  # noqa: SIM905
)
"""Texts, in lower case, that stand for a missing value among numbers and dates."""
SHARE_READ = 0.9
"""Share of the present values that must be numbers (or dates) in a column of numbers (or dates)."""

_DAYS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
)
DATE_FORMATS = (
    "ISO8601",
    *(day + time for day in _DAYS for time in ("", " %H:%M", " %H:%M:%S")),
)
"""Date formats to try; the first one that fits is taken."""
THOUSANDS = {".": ",", ",": ".", "'": ".", " ": ","}
"""Thousands separators, and the decimal mark that goes with each."""
THOUSANDS_NAMES = {".": "points", ",": "commas", "'": "apostrophes", " ": "spaces"}
_NUMBERLIKE = r"[\d\s.,'+-]*"
_SAMPLED = 500
_TRUTHS = {True: 1.0, False: 0.0, "True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0}


def as_numbers(values: pd.Series[Any], thousands: str = "") -> pd.Series[Any]:
    """Return floats, with NaN for everything that is not a finite number.

    >>> as_numbers(pd.Series(["1.5", "?", "inf"])).tolist()
    [1.5, nan, nan]
    >>> as_numbers(pd.Series(["1.234,5", "2", "1234.5"]), thousands=".").tolist()
    [1234.5, 2.0, 1234.5]
    """
    if thousands and not pd.api.types.is_numeric_dtype(values):
        texts = _with_plain_marks(as_texts(values))
        plain = texts.str.replace(thousands, "").str.replace(",", ".").str.strip()
        grouped = texts.str.fullmatch(_number_pattern(thousands)).fillna(value=False).astype(bool)
        values = texts.mask(grouped, plain)
    if pd.api.types.is_timedelta64_dtype(values):
        return pd.Series(values.dt.total_seconds(), dtype=np.float64)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan), values.index)


def as_booleans(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return 1 for true, 0 for false and NaN for everything else.

    >>> as_booleans(pd.Series([True, None, False, "true"])).tolist()
    [1.0, nan, 0.0, 1.0]
    """
    return values.astype(object).map(_TRUTHS).astype(np.float64)


def as_dates(values: pd.Series[Any], date_format: str | None = None) -> pd.Series[Any]:
    """Return timestamps without a time zone (in UTC if there was one), to the microsecond.

    >>> as_dates(pd.Series(["24.12.2024", "soon"]), "%d.%m.%Y").tolist()
    [Timestamp('2024-12-24 00:00:00'), NaT]
    """
    dates = pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    plain: pd.Series[Any] = dates.dt.tz_localize(None).astype("datetime64[us]")
    return plain


def as_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return Python strings, with NaN for missing values.

    >>> as_texts(pd.Series(["a", None, 3])).tolist()
    ['a', nan, '3']
    """
    texts = values.astype(object)
    return texts.map(str, na_action="ignore").astype(object).where(values.notna(), np.nan)


KINDS: dict[str, Callable[..., Any]] = {
    "number": as_numbers,
    "boolean": as_booleans,
    "date": as_dates,
    "category": as_texts,
    "text": as_texts,
}
"""Kinds of columns that can be learned from, and the function that converts their values."""


def is_boolean(values: pd.Series[Any]) -> bool:
    """Return whether all present values are true or false."""
    if pd.api.types.is_bool_dtype(values):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def is_numeric(values: pd.Series[Any], share: float = SHARE_READ) -> bool:
    """Return whether at least this share of the present values are numbers.

    >>> is_numeric(pd.Series(["1", "2", "NA"])), is_numeric(pd.Series(["1", "2", "3+"]))
    (True, False)
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return True
    if pd.api.types.is_datetime64_any_dtype(values):
        return False
    texts = _present_texts(values)
    readable = pd.to_numeric(texts, errors="coerce").notna()
    return len(texts) > 0 and bool(readable.mean() >= share)


def find_thousands(values: pd.Series[Any], *, unambiguous: bool = False) -> str:
    """Return the thousands separator of numbers written as texts, or "" if they have none.

    With `unambiguous`, "1,234" alone does not prove one, as its comma may also be a decimal comma.

    >>> find_thousands(pd.Series(["1.234,50", "99,90", "NA"]))
    '.'
    >>> find_thousands(pd.Series(["1.234", "99.9"]))
    ''
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return ""
    texts = _with_plain_marks(_present_texts(values))
    if _sampled(texts).str.fullmatch(_NUMBERLIKE).mean() < 0.5:
        return ""  # saves the searches below, slow in a long column of texts
    for mark, point in THOUSANDS.items():
        group, decimals = rf"{re.escape(mark)}\d{{3}}", rf"{re.escape(point)}\d+"
        ambiguous = mark == "." or (mark == "," and unambiguous)
        proof = f"{group}(?:{group}|{decimals})" if ambiguous else group
        if (
            texts.str.contains(proof).any()
            and texts.str.fullmatch(_number_pattern(mark)).mean() >= SHARE_READ
        ):
            return mark
    return ""


def _number_pattern(mark: str) -> str:
    """Return a regular expression for numbers with or without this thousands separator."""
    group, decimals = rf"{re.escape(mark)}\d{{3}}", rf"{re.escape(THOUSANDS[mark])}\d+"
    return rf"\s*[+-]?(?:[1-9]\d{{0,2}}(?:{group})+|\d+)(?:{decimals})?\s*"


def _with_plain_marks(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts with plain spaces and apostrophes in place of typographic ones."""
    plain: pd.Series[Any] = texts.str.replace("[\u00a0\u202f]", " ", regex=True)
    return plain.str.replace("\u2019", "'")


def find_date_format(values: pd.Series[Any]) -> str | None:
    """Return the format of a column of dates: "" for dates as such, None if they are not dates.

    >>> find_date_format(pd.Series(["24.12.2024", "06.01.2025"]))
    '%d.%m.%Y'
    >>> find_date_format(pd.Series(["north", "south"])) is None
    True
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return ""
    if pd.api.types.is_numeric_dtype(values):
        return None
    texts = _present_texts(values)
    if len(texts) == 0 or not re.search(r"\d.*\d", str(texts.iloc[0])):
        return None
    sample = _sampled(texts)
    for date_format in DATE_FORMATS:
        readable = pd.to_datetime(sample, format=date_format, errors="coerce", utc=True).notna()
        if readable.mean() >= SHARE_READ:
            return date_format
    return None


def _present_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts that are neither missing nor placeholders for a missing value."""
    texts = as_texts(values).dropna()
    return texts[~texts.str.strip().str.lower().isin(PLACEHOLDERS)]


def _sampled(texts: pd.Series[Any]) -> pd.Series[Any]:
    return texts.iloc[:: max(1, len(texts) // _SAMPLED)]
