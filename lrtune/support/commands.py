"""Commands as they can be typed, or pasted, into this system's shell."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence

from lrtune.support.system import IS_WINDOWS


def as_typed(words: Sequence[str]) -> str:
    """Return the line to type for a command, with quotes where its words need them."""
    return subprocess.list2cmdline(words) if IS_WINDOWS else shlex.join(words)
