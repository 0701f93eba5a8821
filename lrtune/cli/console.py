"""The console that results are printed on."""

from __future__ import annotations

import os
import sys

from rich.console import Console

REDIRECTED_WIDTH = 200
"""Columns of a table in a file or a pipe, wide enough that nothing is cut off."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console for standard output (or error), styled only on a terminal.

    It uses no colours if NO_COLOR is set and not empty, see https://no-color.org.
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
