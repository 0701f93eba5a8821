"""The command and the versions that a record keeps."""

import shlex
from importlib import metadata

import pytest

from lrtune import __version__
from lrtune.cli.environment import DEPENDENCIES, command_line, environment, versions
from lrtune.tables.dataset import load_dataset


def test_versions_are_those_of_the_installed_packages() -> None:
    found = versions()

    assert found["lrtune"] == __version__
    assert {name: found[name] for name in DEPENDENCIES} == {
        name: metadata.version(name) for name in DEPENDENCIES
    }


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.cli.environment.DEPENDENCIES", ("no-such-package",))

    assert versions()["no-such-package"] == "not installed"


def test_a_command_can_be_pasted_into_a_shell_and_has_no_password() -> None:
    words = ["search", "my iris.csv", "--storage", "postgresql://me:secret@host/db", "it's"]
    command = command_line(words)

    assert "secret" not in command
    assert shlex.split(command) == [
        "lrtune", "search", "my iris.csv", "--storage", "postgresql://me:***@host/db", "it's",
    ]  # fmt: skip


def test_the_record_keeps_the_notes_and_columns_of_the_table() -> None:
    dataset = load_dataset("iris")
    recorded = environment(["search", "iris"], dataset)

    assert (recorded.command, recorded.versions) == ("lrtune search iris", versions())
    assert recorded.table.columns == dataset.columns
    assert recorded.table.notes == dataset.notes


def test_a_search_without_a_table_keeps_none() -> None:
    recorded = environment(["search", "train.py"])

    assert recorded.command == "lrtune search train.py"
    assert (recorded.table.columns, recorded.table.notes) == ((), ())
