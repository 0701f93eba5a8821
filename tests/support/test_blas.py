"""BLAS uses one thread while a block runs, and as many as before after the last one."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lrtune.support.blas import one_blas_thread

SOON = 60.0
"""Seconds after which a thread that never answers fails its test."""


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, user_api="blas"):
        yield


class Block:
    """A block in a thread of its own, from its construction until `end`."""

    def __init__(self, error: type[Exception] | None = None) -> None:
        self._error = error
        self._begun, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._begun.wait(SOON)

    def _run(self) -> None:
        try:
            with one_blas_thread():
                self._begun.set()
                self._ending.wait(SOON)
                if self._error is not None:
                    raise self._error
        except ZeroDivisionError:
            pass

    def end(self) -> None:
        self._ending.set()
        self._thread.join(SOON)


def test_blas_uses_one_thread_in_the_block() -> None:
    before = blas_threads()
    with one_blas_thread():
        within = blas_threads()

    assert set(before) == {2}
    assert set(within) == {1}
    assert blas_threads() == before


def test_an_error_in_the_block_gives_the_threads_back() -> None:
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0

    assert blas_threads() == before


def test_the_inner_of_two_blocks_leaves_the_limit_to_the_outer() -> None:
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            pass
        assert set(blas_threads()) == {1}

    assert blas_threads() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_the_last_of_overlapping_blocks_gives_the_threads_back(
    order: tuple[int, int], error: type[Exception] | None
) -> None:
    before = blas_threads()
    blocks = [Block(error), Block(error)]
    blocks[order[0]].end()
    with_one_left = blas_threads()
    blocks[order[1]].end()

    assert set(with_one_left) == {1}
    assert blas_threads() == before


def in_fork(function: Callable[[], object]) -> object:
    """Return what a function returns in a forked process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(function()))
    process.start()
    try:
        assert receiver.poll(SOON)
        return receiver.recv()
    finally:
        process.join(SOON)


def in_a_block() -> tuple[list[int], list[int]]:
    with one_blas_thread():
        within = blas_threads()
    return within, blas_threads()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*os.fork:RuntimeWarning")
def test_a_forked_process_has_no_block_of_a_thread_that_it_lacks() -> None:
    before, block = blas_threads(), Block()
    try:
        at_once = in_fork(blas_threads)
        later = in_fork(in_a_block)
    finally:
        block.end()

    assert at_once == before
    assert later == ([1] * len(before), before)
    assert blas_threads() == before


@pytest.mark.filterwarnings("ignore:.*os.fork:RuntimeWarning")
def test_a_process_forked_in_a_block_stays_limited() -> None:
    with one_blas_thread():
        assert set(in_fork(blas_threads)) == {1}  # type: ignore[call-overload]
