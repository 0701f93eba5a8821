"""Kinds of columns: detection by their values, and conversion to floats, dates or texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

PLACEHOLDERS = frozenset(
    "#n/a #value! * - -- . ? <na> missing n/a na nil none null undefined unknown".split()  # noqa: SIM905
)
"""Lower-case texts that stand for a missing value among numbers and dates."""
SHARE_READ = 0.9
"""Smallest share of readable values in a column of numbers or dates."""

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
"""Date formats to try, in this order."""
THOUSANDS = {".": ",", ",": ".", "'": ".", " ": ","}
"""Thousands separators, and the decimal mark used with each."""
THOUSANDS_NAMES = {".": "points", ",": "commas", "'": "apostrophes", " ": "spaces"}
_NUMBERLIKE = r"[\d\s.,'+-]*"
_SAMPLED = 500
_TRUTHS = {True: 1.0, False: 0.0, "True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0}


def as_numbers(values: pd.Series[Any], thousands: str = "") -> pd.Series[Any]:
    """Return floats, with NaN for everything that is not a finite number.

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
    """Return 1 for true, 0 for false and NaN for everything else."""
    return values.astype(object).map(_TRUTHS).astype(np.float64)


def as_dates(values: pd.Series[Any], date_format: str | None = None) -> pd.Series[Any]:
    """Return timestamps in microseconds without a time zone, converted to UTC if they had one."""
    dates = pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    plain: pd.Series[Any] = dates.dt.tz_localize(None).astype("datetime64[us]")
    return plain


def as_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return Python strings, with NaN for missing values."""
    texts = values.astype(object)
    return texts.map(str, na_action="ignore").astype(object).where(values.notna(), np.nan)


KINDS: dict[str, Callable[..., Any]] = {
    "number": as_numbers,
    "boolean": as_booleans,
    "date": as_dates,
    "category": as_texts,
    "text": as_texts,
}
"""Kinds of columns that can be used, and the function that converts the values of each."""


def is_boolean(values: pd.Series[Any]) -> bool:
    """Return True if all values that are not missing are booleans."""
    if pd.api.types.is_bool_dtype(values):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def is_numeric(values: pd.Series[Any], share: float = SHARE_READ) -> bool:
    """Return True if at least this share of the values, without missing ones, are numbers.

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

    With `unambiguous`, "1,234" is no proof, as its comma may also be a decimal comma.

    >>> find_thousands(pd.Series(["1.234,50", "99,90", "NA"]))
    '.'
    >>> find_thousands(pd.Series(["1.234", "99.9"]))
    ''
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return ""
    texts = _with_plain_marks(_present_texts(values))
    if _sampled(texts).str.fullmatch(_NUMBERLIKE).mean() < 0.5:
        return ""  # the searches below are slow in a long column of texts
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
    group, decimals = rf"{re.escape(mark)}\d{{3}}", rf"{re.escape(THOUSANDS[mark])}\d+"
    return rf"\s*[+-]?(?:[1-9]\d{{0,2}}(?:{group})+|\d+)(?:{decimals})?\s*"


def _with_plain_marks(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts with plain spaces and apostrophes in place of typographic ones."""
    plain: pd.Series[Any] = texts.str.replace("[\u00a0\u202f]", " ", regex=True)
    return plain.str.replace("\u2019", "'")


def find_date_format(values: pd.Series[Any]) -> str | None:
    """Return the format of dates: "" for a column of timestamps, None for values of another kind.

    >>> find_date_format(pd.Series(["24.12.2024", "06.01.2025"]))
    '%d.%m.%Y'
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
    """Return the texts without missing values and placeholders."""
    texts = as_texts(values).dropna()
    return texts[~texts.str.strip().str.lower().isin(PLACEHOLDERS)]


def _sampled(texts: pd.Series[Any]) -> pd.Series[Any]:
    return texts.iloc[:: max(1, len(texts) // _SAMPLED)]
