"""Worker processes, which end when the process that started them does."""

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

__all__ = ["CHECK_SECONDS", "in_processes"]

CHECK_SECONDS = 0.5
"""Seconds between two checks of a worker whether its parent is still running."""
Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], n_jobs: int
) -> list[Result]:
    """Return the result of each task; joblib's configuration may choose another backend."""
    _start(n_jobs)
    parent = os.getpid()
    return list(Parallel(n_jobs=n_jobs)(delayed(_run)(parent, work, task) for task in tasks))


@functools.cache
def _start(n_jobs: int) -> None:
    """Start the workers with SIGINT blocked: Ctrl-C reaches all, but only the parent handles it."""
    resource_tracker.ensure_running()  # starting it unblocks SIGINT, so not below
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
    """End this process when its parent ends; joblib's own workers would stay for minutes."""
    if os.getppid() == parent:  # neither a thread nor on another machine

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(CHECK_SECONDS)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
