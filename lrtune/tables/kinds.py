"""What a column's values are, and their one form: floats, dates or texts, with gaps."""

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
    "as_booleans",
    "as_dates",
    "as_numbers",
    "as_texts",
    "find_date_format",
    "find_thousands",
    "is_boolean",
    "is_numeric",
]

Series = pd.Series  # a shorter name for annotations; its type of values varies

PLACEHOLDERS = frozenset(
    "#n/a #value! * - -- . ? <na> missing n/a na nil none null undefined unknown".split()  # noqa: SIM905
)
"""Texts, in lower case, that stand for a missing value among numbers and dates."""
SHARE_READ = 0.9
"""Share of the values, missing ones aside, that must be numbers (or dates) in a column of them."""

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
"""Formats of dates that are tried, the first that fits is taken."""
THOUSANDS = {".": ",", ",": ".", "'": ".", " ": ","}
"""What may stand between thousands, and before decimals then."""
_NUMBERLIKE = r"[\d\s.,'+-]*"
_SAMPLED = 500
_TRUTHS = {True: 1.0, False: 0.0, "True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0}


def as_numbers(values: Series[Any], thousands: str = "") -> Series[Any]:
    """Floats; what is no finite number is missing.

    Examples
    --------
    >>> as_numbers(pd.Series(["1.5", "?", "inf"])).tolist()
    [1.5, nan, nan]
    >>> as_numbers(pd.Series(["1.234,5", "2", "1234.5"]), thousands=".").tolist()
    [1234.5, 2.0, 1234.5]
    """
    if thousands and not pd.api.types.is_numeric_dtype(values):
        texts = _spaced(as_texts(values))
        plain = texts.str.replace(thousands, "").str.replace(",", ".").str.strip()
        grouped = texts.str.fullmatch(_written_with(thousands)).fillna(value=False).astype(bool)
        values = texts.mask(grouped, plain)
    if pd.api.types.is_timedelta64_dtype(values):
        return pd.Series(values.dt.total_seconds(), dtype=np.float64)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan), values.index)


def as_booleans(values: Series[Any]) -> Series[Any]:
    """1, 0 and missing.

    Examples
    --------
    >>> as_booleans(pd.Series([True, None, False, "true"])).tolist()
    [1.0, nan, 0.0, 1.0]
    """
    return values.astype(object).map(_TRUTHS).astype(np.float64)


def as_dates(values: Series[Any], date_format: str | None = None) -> Series[Any]:
    """Points in time without a zone (UTC if there was one), to the microsecond.

    Examples
    --------
    >>> as_dates(pd.Series(["24.12.2024", "soon"]), "%d.%m.%Y").tolist()
    [Timestamp('2024-12-24 00:00:00'), NaT]
    """
    dates = pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    plain: Series[Any] = dates.dt.tz_localize(None).astype("datetime64[us]")
    return plain


def as_texts(values: Series[Any]) -> Series[Any]:
    """Python strings, and NaN for missing ones.

    Examples
    --------
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
"""Kinds of columns that can be learned from, and what gives their values the one form."""


def is_boolean(values: Series[Any]) -> bool:
    """Whether all values are true or false, missing ones aside."""
    if pd.api.types.is_bool_dtype(values):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def is_numeric(values: Series[Any], share: float = SHARE_READ) -> bool:
    """Whether values are numbers, or at least this share of those that are not missing.

    Examples
    --------
    >>> is_numeric(pd.Series(["1", "2", "NA"])), is_numeric(pd.Series(["1", "2", "3+"]))
    (True, False)
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return True
    if pd.api.types.is_datetime64_any_dtype(values):
        return False
    told = _told(values)
    read = pd.to_numeric(told, errors="coerce").notna()
    return len(told) > 0 and bool(read.mean() >= share)


def find_thousands(values: Series[Any], *, sure: bool = False) -> str:
    """What stands between thousands in a column of numbers as texts; empty if nothing does.

    Parameters
    ----------
    values : Series
    sure : bool, default=False
        Whether "1,234" is to count for nothing, as it may also be a decimal comma.

    Examples
    --------
    >>> find_thousands(pd.Series(["1.234,50", "99,90", "NA"]))
    '.'
    >>> find_thousands(pd.Series(["1.234", "99.9"]))
    ''
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return ""
    told = _spaced(_told(values))
    if told.iloc[:: max(1, len(told) // _SAMPLED)].str.fullmatch(_NUMBERLIKE).mean() < 0.5:
        return ""  # soon, as texts may be many
    for mark, point in THOUSANDS.items():
        group, decimals = rf"{re.escape(mark)}\d{{3}}", rf"{re.escape(point)}\d+"
        proof = f"{group}(?:{group}|{decimals})" if mark == "." or (mark == "," and sure) else group
        if (
            told.str.contains(proof).any()
            and told.str.fullmatch(_written_with(mark)).mean() >= SHARE_READ
        ):
            return mark
    return ""


def _written_with(mark: str) -> str:
    """A pattern of numbers with that between their thousands, if they have any."""
    group, decimals = rf"{re.escape(mark)}\d{{3}}", rf"{re.escape(THOUSANDS[mark])}\d+"
    return rf"\s*[+-]?(?:[1-9]\d{{0,2}}(?:{group})+|\d+)(?:{decimals})?\s*"


def _spaced(texts: Series[Any]) -> Series[Any]:
    """Texts with plain spaces and apostrophes for those that typesetters use."""
    spaced: Series[Any] = texts.str.replace("[\u00a0\u202f]", " ", regex=True)
    return spaced.str.replace("\u2019", "'")


def find_date_format(values: Series[Any]) -> str | None:
    """The format of a column of dates: "" if they are dates already, None if they are none.

    Examples
    --------
    >>> find_date_format(pd.Series(["24.12.2024", "06.01.2025"]))
    '%d.%m.%Y'
    >>> find_date_format(pd.Series(["north", "south"])) is None
    True
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return ""
    if pd.api.types.is_numeric_dtype(values):
        return None
    told = _told(values)
    if len(told) == 0 or not re.search(r"\d.*\d", str(told.iloc[0])):
        return None
    sample = told.iloc[:: max(1, len(told) // _SAMPLED)]
    for date_format in DATE_FORMATS:
        read = pd.to_datetime(sample, format=date_format, errors="coerce", utc=True).notna()
        if read.mean() >= SHARE_READ:
            return date_format
    return None


def _told(values: Series[Any]) -> Series[Any]:
    """Texts that are neither missing nor stand for it."""
    texts = as_texts(values).dropna()
    return texts[~texts.str.strip().str.lower().isin(PLACEHOLDERS)]
