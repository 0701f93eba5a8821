"""Every command explains itself."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import optuna
import pytest
from sklearn.datasets import load_iris

from lrtune import __version__
from lrtune.cli import COMMANDS, cli


def test_help_names_every_command(lrtune: Callable[..., Any]) -> None:
    run = lrtune("--help")

    assert run.code == 0
    assert "Examples:\n    lrtune search iris\n" in run.out
    for command in COMMANDS:
        assert f"  {command} " in run.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_has_an_example_and_explains_every_option(
    lrtune: Callable[..., Any], command: str
) -> None:
    run = lrtune(command, "--help")
    parsed = cli.get_command(click.Context(cli), command)

    assert run.code == 0
    assert run.out.split("Examples:\n")[1].startswith(f"    lrtune {command}")
    assert "\b" not in run.out
    for option in parsed.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts[0]} has no help"
            assert option.opts[0] in run.out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_short_help_is_that_of_the_list(command: str) -> None:
    parsed = cli.get_command(click.Context(cli), command)

    assert COMMANDS[command] == parsed.short_help


def test_version_tells_what_results_depend_on(lrtune: Callable[..., Any]) -> None:
    told = [line.split() for line in lrtune("--version").out.splitlines()]

    assert told[0] == ["lrtune", __version__]
    assert [name for name, _ in told[1:]] == ["numpy", "scikit-learn", "optuna", "python"]
    assert dict(told)["optuna"] == optuna.__version__


CHEAP = ("compare", "export", "predict", "schedule", "show", "studies")
"""Commands whose examples are run, not only parsed."""


def examples(command: str) -> list[list[str]]:
    """The lines of a command's help that call lrtune, as words."""
    parsed = cli.get_command(click.Context(cli), command)
    assert parsed is not None
    lines = (parsed.help or "").split("Examples:\n")[1].splitlines()
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("lrtune ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_examples_options_exist(folder: Path, command: str) -> None:
    for name, *words in examples(command):
        parsed = cli.get_command(click.Context(cli), name)

        assert parsed is not None
        assert parsed.make_context(name, words).params


def test_the_examples_of_quick_commands_work(lrtune: Callable[..., Any], folder: Path) -> None:
    quick = ("--trials", "4", "--epochs", "2", "--quiet")
    iris = load_iris(as_frame=True).frame
    for name in ("table", "flowers", "new"):
        iris.assign(id=range(150))[["id", *iris]].to_csv(f"{name}.csv", index=False)
    lrtune("search", "iris", *quick, "--save", "iris.skops")
    lrtune("search", "iris", *quick, "--no-confirm", "--storage", "sqlite:///studies.db")
    lrtune("search", "iris", *quick, "--no-confirm")
    lrtune("search", "new.csv", *quick, "--no-confirm", "--save", "price.skops")
    for words in (words for command in CHEAP for words in examples(command)):
        run = lrtune(*words)

        assert (run.code, words) == (0, words), run.err


def test_no_command_shows_help_and_fails(lrtune: Callable[..., Any]) -> None:
    run = lrtune()

    assert run.code == 2
    assert "Usage: lrtune" in run.err
