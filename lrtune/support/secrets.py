"""Masking of passwords in texts with URLs."""

from __future__ import annotations

import re

__all__ = ["MASK", "masked"]

MASK = "***"
_PASSWORD = re.compile(r"(:/*[^\s/:@]*):.*@")
"""Matches up to the last @, since a password may hold any character that has a meaning in a URL."""
_PARAMETER = re.compile(r"([?&][^=&\s]*(?:pass|pwd|secret|token)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def masked(text: str) -> str:
    """Replace the passwords in a text with `MASK`.

    Examples
    --------
    >>> masked("no file 'postgresql://me:secret@db/studies'")
    "no file 'postgresql://me:***@db/studies'"
    >>> masked("postgresql://db/studies?user=me&password=secret")
    'postgresql://db/studies?user=me&password=***'
    """
    return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))
