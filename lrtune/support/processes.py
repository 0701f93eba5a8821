"""Worker processes that end when their parent does."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from multiprocessing import resource_tracker
from typing import Any, Self, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend.reduction import dumps

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


class Workers:
    """Processes that work at one task at a time each, on tasks that are drawn when one is free.

    `environments` holds the environment variables of each process, set before it imports anything.
    Functions may come from a notebook or a script: they are pickled by value (cloudpickle). It is a
    context manager that ends the processes, busy or not.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._environments = environments
        self._executors: list[Any] = []

    def in_turn(
        self, work: Callable[[Task], Result], tasks: Iterator[tuple[int, Task]]
    ) -> Iterator[tuple[int, Result]]:
        """Yield each task's index and result, in the order of the tasks."""
        idle = list(self._start())
        running: dict[Future[Result], Any] = {}
        order: deque[tuple[int, Future[Result]]] = deque()
        parent = os.getpid()
        while True:
            while idle and (task := next(tasks, None)) is not None:
                executor = idle.pop()
                future = executor.submit(_run, parent, work, task[1])
                running[future] = executor
                order.append((task[0], future))
            if not order:
                return
            while order and order[0][1].done():
                index, future = order.popleft()
                yield index, future.result()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            idle += [running.pop(future) for future in done]

    def _start(self) -> list[Any]:
        if not self._executors:
            resource_tracker.ensure_running()  # its start unblocks SIGINT, so it must come first
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for environment in self._environments:
                    executor = ProcessPoolExecutor(1, env=dict(environment))
                    executor.submit(os.getpid).result()
                    self._executors.append(executor)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._executors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for executor in self._executors:
            executor.shutdown(wait=True, kill_workers=True)
        self._executors = []


def _run(parent: int, work: Callable[[Task], Result], task: Task) -> Result:
    _end_with(parent)
    try:
        return work(task)
    except Exception as error:
        if _can_travel(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _can_travel(error: Exception) -> bool:
    """Return whether an error can be pickled and read again; of classes of its own, some cannot."""
    try:
        pickle.loads(dumps(error))  # noqa: S301 -- its own
    except Exception:  # noqa: BLE001 -- whatever its class does
        return False
    return True


@functools.cache
def _end_with(parent: int) -> None:
    """Exit when the parent ends; joblib would keep the worker for minutes."""
    if os.getppid() == parent:  # false in a thread or on another machine

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(CHECK_SECONDS)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
