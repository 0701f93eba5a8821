"""A command is quoted as the system's shell wants it."""

import shlex

import pytest

from lrtune.support import commands

WORDS = ["lrtune", "show", "my study", "--storage", r"C:\my studies\x.journal"]


def test_a_posix_shell_reads_the_words_back() -> None:
    assert shlex.split(commands.as_typed(WORDS)) == WORDS


def test_windows_has_double_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "IS_WINDOWS", True)

    assert commands.as_typed(WORDS) == r'lrtune show "my study" --storage "C:\my studies\x.journal"'
