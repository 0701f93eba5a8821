"""Work spread over processes that end when the one that started them does."""

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

__all__ = ["LOOK_SECONDS", "in_processes"]

LOOK_SECONDS = 0.5
"""How often a process looks whether the one that started it is still there."""
Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], n_jobs: int
) -> list[Result]:
    """What the work gives for each task; in threads or elsewhere, if joblib is told so."""
    _start(n_jobs)
    parent = os.getpid()
    return list(Parallel(n_jobs=n_jobs)(delayed(_follow)(parent, work, task) for task in tasks))


@functools.cache
def _start(n_jobs: int) -> None:
    """Start the processes with SIGINT blocked: Ctrl-C reaches all, and is answered by one."""
    resource_tracker.ensure_running()  # who unblocks it, as joblib's own may that starts here
    with Parallel(n_jobs=n_jobs) as parallel:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            parallel(delayed(os.getpid)() for _ in range(n_jobs))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow(parent: int, work: Callable[[Task], Result], task: Task) -> Result:
    _end_with(parent)
    return work(task)


@functools.cache
def _end_with(parent: int) -> None:
    """From now on, end this process when its parent is gone; joblib's own stay for minutes."""
    if os.getppid() == parent:  # not in a thread, nor on another machine

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(LOOK_SECONDS)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
