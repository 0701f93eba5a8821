"""An Optuna journal file that takes a block of trials in one write, and is mended after a crash."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from lrtune.exceptions import RecordWarning

__all__ = ["BlockJournal", "LINE_START"]

LINE_START = b'{"op_code":'
"""How every line of an Optuna journal begins."""


class BlockJournal(JournalFileBackend):
    """A journal file that can take a whole block of trials in one write."""

    def __init__(self, file_path: str) -> None:
        self._lock = JournalFileSymlinkLock(file_path)
        super().__init__(file_path, lock_obj=self._lock)
        self._path = Path(file_path)
        self._held: list[dict[str, Any]] | None = None

    def require_journal(self) -> None:
        """Refuse a file of another kind, which Optuna would append to.

        Raises
        ------
        ValueError
            If its beginning is not that of a journal.
        """
        with self._path.open("rb") as file:
            beginning = file.read(len(LINE_START))
        if not LINE_START.startswith(beginning):
            raise ValueError("its first line is not a journal's")

    def mend(self) -> None:
        """Cut off a half-written last line, left by a crash.

        With further lines behind it, Optuna could not read the file any more (its issue 5138).

        Raises
        ------
        ValueError
            If the line is not the beginning of a journal's.

        Warns
        -----
        RecordWarning
            If a line was cut off.
        """
        if not self._torn():
            return
        self._lock.acquire()  # another process may just be writing that line
        try:
            torn = self._torn()
            if not (torn.startswith(LINE_START) or LINE_START.startswith(torn)):
                raise ValueError("its last line is not a journal's")
            os.truncate(self._path, self._path.stat().st_size - len(torn))
        finally:
            self._lock.release()
        if not torn:
            return
        warnings.warn(
            f"{self._path} ended in a half-written line of {len(torn)} bytes, left by a run that "
            "was killed while it wrote; the line was cut off, all trials before it are kept",
            RecordWarning,
            stacklevel=2,
        )

    def _torn(self) -> bytes:
        """What stands behind the last line end."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if file.read(1) in (b"", b"\n"):
                return b""
        return self._path.read_bytes().rpartition(b"\n")[2]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write, or hold until the block ends."""
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held += logs

    @contextmanager
    def block(self) -> Iterator[None]:
        """Hold what is written inside, then write it at once; nothing is written on an error."""
        self._held = []
        try:
            yield
            held, self._held = self._held, None
            if held:
                super().append_logs(held)
        finally:
            self._held = None
