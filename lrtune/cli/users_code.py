"""The user's own code at the command line: its output and its errors are kept apart from ours."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import click

from lrtune.exceptions import LrtuneError

RUNNERS = ("lrtune", "click", "joblib", "concurrent")
"""Packages that run the user's code, and whose frames its tracebacks leave out."""


@contextlib.contextmanager
def users_code(path: str) -> Iterator[None]:
    """Run a script's code: what it prints goes to standard error, so that ours can be read.

    An error that it raises ends the process with the script's traceback and exit code 1; so does
    the end of a process that trains, with a line that says so.
    """
    try:
        with _printing_to_stderr():
            yield
    except LrtuneError:
        raise
    except BrokenExecutor as error:
        click.echo(
            "lrtune: a process that trains was ended from outside or by the script itself, perhaps "
            "as memory ran out: use fewer --jobs, or smaller trainings",
            err=True,
        )
        raise SystemExit(1) from error
    except Exception as error:
        text = own_traceback(error)
        if str(Path(path).resolve().parent) not in text:  # an error of ours
            raise
        click.echo(text.rstrip("\n"), err=True)
        raise SystemExit(1) from error


@contextlib.contextmanager
def _printing_to_stderr() -> Iterator[None]:
    """Send standard output to standard error, also that of libraries and of new processes."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        with contextlib.redirect_stdout(sys.stderr):
            yield
        return
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)


def own_traceback(error: BaseException) -> str:
    """Return an error's traceback without the frames of lrtune and of what it runs on.

    An error in another process comes with the text of its traceback there, and is shown by it.
    """
    there = error.__cause__
    if type(there).__name__ == "_RemoteTraceback":
        text = str(there).strip('"\n') + "\n"
    else:
        text = "".join(traceback.format_exception(error))
    folders = _folders()
    kept, is_hidden = [], False
    for line in text.splitlines(keepends=True):
        if line.startswith('  File "'):
            is_hidden = line.split('"')[1].startswith(folders)
        elif not line.startswith("    "):
            is_hidden = False
        if not is_hidden:
            kept.append(line)
    return "".join(kept)


def _folders() -> tuple[str, ...]:
    """Return the folders of `RUNNERS`."""
    specs = [importlib.util.find_spec(name) for name in RUNNERS]
    places = [spec.submodule_search_locations or [] for spec in specs if spec is not None]
    return tuple(f"{folder}{os.sep}" for place in places for folder in place)
