"""Dates and times of day written as text: finding their formats, and reading them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from lrtune.tables.number_format import SHARE_READ

ISO = "ISO8601"
_DAYS = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y",
    "%d. %B %Y", "%d%b%Y", "%a, %d %b %Y", "%A, %B %d, %Y",
)  # fmt: skip
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I %p")
_MONTHS = ("%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%m/%Y", "%m.%Y", "%Y/%m")
DATE_FORMATS = (
    ISO,
    *(day + gap + time for day in _DAYS for gap in (" ", ", ") for time in _TIMES),
    *_DAYS,
    *_MONTHS,
    *_TIMES,
)
"""Formats of dates and times of day, in the order in which they are preferred."""
COMPACT = "%Y%m%d"
"""Format of dates written as one whole number, such as 20240229."""

_NEVER = 9999
"""Year of dates such as 9999-12-31, which stand for none."""
_MOST = 2_000
_SHORTLIST = 100
_MANY = 50
_GLANCED = 20
_LOOKS = re.compile(r".*?(\d\D+\d|[^\W\d_]{3}[ -]\d{2}|\d\s*[AaPp][Mm])", re.DOTALL)
"""Pattern that every date matches, from its start; tried on a few texts before the formats."""
_DIRECTIVES = {
    **dict.fromkeys("dmHI", r"\d{1,2}"), **dict.fromkeys("yMS", r"\d{2}"), "Y": r"\d{4}",
    "f": r"\d+", "p": r"[AaPp][Mm]", **dict.fromkeys("bBaA", r"[^\W\d_]+"),
}  # fmt: skip
"""Patterns of the parts of a format, which are faster to look for than dates."""


def as_dates(values: pd.Series[Any], formats: Sequence[str] = ()) -> pd.Series[Any]:
    """Return timestamps in microseconds without a time zone, converted to UTC if they had one.

    Each value is read by the first format that fits it; values that are no texts need none. Dates
    such as 9999-12-31, which stand for none, are missing.
    """
    dates = _parse(values, formats[0] if formats else None)
    for date_format in formats[1:]:
        dates = dates.where(dates.notna(), _parse(values, date_format))
    return dates.mask(dates.dt.year == _NEVER)


def _parse(values: pd.Series[Any], date_format: str | None) -> pd.Series[Any]:
    dates = pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    parsed: pd.Series[Any] = dates.dt.tz_localize(None).astype("datetime64[us]")
    return parsed


def find_date_formats(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the formats that read a column of dates, the one that reads most first; () if none do.

    Day and month are told apart by the values: the one that exceeds 12 is the day, or else the one
    that takes fewer different values, if they are many; or else the day comes first.

    >>> find_date_formats({"24.12.2024": 1, "06.01.2025": 2})
    ('%d.%m.%Y',)
    >>> find_date_formats({"03/14/15": 1, "05/02/23": 1})
    ('%m/%d/%y',)
    """
    texts = list(counts)
    if not any(map(_LOOKS.match, texts[:_GLANCED])):
        return ()
    first = texts[:: max(1, len(texts) // _SHORTLIST)][:_SHORTLIST]
    shapes = {each: [_pattern(each).fullmatch(text) for text in first] for each in DATE_FORMATS}
    candidates = [each for each, matches in shapes.items() if any(matches)]
    if not candidates:
        return ()
    step = -(-len(texts) // _MOST)
    sample = pd.Series(texts[::step], dtype=object)
    weights = np.asarray([counts[text] for text in sample], dtype=np.float64)
    read = {each: _parse(sample, each).notna().to_numpy() for each in candidates}
    chosen: list[str] = []
    left = np.ones(len(sample), dtype=bool)
    while read and (weights * left).sum() > 0:
        gains = {each: float((weights * (mask & left)).sum()) for each, mask in read.items()}
        best = max(gains, key=lambda each: gains[each])
        if gains[best] == 0:
            break
        best = _month_by_its_values(best, gains, sample[read[best] & left])
        chosen.append(best)
        left = left & ~read[best]
        del read[best], gains[best]
        read.pop(_swapped(best), None)
    return tuple(chosen) if (weights * ~left).sum() >= SHARE_READ * weights.sum() else ()


@cache
def _pattern(date_format: str) -> re.Pattern[str]:
    """Return a pattern that every date in a format matches, and few other texts."""
    if date_format == ISO:
        return re.compile(r"\d{4}-\d{2}.*")
    parts = re.split(r"%(\w)", date_format)
    return re.compile(
        "".join(_DIRECTIVES[p] if i % 2 else re.escape(p) for i, p in enumerate(parts))
    )


def is_ambiguous(values: pd.Series[Any], formats: Sequence[str]) -> bool:
    """Return True if day and month could be exchanged in every text."""
    if not formats or _swapped(formats[0]) == formats[0]:
        return False
    texts = values.dropna()
    return bool(len(texts)) and bool(_parse(texts, _swapped(formats[0])).notna().all())


def _swapped(date_format: str) -> str:
    """Return a format with day and month exchanged, if they are numbers next to each other."""
    exchanged = re.sub(r"%([dm])([./-])%([dm])", r"%\3\2%\1", date_format)
    return exchanged if exchanged in DATE_FORMATS else date_format


def _month_by_its_values(best: str, gains: Mapping[str, float], texts: pd.Series[Any]) -> str:
    """Return the format whose day and month the values bear out, if either can be first."""
    other = _swapped(best)
    if other == best or gains.get(other, 0.0) < gains[best] or len(texts) < _MANY:
        return best
    dates = _parse(texts, best).dt
    return other if dates.day.nunique() > dates.month.nunique() else best


def is_compact(numbers: pd.Series[Any]) -> bool:
    """Return True if whole numbers are all dates such as 20240229, of 1900 to 2100.

    >>> is_compact(pd.Series([20240229, 20231231])), is_compact(pd.Series([20230229, 5]))
    (True, False)
    """
    present = numbers.dropna()
    if present.empty or not pd.api.types.is_numeric_dtype(present):
        return False
    if not present.between(19_000_101, 21_001_231).all() or (present % 1 != 0).any():
        return False
    return bool(_parse(present.astype(np.int64).astype(str), COMPACT).notna().all())
