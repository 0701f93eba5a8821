"""Lists and error texts in messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MOST = 8


def shortened(parts: Sequence[str]) -> str:
    """Return the first few parts, separated by commas, and the number of further ones.

    >>> shortened([str(number) for number in range(10)])
    '0, 1, 2, 3, 4, 5, 6, 7 and 2 more'
    """
    rest = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return ", ".join(parts[:_MOST]) + rest


def listed(names: Sequence[Any]) -> str:
    """Return the first few names in quotes."""
    return shortened([repr(str(name)) for name in names])


def one_line(error: Exception) -> str:
    """Return an error's text on one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
