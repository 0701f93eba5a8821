"""Texts without the passwords of the URLs in them."""

from __future__ import annotations

import re

__all__ = ["MASK", "masked"]

MASK = "***"
_PASSWORD = re.compile(r"(:/*[^\s/:@]*):.*@")
"""Up to the last @, for a password may hold all that has a meaning in a URL."""
_PARAMETER = re.compile(r"([?&][^=&\s]*(?:pass|pwd|secret|token)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def masked(text: str) -> str:
    """A text in which `MASK` stands for passwords.

    Examples
    --------
    >>> masked("no file 'postgresql://me:secret@db/studies'")
    "no file 'postgresql://me:***@db/studies'"
    >>> masked("postgresql://db/studies?user=me&password=secret")
    'postgresql://db/studies?user=me&password=***'
    """
    return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))
