"""Columns of numbers that a parser may read without looking at their texts.

Codes such as 007, versions such as 3.10 and thousands such as 1.500 parse as numbers, but are none,
or others. What is found here is never too little: a column that is plain by these functions is read
as the same numbers as text by text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from lrtune.tables.number_format import EXACT_DIGITS, MOST_VERSIONS, is_number

Array = npt.NDArray[Any]

_AT_ONCE = 1 << 22
_BEFORE_FIELDS = b'" \t\r\n'
_GLANCED = 1000
"""Numbers that tell in most cases that the others need not be looked at."""
_LARGEST_GROUP = 1000.0


def list_parsed(frame: pd.DataFrame) -> list[int]:
    """Return the places of the columns that pandas did not leave as the texts in the file."""
    return [place for place, (_, values) in enumerate(frame.items()) if not _are_texts(values)]


def list_doubtful(
    frame: pd.DataFrame,
    header: Sequence[Any],
    texts: Collection[str],
    stream: BinaryIO,
    separator: str,
    encoding: str,
) -> list[int]:
    """Return the places of the parsed columns whose texts may say other than the numbers parsed.

    `frame` is the table in the stream as pandas infers it, with the names in `header`. Columns
    named in `texts` are needed as they are in the file.
    """
    parsed = list_parsed(frame)
    names = [header[place] for place in parsed if place < len(header)]
    has_names = any(isinstance(name, str) and not is_number(name) for name in names)
    if not has_names or not _is_ascii_based(encoding) or _holds_codes(stream, separator):
        return parsed
    return [
        place
        for place in parsed
        if str(frame.columns[place]).strip() in texts or _may_be_other(frame.iloc[:, place])
    ]


def _is_ascii_based(encoding: str) -> bool:
    ascii_bytes = bytes(range(128))
    return ascii_bytes.decode(encoding, errors="replace") == ascii_bytes.decode("ascii")


def is_parsed(values: pd.Series[Any]) -> bool:
    """Return True if a column holds numbers, and not truth values or texts."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _are_texts(values: pd.Series[Any]) -> bool:
    if isinstance(values.dtype, pd.StringDtype):
        return True
    return values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) == "string"


def _may_be_other(values: pd.Series[Any]) -> bool:
    """Return True if they are no numbers, or may be versions, or have points before thousands."""
    if not is_parsed(values):
        return True
    if not pd.api.types.is_float_dtype(values):
        return False
    numbers = values.dropna().to_numpy()
    if not np.isfinite(numbers).all():
        return True
    return any(
        test(numbers[:_GLANCED]) and test(numbers) for test in (_may_be_versions, _may_be_groups)
    )


def _may_be_versions(numbers: Array) -> bool:
    return len(np.unique(numbers)) <= MOST_VERSIONS


def _may_be_groups(numbers: Array) -> bool:
    """Return True if no number has more than three digits before the point, or after it."""
    thousandths = numbers * _LARGEST_GROUP
    are_small = (np.abs(numbers) < _LARGEST_GROUP).all()
    return bool(are_small and np.isclose(thousandths, thousandths.round(), 0, 1e-6).all())


def _holds_codes(stream: BinaryIO, separator: str) -> bool:
    """Return True if a field may begin with 0 and a digit, or hold too many digits, or 2E0."""
    before = np.isin(np.arange(256), list(_BEFORE_FIELDS + separator[-1:].encode()))
    stream.seek(0)
    last = b"\n"
    while block := stream.read(_AT_ONCE):
        held = np.frombuffer(last + block, dtype=np.uint8)
        is_digit = (held >= ord("0")) & (held <= ord("9"))
        zeros = (held[1:-1] == ord("0")) & before[held[:-2]] & is_digit[2:]
        letters = (held[1:-1] == ord("E")) & is_digit[:-2] & is_digit[2:]
        if zeros.any() or letters.any() or _has_long_whole_number(held, is_digit):
            return True
        last = (last + block)[-2 * EXACT_DIGITS :]
    return False


def _has_long_whole_number(held: Array, is_digit: Array) -> bool:
    """Return True if more digits follow each other than numbers can tell apart, but decimals."""
    others = np.flatnonzero(~is_digit)
    starts = others[np.diff(others, append=len(held)) > EXACT_DIGITS + 1]
    return bool((held[starts] != ord(".")).any())
