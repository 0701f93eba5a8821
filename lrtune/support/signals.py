"""The signals to stop: deferred while a block runs, or left to the parent process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
)
"""The signals that ask a program to stop; SIGBREAK is Windows' Ctrl-Break."""
CAN_BLOCK = hasattr(signal, "pthread_sigmask")


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer the signals to stop while the block runs.

    Compiled code may swallow an exception from a signal handler and go on with half-finished work.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers never run here
        yield
        return
    deferred: list[int] = []
    handlers = {}
    try:
        for number in STOPS:
            if signal.getsignal(number) is not None:  # None: set by C code, cannot be restored
                handlers[number] = signal.signal(number, lambda number, _: deferred.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signal_number in deferred:
            signal.raise_signal(signal_number)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Block SIGINT in the processes that the block starts, so that only this one handles Ctrl-C.

    Where signals cannot be blocked, as on Windows, they are to `ignore_sigint`.
    """
    if not CAN_BLOCK:
        yield
        return
    resource_tracker.ensure_running()  # its start unblocks SIGINT, so it must come first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_sigint() -> None:
    """Leave Ctrl-C to the parent in a process that `sigint_blocked` could not prepare."""
    if not CAN_BLOCK and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
