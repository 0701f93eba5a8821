"""Worker processes that end when their parent does."""

from __future__ import annotations

import functools
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import ProcessPoolExecutor

from lrtune.support.running import CHECK_SECONDS, wait_for_parent
from lrtune.support.signals import ignore_sigint, sigint_blocked

Task = TypeVar("Task")
Result = TypeVar("Result")
Submit = Callable[[Callable[[Any], Any], Any], Future["Ended"]]
"""Begins a task on a worker that is idle."""


class _RemoteTraceback(Exception):  # noqa: N818 -- as in concurrent.futures
    """The text of a traceback in a worker, as the cause of its error here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


@dataclass(frozen=True)
class Ended:
    """The end of a task in a worker: its result, or an error and its traceback's text."""

    value: Any = None
    error: Exception | None = None
    traceback: str = ""

    def result(self) -> Any:
        """Return the result, or raise the error with the worker's traceback as its cause."""
        if self.error is not None:
            raise self.error from _RemoteTraceback(self.traceback)
        return self.value


def attempt(work: Callable[[Task], Any], task: Task) -> Ended:
    """Run a task; keep an error as one that survives the way back, by pickle, to the parent."""
    try:
        return Ended(work(task))
    except Exception as error:  # noqa: BLE001 -- raised in the parent
        text = "".join(traceback.format_exception(error))
        try:
            deepcopy(error)  # is made anew as by pickle
        except Exception:  # noqa: BLE001 -- whatever its own class raises
            error = RuntimeError(f"{type(error).__name__} in a worker process:\n{text}")
        return Ended(None, error.with_traceback(None), text)


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
    with Parallel(n_jobs=n_jobs) as parallel, sigint_blocked():
        parallel(delayed(_end_with)(os.getpid()) for _ in range(n_jobs))


class Workers:
    """Processes that work at one task at a time each, on tasks that are drawn when one is free.

    `environments` holds the environment variables of each process, set before it imports anything.
    Functions may come from a notebook or a script: they are pickled by value (cloudpickle). An
    error is raised with the worker's traceback as its cause; as a RuntimeError that quotes it, if
    it cannot be pickled. It is a context manager that ends the processes, busy or not.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self._environments = environments
        self._executors: list[Any] = []

    def in_turn(
        self, work: Callable[[Task], Result], tasks: Iterator[tuple[int, Task]]
    ) -> Iterator[tuple[int, Result]]:
        """Yield each task's index and result, in the order of the tasks."""
        idle = list(self._start())
        running: dict[Future[Ended], Submit] = {}
        order: deque[tuple[int, Future[Ended]]] = deque()
        try:
            while True:
                while idle and (task := next(tasks, None)) is not None:
                    submit = idle.pop()
                    future = submit(work, task[1])
                    running[future] = submit
                    order.append((task[0], future))
                if not order:
                    return
                while order and order[0][1].done():
                    index, future = order.popleft()
                    yield index, self._ended(future).result()
                # on Windows, Ctrl-C does not end a wait
                done, _ = wait(running, CHECK_SECONDS, return_when=FIRST_COMPLETED)
                idle += [running.pop(future) for future in done]
        finally:
            for future in running:
                future.cancel()

    def _ended(self, future: Future[Ended]) -> Ended:
        return future.result()

    def _start(self) -> list[Submit]:
        """Start the workers; return what begins a task on each."""
        if not self._executors:
            with sigint_blocked():
                for environment in self._environments:
                    executor = ProcessPoolExecutor(1, env=dict(environment))
                    executor.submit(_end_with, os.getpid()).result()
                    self._executors.append(executor)
        parent = os.getpid()
        return [partial(executor.submit, _attempt_here, parent) for executor in self._executors]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for executor in self._executors:
            executor.shutdown(wait=True, kill_workers=True)
        self._executors = []


def _run(parent: int, work: Callable[[Task], Result], task: Task) -> Result:
    _end_with(parent)
    return work(task)


def _attempt_here(parent: int, work: Callable[[Task], Any], task: Task) -> Ended:
    _end_with(parent)
    return attempt(work, task)


@functools.cache
def _end_with(parent: int) -> None:
    """Exit when the parent ends, but not at Ctrl-C; joblib would keep the worker for minutes."""
    if os.getppid() == parent:  # false in a thread or on another machine
        ignore_sigint()

        def watch() -> None:
            wait_for_parent(parent)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
