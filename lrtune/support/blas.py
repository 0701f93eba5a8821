"""Threads of BLAS, the library behind NumPy's matrix products."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

from lrtune.support.signals import defer_signals

__all__ = ["one_blas_thread"]


@functools.cache
def _controller() -> ThreadpoolController:
    with defer_signals():  # libraries are found in a C callback, which would swallow them
        return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread: small products need no more, and sums keep their order."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
