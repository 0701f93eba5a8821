"""An Optuna journal file that takes a block of trials in one write, and survives crashes.

A line is written whole or not at all: what a killed process left half-written is cut off before
the next line, and what a full disk cut short is taken back at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from lrtune.exceptions import RecordWarning
from lrtune.support.signals import defer_signals

__all__ = ["BlockJournal", "LINE_START", "LOCK_SECONDS"]

LINE_START = b'{"op_code":'
"""How every line of an Optuna journal begins."""
LOCK_SECONDS = 3
"""How long a lock is waited for that no living lrtune process can hold. A writer other than lrtune
holds it for milliseconds."""


class _Lock(JournalFileSymlinkLock):
    """Optuna's lock; Optuna renames it first, and then leaves it behind if it is killed."""

    def release(self) -> None:
        try:
            Path(self._lock_file).unlink()
        except FileNotFoundError:
            raise RuntimeError("the lock was not held") from None


class BlockJournal(JournalFileBackend):
    """A journal file that can take a whole block of trials in one write."""

    def __init__(self, file_path: str) -> None:
        self._path = Path(file_path).absolute()  # wherever the program goes
        self._lock = _Lock(str(self._path), grace_period=LOCK_SECONDS)
        super().__init__(str(self._path), lock_obj=self._lock)
        # held open, so that its number is not given to another file once it is deleted
        descriptor = os.open(self._path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._held: list[dict[str, Any]] | None = None
        self._is_alone = False

    def _found(self) -> tuple[int, int] | None:
        """Which file lies there now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _require_same_file(self) -> None:
        if self._found() != self._identity:
            what = "deleted" if self._found() is None else "replaced by another file"
            raise OSError(f"{self._path} was {what}")

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
        if self._torn():
            with self._locked():  # another process may just be writing that line
                self._cut()

    def _cut(self) -> None:
        """Cut a half-written last line off; the lock is held."""
        torn = self._torn()
        if not torn:
            return
        if not (torn.startswith(LINE_START) or LINE_START.startswith(torn)):
            raise ValueError("its last line is not a journal's")
        os.truncate(self._path, self._path.stat().st_size - len(torn))
        warnings.warn(
            f"{self._path.name} ended in a half-written line of {len(torn)} bytes, left by a run "
            "that was killed while it wrote; the line was cut off, all trials before it are kept",
            RecordWarning,
            stacklevel=4,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold Optuna's lock, and the kernel's, which a killed process cannot leave behind.

        So whoever holds the kernel's lock knows that Optuna's, if it is taken, is not held by
        another lrtune process that is alive.
        """
        if self._is_alone:
            yield
            return
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with defer_signals():
                begun, verbosity = time.monotonic(), optuna.logging.get_verbosity()
                optuna.logging.set_verbosity(optuna.logging.ERROR)  # it is said below
                try:
                    self._lock.acquire()
                finally:
                    optuna.logging.set_verbosity(verbosity)
                try:
                    if time.monotonic() - begun > LOCK_SECONDS:
                        warnings.warn(
                            f"the lock on {self._path.name} was taken away: a run that was killed "
                            "had left it behind",
                            RecordWarning,
                            stacklevel=4,
                        )
                    yield
                finally:
                    self._lock.release()

    def _torn(self) -> bytes:
        """What stands behind the last line end."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if file.read(1) in (b"", b"\n"):
                return b""
        return self._path.read_bytes().rpartition(b"\n")[2]

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Read the lines from some number on.

        Raises
        ------
        OSError
            If the file was deleted or replaced since it was opened.
        """
        self._require_same_file()
        return super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write, or hold until the block ends.

        Raises
        ------
        OSError
            If the file was deleted or replaced since it was opened, or cannot be written to;
            nothing is written then.
        """
        if self._held is None:
            self._append(logs)
        else:
            self._held += logs

    def _append(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        self._require_same_file()
        with self._locked():
            self._cut()
            size = self._path.stat().st_size
            try:
                with self._path.open("ab") as file:
                    file.write(lines)
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:  # a full disk, or an interruption
                if self._path.stat().st_size < size + len(lines):
                    os.truncate(self._path, size)
                raise  # whole lines stay, others may have read them

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other writers out, so that what is read inside still holds when it is added to.

        Raises
        ------
        OSError
            If the file was deleted or replaced since it was opened.
        """
        self._require_same_file()
        with self._locked():
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    @contextmanager
    def block(self) -> Iterator[None]:
        """Hold what is written inside, then write it at once; nothing is written on an error."""
        self._held = []
        try:
            yield
            held, self._held = self._held, None
            if held:
                self._append(held)
        finally:
            self._held = None
