"""Kinds of columns: detection by their values, and conversion to floats, dates or texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lrtune.tables.dates import COMPACT, as_dates, find_date_formats, is_ambiguous, is_compact
from lrtune.tables.number_format import (
    DURATION,
    MULTIPLES,
    PLAIN,
    SHARE_READ,
    NumberFormat,
    are_grouped,
    find_number_format,
    is_missing,
    is_placeholder,
    plain,
    read_numbers,
    why_names,
)

MAYBE_THOUSANDS = "points may separate thousands"
"""Doubt about numbers such as 950 and 1.151 in a table that has decimal points elsewhere."""
_SAMPLED = 500
_TRUTHS = {True: 1.0, False: 0.0, "true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Kind:
    """The kind of a column, how its values are written, and why it is taken for one."""

    name: str
    """A key of `KINDS`."""
    numbers: NumberFormat = PLAIN
    dates: tuple[str, ...] = ()
    """Formats of dates written as text."""
    why: str = ""
    doubt: str = ""
    """What may be wrong about it; "" if there is no doubt."""


def as_numbers(values: pd.Series[Any], number_format: NumberFormat = PLAIN) -> pd.Series[Any]:
    """Return floats, with NaN for everything that is not a finite number.

    >>> as_numbers(pd.Series(["1.234,5", "2", "1.234"]), NumberFormat(",", ".")).tolist()
    [1234.5, 2.0, 1234.0]
    """
    if pd.api.types.is_timedelta64_dtype(values):
        return pd.Series(values.dt.total_seconds(), dtype=np.float64)
    if not pd.api.types.is_numeric_dtype(values):
        values = _by_text(values, lambda texts: _numbers(texts, number_format))
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan), values.index)


def _numbers(texts: list[str], number_format: NumberFormat) -> list[float | None]:
    """Return the numbers in texts, and infinities, which are not missing but no use either."""
    read = read_numbers(texts, number_format)
    return [
        float(text) if number is None and _is_infinite(text) else number
        for text, number in zip(texts, read, strict=True)
    ]


def _is_infinite(text: str) -> bool:
    return text.lower().lstrip("+-") in ("inf", "infinity")


def as_booleans(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return 1 for true, 0 for false and NaN for everything else."""
    plain_values = values.astype(object).map(lambda v: v.lower() if isinstance(v, str) else v)
    return plain_values.map(_TRUTHS).astype(np.float64)


