"""Progress of a search: a bar on a terminal, an occasional line where standard error is a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lrtune.cli.interruption import raise_if_interrupted
from lrtune.support.numbers import duration

if TYPE_CHECKING:
    from lrtune.tuning.progress import Progress

FIRST_LINE = 5.0
"""Seconds until a redirected search prints its first line. Every further pause is twice as long, up
to `LONGEST_SILENCE` seconds, so that a long search does not fill a log."""
LONGEST_SILENCE = 300.0

Show = Callable[["Progress"], None]


class Forecast:
    """Estimate of the time left, from the pace of the trials finished since this was created."""

    def __init__(self, timeout: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.start = clock()
        self.deadline = math.inf if timeout is None else self.start + timeout
        self._first: tuple[int, float] | None = None

    def seconds_left(self, progress: Progress) -> float | None:
        """Return the seconds until the last trial, or None if they cannot be estimated."""
        now = self.clock()
        if self._first is None:  # a resumed study has trials that took no time today
            self._first = (progress.finished, now)
        n_timed = progress.finished - self._first[0]
        if not n_timed or progress.confirming or progress.finished >= progress.total:
            return None
        pace = (now - self._first[1]) / n_timed
        return max(0.0, min(pace * (progress.total - progress.finished), self.deadline - now))


def describe(progress: Progress, seconds_left: float | None) -> str:
    """Return the best loss so far, the number of diverged trials and the time left in words."""
    parts = [] if progress.best is None else [f"best loss {progress.best.value:.4g}"]
    parts.append(f"{progress.trials.diverged} diverged")
    if progress.confirming:
        parts.append("confirming on fresh replicates")
    elif seconds_left is not None:
        parts.append(f"about {duration(seconds_left)} left")
    return ", ".join(parts)


@contextmanager
def show_progress(total: int, *, timeout: float | None, quiet: bool) -> Iterator[Show]:
    """Yield a function that shows the progress of a search, and raises a signal to stop."""
    with _display(total, timeout, quiet=quiet) as show:

        def show_or_stop(progress: Progress) -> None:
            show(progress)
            raise_if_interrupted()

        yield show_or_stop


@contextmanager
def _display(total: int, timeout: float | None, *, quiet: bool) -> Iterator[Show]:
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(total, Forecast(timeout)) as show:
            yield show
    else:
        yield _lines(Forecast(timeout))


def _lines(forecast: Forecast) -> Show:
    """Print a line after long pauses, and when the confirmation of a long search starts."""
    silence, last = FIRST_LINE, forecast.start
    has_printed = False

    def show(progress: Progress) -> None:
        nonlocal silence, last, has_printed
        left = forecast.seconds_left(progress)
        now = forecast.clock()
        if now - last >= silence or (has_printed and progress.confirming):
            done = f"{progress.finished} of {progress.total} trials"
            click.echo(f"{done}: {describe(progress, left)}", err=True)
            silence, last, has_printed = min(2 * silence, LONGEST_SILENCE), now, True

    return show


@contextmanager
def _bar(total: int, forecast: Forecast) -> Iterator[Show]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar

    from lrtune.cli.console import make_console

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(
        TextColumn("trials"),
        *columns,
        TextColumn("{task.description}", markup=False),
        console=make_console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=total)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                completed=progress.finished,
                total=progress.total,
                description=describe(progress, forecast.seconds_left(progress)),
            )

        yield show
