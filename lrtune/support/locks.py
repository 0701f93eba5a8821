"""Locks on files, held by the kernel: a process that is killed leaves none behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

POLL_SECONDS = 0.02
LOCKED_BYTE = 2**31 - 2
"""Beyond the end of our files, as Windows lets nobody else read or write what is locked."""


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the exclusive lock on an existing file, and wait for it if another process does."""
    with path.open("rb") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        else:
            with _locked_byte(file):
                yield


@contextmanager
def _locked_byte(file: BinaryIO) -> Iterator[None]:
    msvcrt = import_module("msvcrt")
    file.seek(LOCKED_BYTE)
    while True:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            break
        except PermissionError:  # another process has it
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
