"""Stopping by a signal: the first stops in good order, a second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lrtune.support.secrets import MASK

__all__ = ["Interrupted", "SIGNALS", "heed", "interruptible", "resumable"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal to stop.

    Parameters
    ----------
    number : int
        The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


_CAME: list[Interrupted] = []
"""The first signal that came."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `Interrupted`; a second signal ends the process at once.

    Libraries may swallow it, or make an error of their own of it, above all while they are
    imported; so it is kept, to be heeded later.
    """
    _CAME.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, _: Any) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        _CAME.append(Interrupted(number))
        raise _CAME[0]

    for number in SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    except Exception:
        heed()
        raise
    finally:
        for number, handler in before.items() if not _CAME else ():
            signal.signal(number, handler)


def heed() -> None:
    """Raise the first signal that came, if one did."""
    if _CAME:
        raise _CAME[0] from None


@contextmanager
def resumable(ctx: click.Context) -> Iterator[Callable[[Any], None]]:
    """On a signal to stop, say what is kept and best so far, and print the line to resume."""
    latest: list[Any] = []
    try:
        yield latest.append
    except KeyboardInterrupt:
        if latest:
            from lrtune.cli.environment import command_line

            progress = latest[-1]
            again = command_line([*_without_name(ctx.obj), "--name", progress.study, "--resume"])
            if progress.best is not None:
                click.echo(f"best so far: {_told(progress.best)}", err=True)
            click.echo(
                f"{progress.finished} of {progress.total} trials are kept; go on with:\n  {again}",
                err=True,
            )
            if MASK in again:
                click.echo(f"where {MASK} stands for the password", err=True)
        raise


def _told(best: Any) -> str:
    setting = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in best.params.items()
    )
    return f"{setting}, validation loss {best.value:.4g} in the search, not confirmed"


def _without_name(words: list[str]) -> list[str]:
    """The command's words but ``--resume`` and ``--name``, which the line to resume sets itself."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not (skip or word == "--resume" or word == "--name" or word.startswith("--name=")):
            kept.append(word)
        skip = word == "--name"
    return kept
