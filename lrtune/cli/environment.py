"""By which command, and which versions, a study was made: kept in the record for its readers."""

from __future__ import annotations

import platform
import shlex
from importlib import metadata
from typing import TYPE_CHECKING

from lrtune._version import __version__
from lrtune.cli.flags import with_flags
from lrtune.support.secrets import masked

if TYPE_CHECKING:
    from lrtune.tables.dataset import Dataset
    from lrtune.tuning.record.schema import Environment

__all__ = ["DEPENDENCIES", "command_line", "environment", "versions"]

DEPENDENCIES = ("numpy", "scikit-learn", "optuna")
"""Those that a result depends on."""


def versions() -> dict[str, str]:
    """Of lrtune, of what a result depends on, and of Python; nothing is imported for it."""
    found = {"lrtune": __version__}
    for name in DEPENDENCIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "python": platform.python_version()}


def command_line(words: list[str]) -> str:
    """The command as it was typed, but for passwords in a storage's URL.

    Examples
    --------
    >>> command_line(["search", "my iris.csv", "--storage=postgresql://me:secret@db/x"])
    "lrtune search 'my iris.csv' '--storage=postgresql://me:***@db/x'"
    """
    shown = [masked(word) if "://" in word else word for word in words]
    return shlex.join(["lrtune", *shown])


def environment(words: list[str], dataset: Dataset) -> Environment:
    """Return the command, the versions and the table, for the record."""
    from lrtune.tuning.record.schema import Environment, TableFacts

    notes = tuple(with_flags(note) for note in dataset.notes)
    return Environment(command_line(words), versions(), TableFacts(notes, dataset.columns))
