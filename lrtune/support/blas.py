"""BLAS (NumPy's matrix products) on a single thread."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from lrtune.support.signals import defer_signals


@functools.cache
def _controller() -> ThreadpoolController:
    with defer_signals():  # it scans libraries in a C callback, which would swallow an exception
        return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: enough for small products, and sums keep their order."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
