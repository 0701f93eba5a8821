"""BLAS uses one thread in the block, and as many as before after it."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lrtune.support.blas import one_blas_thread


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_uses_one_thread_in_the_block() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            within = blas_threads()
        after = blas_threads()

    assert set(within) == {1}
    assert after == before


def test_an_error_in_the_block_gives_the_threads_back() -> None:
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        _ = 1 / 0

    assert blas_threads() == before
