"""The command and the versions that made a study, kept in its record."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from lrtune._version import __version__
from lrtune.cli.flags import with_flags
from lrtune.support.commands import as_typed
from lrtune.support.secrets import masked

if TYPE_CHECKING:
    from lrtune.tables.dataset import Dataset
    from lrtune.tuning.record.schema import Environment

DEPENDENCIES = ("numpy", "scikit-learn", "optuna")
"""Libraries that a result depends on."""


def versions() -> dict[str, str]:
    """Return the versions of lrtune, of `DEPENDENCIES` and of Python, without importing them."""
    installed = {"lrtune": __version__}
    for name in DEPENDENCIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return {**installed, "python": platform.python_version()}


def command_line(words: list[str]) -> str:
    """Return the command as it was typed, with passwords in URLs masked.

    >>> command_line(["search", "my iris.csv", "--storage=postgresql://me:secret@db/x"])
    "lrtune search 'my iris.csv' '--storage=postgresql://me:***@db/x'"
    """
    safe_words = [masked(word) if "://" in word else word for word in words]
    return as_typed(["lrtune", *safe_words])


def environment(words: list[str], dataset: Dataset | None = None) -> Environment:
    """Return the command, the versions and the table, if there is one, for the record."""
    from lrtune.tuning.record.schema import Environment, TableFacts

    table = TableFacts()
    if dataset is not None:
        table = TableFacts(tuple(with_flags(note) for note in dataset.notes), dataset.columns)
    return Environment(command_line(words), versions(), table)
