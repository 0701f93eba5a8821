"""The command line: parse, call, print; no logic. One file per command.

Commands are imported when they are called, so that ``lrtune --help`` loads neither scikit-learn
nor optuna.
"""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from typing import Any

import click

from lrtune._version import __version__
from lrtune.exceptions import (
    InvalidInputError,
    LrtuneError,
    LrtuneWarning,
)

__all__ = ["COMMANDS", "LazyGroup", "cli", "main"]

COMMANDS: dict[str, str] = {
    "export": "Write a study's learning rate for another library.",
    "range-test": "Test which learning rates are worth searching.",
    "schedule": "Print the learning rate of every epoch.",
    "search": "Search for the learning rate of a network on a table.",
    "studies": "List the studies in a record.",
}
"""Each command's module in this folder, and its line in ``lrtune --help``."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All commands, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lrtune.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="lrtune", message="%(prog)s %(version)s")
def cli() -> None:
    """Find a learning rate, and how it should decay, that holds up on seeds it has not seen.

    \b
    Examples:
      lrtune search iris
      lrtune search table.csv --target price --epochs 50
      lrtune schedule --alpha0 0.2 --decay cosine --decay-rate 0.05
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; bad input ends in one line on standard error and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):  # R² may not be in the terminal's alphabet
        sys.stdout.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", LrtuneWarning)
            return cli.main(args=words, prog_name="lrtune", standalone_mode=False, obj=words)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except (click.ClickException, InvalidInputError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"lrtune: {' '.join(message.split())}", err=True)
        sys.exit(2)
    except (LrtuneError, MemoryError, OSError) as error:
        click.echo(f"lrtune: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("lrtune: interrupted", err=True)
        sys.exit(130)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line on standard error, without the place in the code."""
    click.echo(f"lrtune: warning: {message}", err=True)
