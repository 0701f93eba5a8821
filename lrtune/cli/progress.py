"""Progress of a search: a bar on a terminal, an occasional line where standard error is a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from lrtune.cli.interruption import raise_if_interrupted
from lrtune.cli.measure import Measure
from lrtune.support.numbers import duration

if TYPE_CHECKING:
    from lrtune.tuning.progress import Progress

FIRST_LINE = 5.0
"""Seconds until a redirected search prints its first line. Every further pause is twice as long, up
to `LONGEST_SILENCE` seconds, so that a long search does not fill a log."""
LONGEST_SILENCE = 300.0
SHORT = 10.0
"""Seconds of a training below which they are shown with a fraction."""

Show = Callable[["Progress"], None]


@dataclass(frozen=True)
class Count:
    """The unit and the number that a search's progress counts.

    Attributes
    ----------
    total : int
        Their number in all, as far as it is known before the search.
    unit : {"trials", "trainings"}
        Trainings where each takes long.
    measure : Measure
    """

    total: int
    unit: str = "trials"
    measure: Measure = field(default_factory=Measure)

    def done(self, progress: Progress) -> int:
        """Return how many are done."""
        return progress.finished if self.unit == "trials" else progress.trainings

    def planned(self, progress: Progress) -> int:
        """Return about how many there are to be."""
        if self.unit == "trials":
            return progress.total
        return max(progress.planned, progress.trainings)

    def describe(self, progress: Progress) -> str:
        """Return how many are done, of how many."""
        about = "" if self.unit == "trials" else "about "
        return f"{self.done(progress)} of {about}{self.planned(progress)} {self.unit}"


class Forecast:
    """Estimate of the time left, from the pace of what was done since this was created."""

    def __init__(
        self,
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
        count: Count | None = None,
    ) -> None:
        self.clock = clock
        self.count = count or Count(0)
        self.start = clock()
        self.deadline = math.inf if timeout is None else self.start + timeout
        self._first: tuple[int, float] | None = None

    def seconds_left(self, progress: Progress) -> float | None:
        """Return the seconds until the last trial or training, or None if it is not known."""
        now, done = self.clock(), self.count.done(progress)
        if self._first is None:  # a resumed study has trials that took no time today
            self._first = (done, now)
        n_timed, n_left = done - self._first[0], self.count.planned(progress) - done
        is_last = progress.confirming and self.count.unit == "trials"  # trainings count them, too
        if not n_timed or is_last or n_left <= 0:
            return None
        pace = (now - self._first[1]) / n_timed
        return max(0.0, min(pace * n_left, self.deadline - now))


def describe(progress: Progress, seconds_left: float | None, measure: Measure | None = None) -> str:
    """Return the best so far, what diverged, the seconds of a training and the time left."""
    measure, parts = measure or Measure(), []
    if progress.best is not None and progress.best.value is not None:
        parts.append(f"best {measure.name} {measure.show(progress.best.value)}")
    parts.append(f"{progress.trials.diverged} diverged")
    if progress.median_seconds is not None:
        seconds = progress.median_seconds
        each = f"{seconds:.2g} s" if seconds < SHORT else duration(seconds)
        parts.append(f"{each} each (median)")
    if progress.confirming:
        parts.append("confirming on fresh replicates")
    if seconds_left is not None:
        parts.append(f"about {duration(seconds_left)} left")
    return ", ".join(parts)


@contextmanager
def show_progress(count: Count, *, timeout: float | None, quiet: bool) -> Iterator[Show]:
    """Yield a function that shows the progress of a search, and raises a signal to stop."""
    with _display(Forecast(timeout, count=count), quiet=quiet) as show:

        def show_or_stop(progress: Progress) -> None:
            show(progress)
            raise_if_interrupted()

        yield show_or_stop


@contextmanager
def _display(forecast: Forecast, *, quiet: bool) -> Iterator[Show]:
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(forecast) as show:
            yield show
    else:
        yield _lines(forecast)


def _lines(forecast: Forecast) -> Show:
    """Print a line after long pauses, and when the confirmation of a long search starts."""
    silence, last = FIRST_LINE, forecast.start
    has_printed = is_confirming = False

    def show(progress: Progress) -> None:
        nonlocal silence, last, has_printed, is_confirming
        left = forecast.seconds_left(progress)
        now, count = forecast.clock(), forecast.count
        begins = has_printed and progress.confirming and not is_confirming
        if now - last >= silence or begins:
            done, measure = count.describe(progress), count.measure
            click.echo(f"{done}: {describe(progress, left, measure)}", err=True)
            silence, last, has_printed = min(2 * silence, LONGEST_SILENCE), now, True
        is_confirming = progress.confirming

    return show


@contextmanager
def _bar(forecast: Forecast) -> Iterator[Show]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar

    from lrtune.cli.console import make_console

    count = forecast.count
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(
        TextColumn(count.unit),
        *columns,
        TextColumn("{task.description}", markup=False),
        console=make_console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=count.total)

        def show(progress: Progress) -> None:
            bar.update(
                task,
                completed=count.done(progress),
                total=count.planned(progress),
                description=describe(progress, forecast.seconds_left(progress), count.measure),
            )

        yield show
