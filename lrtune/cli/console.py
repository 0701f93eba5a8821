"""Where results are printed."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["REDIRECTED_WIDTH", "make_console"]

REDIRECTED_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut off."""


def make_console() -> Console:
    """Standard output, with colours on a terminal only."""
    width = None if sys.stdout.isatty() else REDIRECTED_WIDTH
    return Console(highlight=False, width=width)
