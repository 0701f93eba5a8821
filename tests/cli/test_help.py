"""Every command explains itself."""

from collections.abc import Callable
from typing import Any

import click
import pytest

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


def test_version(lrtune: Callable[..., Any]) -> None:
    assert lrtune("--version").out == f"lrtune {__version__}\n"


def test_no_command_shows_help_and_fails(lrtune: Callable[..., Any]) -> None:
    run = lrtune()

    assert run.code == 2
    assert "Usage: lrtune" in run.err
