"""Where results are printed."""

from __future__ import annotations

import os
import sys

from rich.console import Console

__all__ = ["REDIRECTED_WIDTH", "make_console"]

REDIRECTED_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where nothing is to be cut off."""


def make_console(*, stderr: bool = False) -> Console:
    """Standard output (or error), styled on a terminal only; without colours if NO_COLOR is set.

    See https://no-color.org: an empty NO_COLOR is none.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        stderr=stderr,
        highlight=False,
        width=None if is_terminal else REDIRECTED_WIDTH,
        no_color=plain,
        color_system=None if plain else "auto",
    )
