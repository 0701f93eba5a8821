"""Worker processes that end when their parent does."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from typing import TypeVar

from joblib import Parallel, delayed

CHECK_SECONDS = 0.5
"""Seconds between a worker's checks that its parent is still running."""
Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], n_jobs: int
) -> list[Result]:
    """Return the result of each task, computed by joblib on its configured backend."""
    _start(n_jobs)
    parent = os.getpid()
    return list(Parallel(n_jobs=n_jobs)(delayed(_run)(parent, work, task) for task in tasks))


@functools.cache
def _start(n_jobs: int) -> None:
    """Start the workers with SIGINT blocked, so that only the parent handles Ctrl-C."""
    resource_tracker.ensure_running()  # its start unblocks SIGINT, so it must come first
    with Parallel(n_jobs=n_jobs) as parallel:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            parallel(delayed(os.getpid)() for _ in range(n_jobs))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(parent: int, work: Callable[[Task], Result], task: Task) -> Result:
    _end_with(parent)
    return work(task)


@functools.cache
def _end_with(parent: int) -> None:
    """Exit when the parent ends; joblib would keep the worker for minutes."""
    if os.getppid() == parent:  # false in a thread or on another machine

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(CHECK_SECONDS)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
