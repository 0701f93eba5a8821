"""Atomic writes: a file is written completely or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lrtune.exceptions import InvalidInputError

T = TypeVar("T")
WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between attempts at what another program's open file prevents."""


def require_new(path: Path) -> None:
    """Raise `InvalidInputError` if the file exists or its folder does not."""
    if path.exists():
        raise InvalidInputError(f"must be a new file, but {str(path)!r} exists: name another")
    if not path.parent.is_dir():
        raise InvalidInputError(
            f"must be a file in an existing folder, but {str(path.parent)!r} is none: make it, or "
            "name another"
        )


def patiently(action: Callable[[], T]) -> T:
    """Return the result of an action on a file; retry it while another program has the file open.

    Windows then refuses to replace or remove it; virus scanners open files for a moment.
    """
    for wait in WAITS:
        try:
            return action()
        except PermissionError:
            time.sleep(wait)
    return action()


def write_file(path: Path, content: bytes) -> None:
    """Write a file, following links; on an error, leave an existing file as it was."""
    path = path.resolve()
    temporary = path.with_name(f".lrtune-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        patiently(lambda: temporary.replace(path))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_new_file(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet; raise `InvalidInputError` if it cannot be written."""
    require_new(path)
    try:
        write_file(path, content)
    except OSError as error:
        raise InvalidInputError(
            "a file to write must be in a writable folder with enough space, but "
            f"{str(path)!r} gave: {error.strerror or error}"
        ) from error
