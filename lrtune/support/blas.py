"""Threads of BLAS, the library that multiplies NumPy's matrices."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from lrtune.support.signals import defer_signals

__all__ = ["one_blas_thread"]


@functools.cache
def _controller() -> ThreadpoolController:
    with defer_signals():  # it looks for libraries in a callback
        return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread: small products gain nothing from more, and sums keep their order."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
