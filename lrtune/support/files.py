"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from lrtune.exceptions import InvalidInputError

__all__ = ["require_new", "write_file", "write_new_file"]


def require_new(path: Path) -> None:
    """Refuse the path of a file that is there already, or whose folder is not.

    Raises
    ------
    InvalidInputError
    """
    if path.exists():
        raise InvalidInputError(f"must be a new file, but {str(path)!r} exists: name another")
    if not path.parent.is_dir():
        raise InvalidInputError(
            f"must be a file in an existing folder, but {str(path.parent)!r} is none"
        )


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole, in place of one that is there, or leave all as it was.

    Parameters
    ----------
    path : Path
        A link is followed.
    content : bytes

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path = path.resolve()
    temporary = path.with_name(f".lrtune-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_new_file(path: Path, content: bytes) -> None:
    """Write a new file whole, or leave nothing behind.

    Parameters
    ----------
    path : Path
        In an existing folder; nothing may be there yet.
    content : bytes

    Raises
    ------
    InvalidInputError
        If there is such a file already, or it cannot be written.
    """
    require_new(path)
    try:
        write_file(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"a file to write must be in a folder with space that may be written, but "
            f"{str(path)!r} gave: {reason}"
        ) from error
