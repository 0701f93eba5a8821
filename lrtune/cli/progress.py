"""How far a search is: a bar on a terminal, now and then a line where standard error is a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lrtune.cli.interruption import heed

if TYPE_CHECKING:
    from lrtune.tuning.search import Progress

__all__ = ["FIRST_LINE", "Forecast", "LONGEST_SILENCE", "describe", "show_progress"]

FIRST_LINE = 5.0
"""Seconds after which a redirected search says for the first time how far it is; the silences
after that are twice as long each time, so that a long search fills no log."""
LONGEST_SILENCE = 300.0

Show = Callable[["Progress"], None]


class Forecast:
    """When the trials will be finished, from the pace of those that were watched.

    Parameters
    ----------
    timeout : float or None
        Seconds after which no further block is begun.
    clock : callable, optional
        Tells the time in seconds.
    """

    def __init__(self, timeout: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.begun = clock()
        self.deadline = math.inf if timeout is None else self.begun + timeout
        self._first: tuple[int, float] | None = None

    def seconds_left(self, progress: Progress) -> float | None:
        """Seconds until the last trial; None while there is nothing to tell it from."""
        now = self.clock()
        if self._first is None:  # a resumed study has trials that took no time today
            self._first = (progress.finished, now)
        watched = progress.finished - self._first[0]
        if not watched or progress.confirming or progress.finished >= progress.total:
            return None
        pace = (now - self._first[1]) / watched
        return max(0.0, min(pace * (progress.total - progress.finished), self.deadline - now))


def describe(progress: Progress, seconds_left: float | None) -> str:
    """Best so far, diverged count, time left."""
    parts = [] if progress.best is None else [f"best loss {progress.best.value:.4g}"]
    parts.append(f"{progress.trials.diverged} diverged")
    if progress.confirming:
        parts.append("confirming on fresh replicates")
    elif seconds_left is not None:
        parts.append(f"about {_duration(seconds_left)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    """In the largest unit that tells enough.

    Examples
    --------
    >>> [_duration(seconds) for seconds in (0.4, 75, 600, 9000)]
    ['1 s', '75 s', '10 min', '2.5 h']
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def show_progress(total: int, *, timeout: float | None, quiet: bool) -> Iterator[Show]:
    """What to call with a search's progress; it heeds signals to stop.

    Parameters
    ----------
    total : int
        Trials.
    timeout : float or None
        As the search has it.
    quiet : bool
        Show nothing.
    """
    with _shown(total, timeout, quiet=quiet) as show:

        def show_and_heed(progress: Progress) -> None:
            show(progress)
            heed()

        yield show_and_heed


@contextmanager
def _shown(total: int, timeout: float | None, *, quiet: bool) -> Iterator[Show]:
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(total, Forecast(timeout)) as show:
            yield show
    else:
        yield _lines(Forecast(timeout))


def _lines(forecast: Forecast) -> Show:
    """A line when the silence was long enough, and at the start of a long search's confirmation."""
    silence, last = FIRST_LINE, forecast.begun
    spoken = False

    def show(progress: Progress) -> None:
        nonlocal silence, last, spoken
        left = forecast.seconds_left(progress)
        now = forecast.clock()
        if now - last >= silence or (spoken and progress.confirming):
            done = f"{progress.finished} of {progress.total} trials"
            click.echo(f"{done}: {describe(progress, left)}", err=True)
            silence, last, spoken = min(2 * silence, LONGEST_SILENCE), now, True

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
            told = describe(progress, forecast.seconds_left(progress))
            bar.update(task, completed=progress.finished, total=progress.total, description=told)

        yield show
