"""Number formatting for people, and scalars of other libraries as numbers."""

from __future__ import annotations

from numbers import Number, Real
from typing import Any


def number(value: float, digits: int = 3) -> str:
    """Format a number with this many significant digits, without an exponent below a million.

    >>> number(3364.2), number(0.00123456), number(12345678.0), number(140.0, 2)
    ('3360', '0.00123', '1.23e+07', '140')
    """
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < 1e6 else text


def estimate(loss: float | None, se: float | None) -> str:
    """Format a mean loss and its standard error; a loss of None means divergence.

    >>> estimate(0.11432, 0.0161), estimate(0.5, None), estimate(None, None)
    ('0.1143 ± 0.016', '0.5', 'diverged')
    """
    if loss is None:
        return "diverged"
    return number(loss, 4) + ("" if se is None else f" ± {number(se, 2)}")


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that is precise enough.

    >>> [duration(seconds) for seconds in (0.4, 75, 600, 9000)]
    ['1 s', '75 s', '10 min', '2.5 h']
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def as_float(value: Any) -> float | None:
    """Return a Python number, or a scalar of NumPy, torch or JAX, as a float; None for all else.

    >>> as_float(1), as_float("1"), as_float(True), as_float([1.0])
    (1.0, None, None, None)
    """
    is_scalar = isinstance(value, Number) or getattr(value, "shape", None) == ()
    if is_scalar and hasattr(value, "item"):
        value = value.item()
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
