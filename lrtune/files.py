"""Files written whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path

from lrtune.exceptions import InvalidInputError

__all__ = ["require_new", "write_new_file"]


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
    temporary = path.with_name(f".lrtune-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"a file to write must be in a folder with space that may be written, but "
            f"{str(path)!r} gave: {reason}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
