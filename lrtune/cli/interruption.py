"""Stopping by a signal: the first stops in good order, a second ends the process at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lrtune.cli.measure import Measure
from lrtune.exceptions import WorkersLostError
from lrtune.support.secrets import MASK
from lrtune.support.signals import STOPS


class Interrupted(KeyboardInterrupt):
    """A signal to stop, with its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_RECEIVED: list[Interrupted] = []
"""The first signal that was received, if any."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` on a signal to stop inside the block; a second signal ends the process.

    A library may swallow the exception or replace it with its own, above all while it is imported,
    so the signal is remembered for `raise_if_interrupted`.
    """
    _RECEIVED.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in STOPS}

    def stop(number: int, _: Any) -> None:
        for each in STOPS:
            signal.signal(each, signal.SIG_DFL)
        _RECEIVED.append(Interrupted(number))
        raise _RECEIVED[0]

    for number in STOPS:
        signal.signal(number, stop)
    try:
        yield
    except Exception:
        raise_if_interrupted()
        raise
    finally:
        for number, handler in handlers.items() if not _RECEIVED else ():
            signal.signal(number, handler)


def raise_if_interrupted() -> None:
    """Raise the first signal that was received, if there was one."""
    if _RECEIVED:
        raise _RECEIVED[0] from None


@contextmanager
def resumable(ctx: click.Context) -> Iterator[Callable[[Any], None]]:
    """If a signal, the user's code or a cluster ends a search, print how to resume it."""
    latest: list[Any] = []
    try:
        yield latest.append
    except (KeyboardInterrupt, SystemExit, WorkersLostError):
        if latest:
            _tell_how_to_resume(latest[-1], ctx)
        raise


def _tell_how_to_resume(progress: Any, ctx: click.Context) -> None:
    """Print the best setting so far and the command that resumes the search."""
    from lrtune.cli.environment import command_line

    words = [*_without_name(ctx.obj), "--name", progress.study, "--resume"]
    resume = command_line(words)
    if progress.best is not None:
        click.echo(f"best so far: {_describe(progress.best, Measure.of(ctx.params))}", err=True)
    click.echo(
        f"{progress.finished} of {progress.total} trials are kept; go on with:\n  {resume}",
        err=True,
    )
    if MASK in resume:
        click.echo(f"where {MASK} stands for the password", err=True)


def _describe(best: Any, measure: Measure) -> str:
    setting = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in best.params.items()
    )
    name = "validation loss" if measure.name == "loss" else measure.name
    return f"{setting}, {name} {measure.show(best.value)} in the search, not confirmed"


def _without_name(words: list[str]) -> list[str]:
    """Return the words of a command without ``--resume`` and ``--name``."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not (skip or word == "--resume" or word == "--name" or word.startswith("--name=")):
            kept.append(word)
        skip = word == "--name"
    return kept
