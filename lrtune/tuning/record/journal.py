"""An Optuna journal file that takes a block of trials in one write, and survives crashes.

A half-written line, left by a killed process, is cut off before the next write; what a full disk
cut short is removed at once.
"""

from __future__ import annotations

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
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lrtune.exceptions import RecordWarning
from lrtune.support.files import patiently
from lrtune.support.locks import exclusive_lock
from lrtune.support.signals import defer_signals
from lrtune.support.system import IS_WINDOWS

LINE_START = b'{"op_code":'
"""Beginning of every line of an Optuna journal."""
LOCK_SECONDS = 3
"""Seconds after which Optuna's lock is assumed to have been left behind by a killed process. No
other living lrtune process can hold it then (see `_locked`), and other programs hold it for
milliseconds."""


class _Lock(JournalFileOpenLock):
    """Optuna's lock that needs no symbolic link, removed in one step.

    Optuna renames it before it removes it, and a kill in between leaves the renamed file behind.
    """

    def acquire(self) -> bool:
        return patiently(super().acquire)

    def release(self) -> None:
        try:
            patiently(Path(self._lock_file).unlink)
        except FileNotFoundError:
            raise RuntimeError("the lock is not held") from None


class BlockJournal(JournalFileBackend):
    """A journal file that can take a whole block of trials in one write."""

    def __init__(self, file_path: str) -> None:
        self._path = Path(file_path).absolute()  # the program may change its folder
        self._lock = _Lock(str(self._path), grace_period=LOCK_SECONDS)
        super().__init__(str(self._path), lock_obj=self._lock)
        if not IS_WINDOWS:  # where an open file could not be deleted, and no number comes twice
            # kept open, so that no other file can get its inode number once it is deleted
            descriptor = os.open(self._path, os.O_RDONLY)
            weakref.finalize(self, os.close, descriptor)
        status = self._path.stat()
        self._identity = (status.st_dev, status.st_ino)
        self._buffer: list[dict[str, Any]] | None = None
        self._is_exclusive = False

    def _require_same_file(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            raise OSError(f"{self._path} was deleted") from None
        if (status.st_dev, status.st_ino) != self._identity:
            raise OSError(f"{self._path} was replaced by another file")

    def require_journal(self) -> None:
        """Raise ValueError unless the file begins as a journal does; Optuna would append to it."""
        with self._path.open("rb") as file:
            beginning = file.read(len(LINE_START))
        if not LINE_START.startswith(beginning):
            raise ValueError("its first line is not a journal's")

    def mend(self) -> None:
        """Cut off a half-written last line, left by a crash, with a RecordWarning.

        If further lines followed it, Optuna could no longer read the file (its issue 5138). Raises
        ValueError if the line is not the beginning of a journal's.
        """
        if self._half_line():
            with self._locked():  # another process may be writing that line
                self._cut()

    def _cut(self) -> None:
        """Cut off a half-written last line; the caller holds the lock."""
        half = self._half_line()
        if not half:
            return
        if not (half.startswith(LINE_START) or LINE_START.startswith(half)):
            raise ValueError("its last line is not a journal's")
        os.truncate(self._path, self._path.stat().st_size - len(half))
        warnings.warn(
            f"{self._path.name} ended in a half-written line of {len(half)} bytes, left by a run "
            "that was killed while it wrote; the line was cut off, all trials before it are kept",
            RecordWarning,
            stacklevel=4,
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the kernel's lock, which a killed process cannot leave behind, and then Optuna's.

        If Optuna's lock is taken while the kernel's is held here, no other living lrtune process
        has it.
        """
        if self._is_exclusive:
            yield
            return
        with exclusive_lock(self._path):
            self._require_same_file()  # it may have been replaced while this waited
            with defer_signals():
                started, verbosity = time.monotonic(), optuna.logging.get_verbosity()
                optuna.logging.set_verbosity(optuna.logging.ERROR)  # the warning below says it
                try:
                    self._lock.acquire()
                finally:
                    optuna.logging.set_verbosity(verbosity)
                try:
                    if time.monotonic() - started > LOCK_SECONDS:
                        warnings.warn(
                            f"the lock on {self._path.name} was removed: a killed run had left it "
                            "behind",
                            RecordWarning,
                            stacklevel=4,
                        )
                    yield
                finally:
                    self._lock.release()

    def _half_line(self) -> bytes:
        """Return what follows the last line end."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if file.read(1) in (b"", b"\n"):
                return b""
        return self._path.read_bytes().rpartition(b"\n")[2]

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Read the lines from a number on; raise OSError if the file was deleted or replaced."""
        self._require_same_file()
        return super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines, or collect them inside a `block`.

        If the file was deleted, replaced or is not writable, raise OSError and write nothing.
        """
        if self._buffer is None:
            self._append(logs)
        else:
            self._buffer += logs

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
                # if all was written it stays, as other processes may have read it
                if self._path.stat().st_size < size + len(lines):
                    os.truncate(self._path, size)
                raise

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers out, so that what is read inside still holds when it is added to.

        Raises OSError if the file was deleted or replaced.
        """
        self._require_same_file()
        with self._locked():
            self._is_exclusive = True
            try:
                yield
            finally:
                self._is_exclusive = False

    @contextmanager
    def block(self) -> Iterator[None]:
        """Collect the lines written inside, and write them at once at the end; none on an error."""
        self._buffer = []
        try:
            yield
            lines, self._buffer = self._buffer, None
            if lines:
                self._append(lines)
        finally:
            self._buffer = None
