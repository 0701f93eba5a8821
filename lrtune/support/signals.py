"""Deferral of SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer SIGINT and SIGTERM while the block runs.

    Compiled code may swallow an exception from a signal handler and go on with half-finished work.
    """
    if threading.current_thread() is not threading.main_thread():  # handlers never run here
        yield
        return
    deferred: list[int] = []
    handlers = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not None:  # None: set by C code, cannot be restored
                handlers[number] = signal.signal(number, lambda number, _: deferred.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for signal_number in deferred:
            signal.raise_signal(signal_number)
