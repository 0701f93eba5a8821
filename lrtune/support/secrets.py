"""Masking of passwords in text that contains URLs."""

from __future__ import annotations

import re

MASK = "***"
_PASSWORD = re.compile(r"(:/*[^\s/:@]*):.*@")
"""Matches up to the last @, since a password may contain any character."""
_PARAMETER = re.compile(r"([?&][^=&\s]*(?:pass|pwd|secret|token)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def masked(text: str) -> str:
    """Replace the passwords in a text with `MASK`.

    >>> masked("no file 'postgresql://me:secret@db/studies'")
    "no file 'postgresql://me:***@db/studies'"
    """
    return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))
