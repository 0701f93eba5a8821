"""BLAS (NumPy's matrix products) on a single thread."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

from lrtune.support.signals import defer_signals


@functools.cache
def _pools() -> list[Any]:
    """Return threadpoolctl's controllers of the BLAS libraries that are loaded."""
    with defer_signals():  # it scans libraries in a C callback, which would swallow an exception
        libraries = ThreadpoolController().lib_controllers
    return [library for library in libraries if library.user_api == "blas"]


def _set(pool: Any, n_threads: int) -> None:
    _release(pool)
    pool.set_num_threads(n_threads)


def _release(pool: Any) -> None:
    """Let every thread set a pool: threadpoolctl 3.7 and later heed only the first that did."""
    if hasattr(pool, "clear_controlling_thread"):
        pool.clear_controlling_thread(force=True)


class _Limit:
    """The limit to one thread, which holds while at least one block needs it.

    The first block to begin notes the number of threads, and the last to end restores it. (Limits
    of threadpoolctl restore what each found, which is another's limit where blocks overlap.) A pool
    of OpenMP has a number for each calling thread, so that a block restores that of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[object, int] = {}  # the thread of each running block
        self._shared: dict[Any, int] = {}
        self._own: dict[object, dict[Any, int]] = {}

    def begin(self, block: object) -> None:
        with self._lock:
            self._blocks[block] = threading.get_ident()
            for pool in _pools():
                n_threads = pool.num_threads
                if n_threads == 1:
                    continue
                if getattr(pool, "threading_layer", None) == "openmp":
                    self._own.setdefault(block, {})[pool] = n_threads
                else:
                    self._shared.setdefault(pool, n_threads)
                _set(pool, 1)

    def end(self, block: object) -> None:
        with self._lock:
            _restore(self._own.pop(block, {}))
            self._blocks.pop(block, None)
            if not self._blocks:
                _restore(self._shared)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Forget the blocks of other threads, which the forked process lacks."""
        self._lock.release()
        own = threading.get_ident()
        for block in [each for each, thread in self._blocks.items() if thread != own]:
            self._own.pop(block, None)
            self.end(block)


def _restore(noted: dict[Any, int]) -> None:
    for pool, n_threads in list(noted.items()):
        if pool.num_threads == 1:  # otherwise another has set it since
            _set(pool, n_threads)
        _release(pool)
        del noted[pool]


_limit = _Limit()
if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(
        before=_limit.before_fork,
        after_in_parent=_limit.after_fork_in_parent,
        after_in_child=_limit.after_fork_in_child,
    )


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: enough for small products, and sums keep their order."""
    block = object()
    try:
        _limit.begin(block)
        yield
    finally:
        _limit.end(block)
