"""``lrtune completion``, and what the shells ask of lrtune."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_and_understood(lrtune: Callable[..., Any], shell: str) -> None:
    run = lrtune("completion", shell)

    assert run.code == 0
    assert "_LRTUNE_COMPLETE" in run.out
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=run.out, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_another_shell_is_refused(lrtune: Callable[..., Any]) -> None:
    run = lrtune("completion", "tcsh")

    assert run.code == 2
    assert "'tcsh' is not one of 'bash', 'fish', 'zsh'" in run.err


def complete(folder: Path, *words: str, loaded: bool = False) -> list[str]:
    """What bash is offered for the last word, or the modules that were loaded for it."""
    code = (
        "import sys, lrtune.cli as c\ntry: c.main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    told = os.environ | {
        "_LRTUNE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["lrtune", *words]),
        "COMP_CWORD": str(len(words)),
    }
    run = subprocess.run(
        [sys.executable, "-c", code], env=told, cwd=folder, text=True, capture_output=True
    )
    return (run.stderr if loaded else run.stdout).split()


@pytest.mark.slow
def test_commands_options_data_and_files_are_offered(folder: Path) -> None:
    assert complete(folder, "ran") == ["plain,range-test"]
    assert complete(folder, "search", "--ep") == ["plain,--epochs"]
    assert complete(folder, "search", "--optimizer", "ada") == [
        "plain,adagrad",
        "plain,adam",
        "plain,adamw",
    ]
    assert complete(folder, "search", "di") == ["plain,diabetes", "plain,digits"]
    assert complete(folder, "search", "tab") == ["file,tab"]
    assert complete(folder, "predict", "mod") == ["file,mod"]
    assert complete(folder, "search", "iris", "--save", "mod") == ["file,mod"]
    assert complete(folder, "search", "iris", "--config", "r") == ["file,r"]


@pytest.mark.slow
def test_studies_are_offered_from_the_journal_without_loading_optuna(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    for name in ("one", "two", "three", "größe"):
        lrtune("search", "iris", "--trials", "1", "--epochs", "1", "--no-confirm", "--name", name)
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "lrtune.journal"))
    optuna.delete_study(study_name="three", storage=optuna.storages.JournalStorage(backend))

    assert complete(folder, "show", "t") == ["plain,two"]
    assert complete(folder, "export", "g") == ["plain,größe"]
    assert complete(folder, "compare", "one", "t") == ["plain,two"]
    assert complete(folder, "delete", "g") == ["plain,größe"]
    assert complete(folder, "rename", "o") == ["plain,one"]
    assert complete(folder, "show", "--storage", "none.journal", "t") == []
    assert complete(folder, "show", "--storage", "sqlite:///s.db", "t") == []
    assert not {"optuna", "sklearn", "pandas"} & set(complete(folder, "show", "t", loaded=True))


def test_a_foreign_journal_offers_nothing(folder: Path) -> None:
    (folder / "lrtune.journal").write_text('{"op_code":0, torn\n')

    assert complete(folder, "show", "t") == []
