"""Values far outside the others: outliers, and codes such as -9999 that stand for gaps."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

FAR = 100.0
"""Distance from the median, in interquartile ranges, beyond which a value is an extreme one."""
GAP_FAR = 10.0
"""The same for a code that stands for a gap, if it repeats."""
BOUND = 3.0
"""Distance from the median, in interquartile ranges, to which extreme values are compressed."""
_MIN_REPEATED = 3
_MIN_ROWS = 20
_GAP_CODE = re.compile(r"-?9{2,}(\.0+)?|-?9{2,}\.9+|-?8{3,}(\.0+)?|-?1e30|-?3.4028235e\+38")


def quartiles(numbers: Any) -> tuple[Any, Any, Any]:
    """Return the quartiles and the range between the outer ones, along the first axis.

    If half of the values are the same, the range is that of the middle 90 %.
    """
    low, high, lowest, highest = np.nanpercentile(numbers, [25, 75, 5, 95], axis=0)
    spread = high - low
    return low, high, np.where(spread > 0, spread, highest - lowest)


def has_extremes(numbers: pd.Series[Any]) -> bool:
    """Return True if single numbers are so far from the others that they would hide them.

    >>> has_extremes(pd.Series([*range(40), 1e9])), has_extremes(pd.Series(range(40)))
    (True, False)
    """
    present = numbers.dropna().to_numpy(dtype=np.float64)
    if len(present) < _MIN_ROWS:
        return False
    low, high, spread = quartiles(present)
    return bool(
        spread > 0 and (present.max() > high + FAR * spread or present.min() < low - FAR * spread)
    )


def find_gap_code(numbers: pd.Series[Any]) -> float | None:
    """Return a number such as -9999 that repeats far outside all others; None if there is none.

    >>> find_gap_code(pd.Series([*range(40), *[-9999.0] * 4]))
    -9999.0
    """
    present = numbers.dropna()
    if len(present) < _MIN_ROWS:
        return None
    for code in (float(present.min()), float(present.max())):
        others = present[present != code]
        repeated = len(present) - len(others)
        if repeated < _MIN_REPEATED or not _GAP_CODE.fullmatch(f"{code:.10g}") or others.empty:
            continue
        low, _, spread = quartiles(others.to_numpy(dtype=np.float64))
        nearest = others.min() if code < low else others.max()
        if spread > 0 and abs(code - nearest) > GAP_FAR * spread:
            return code
    return None