def as_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return Python strings without outer spaces, with NaN for missing values."""
    try:
        codes, different = pd.factorize(values)
    except TypeError:  # lists and the like have no hash
        texts = values.astype(object).map(_text, na_action="ignore").astype(object)
        return texts.where(values.notna(), np.nan)
    stripped = np.asarray([*(_text(value) for value in different), np.nan], dtype=object)
    return pd.Series(stripped[codes], values.index, name=values.name, dtype=object)


def _text(value: Any) -> str:
    return plain(value if isinstance(value, str) else str(value))


KINDS: dict[str, Callable[..., Any]] = {
    "number": as_numbers,
    "boolean": as_booleans,
    "date": as_dates,
    "category": as_texts,
    "text": as_texts,
}
"""Kinds of columns that can be used, and the function that converts the values of each."""


def convert(values: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    """Return the values of a column as floats, dates or texts."""
    options = {"number": (kind.numbers,), "date": (kind.dates,)}
    if kind.name == "date" and kind.dates == (COMPACT,):
        values = _compact_texts(values)
    converted: pd.Series[Any] = KINDS[kind.name](values, *options.get(kind.name, ()))
    return converted


def _compact_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    numbers = pd.to_numeric(values, errors="coerce")
    texts = numbers.fillna(0).astype(np.int64).astype(str).astype(object)
    return texts.where(numbers.notna(), np.nan)


def without_gaps(values: pd.Series[Any], gaps: tuple[str, ...]) -> pd.Series[Any]:
    """Return values without those that stand for gaps, by their texts or as numbers.

    >>> without_gaps(pd.Series([1.5, -9999.0]), ("-9999",)).tolist()
    [1.5, nan]
    """
    if not gaps:
        return values
    codes, texts = pd.factorize(as_texts(values))
    absent = np.asarray([*(is_missing(str(text), gaps) for text in texts), False], dtype=bool)
    return values.mask(absent[codes])


def find_kind(
    values: pd.Series[Any], *, decimal: str = "", usual: NumberFormat | None = None
) -> Kind:
    """Return the kind of a column; `decimal` is the decimal mark that its file shows elsewhere.

    `usual` is the format of its numbers in an earlier table.

    >>> find_kind(pd.Series(["1", "2", "NA"] * 5)).name, find_kind(pd.Series(["a", "b"])).name
    ('number', 'category')
    >>> find_kind(pd.Series(["00501", "90210"] * 5)).why
    'numbers with leading zeros are names'
    """
    if is_boolean(values):
        return Kind("boolean", why="true and false")
    if isinstance(values.dtype, pd.CategoricalDtype):
        return Kind("category", why="declared as categories")
    if pd.api.types.is_timedelta64_dtype(values):
        return Kind("number", why="durations, in seconds")
    if pd.api.types.is_datetime64_any_dtype(values):
        return Kind("date", why="timestamps")
    if pd.api.types.is_numeric_dtype(values):
        return _numeric_kind(values)
    counts = text_counts(values)
    present = [text for text in counts if not is_placeholder(text)]
    names = why_names(present, len(values))
    number_format = find_numbers(counts, decimal=decimal, usual=usual)
    if number_format is not None and names:
        return Kind("category", why=f"numbers with {names} are names", doubt=f"{names}: numbers?")
    is_duration = number_format is not None and number_format.unit == DURATION
    if number_format is not None and not is_duration:
        doubt = _doubt_numbers(number_format, present)
        return Kind("number", number_format, why="numbers", doubt=doubt)
    present_counts = {text: counts[text] for text in present}
    dates = find_date_formats(present_counts)
    if dates:
        either = is_ambiguous(pd.Series(present, dtype=object), dates)
        doubt = "day and month may be the other way round" if either else ""
        return Kind("date", dates=dates, why=f"dates, as {', '.join(dates)}", doubt=doubt)
    if number_format is not None:
        return Kind("number", number_format, why="durations")
    return Kind("category", why="texts")


def _doubt_numbers(numbers: NumberFormat, texts: list[str]) -> str:
    if numbers.decimal == "." and are_grouped(texts):
        return MAYBE_THOUSANDS
    if not numbers.bare or numbers.unit in MULTIPLES:
        return ""
    return f"{numbers.bare} are without {numbers.unit!r}: are they in another unit?"


def _numeric_kind(values: pd.Series[Any]) -> Kind:
    if is_compact(values):
        return Kind("date", dates=(COMPACT,), why="dates as whole numbers", doubt="or numbers?")
    return Kind("number", why="numbers")


def is_boolean(values: pd.Series[Any]) -> bool:
    """Return True if all values that are not missing are booleans."""
    if pd.api.types.is_bool_dtype(values):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "boolean"


def find_numbers(
    counts: dict[str, int],
    *,
    decimal: str = "",
    usual: NumberFormat | None = None,
    share: float = SHARE_READ,
) -> NumberFormat | None:
    """Return the format of numbers written as text; None if too few of the texts are numbers."""
    step = max(1, len(counts) // _SAMPLED)
    if step > 1:  # columns of long texts have many different ones
        sample = {text: counts[text] for text in list(counts)[::step]}
        if find_number_format(sample, decimal, share=share / 2, usual=usual) is None:
            return None
    return find_number_format(counts, decimal, share=share, usual=usual)


def text_counts(values: pd.Series[Any]) -> dict[str, int]:
    """Return how often each text occurs in a column, without missing values."""
    counts = as_texts(values).value_counts(sort=False)
    return {str(text): int(count) for text, count in counts.items()}


def _by_text(values: pd.Series[Any], function: Callable[[list[str]], list[Any]]) -> pd.Series[Any]:
    """Return the values of a function that is given the different texts of a column once."""
    codes, texts = pd.factorize(as_texts(values))
    results = np.asarray([*function([str(text) for text in texts]), None], dtype=object)
    return pd.Series(results[codes], values.index).astype(np.float64)
