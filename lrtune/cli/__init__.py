"""The command line: parse, call, print; no logic. One file per command.

Commands are imported when they are called, so that ``lrtune --help`` loads neither scikit-learn
nor optuna.
"""

from __future__ import annotations

import atexit
import difflib
import gc
import importlib
import io
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from lrtune.cli.flags import with_flags
from lrtune.cli.interruption import interruptible
from lrtune.exceptions import (
    InvalidInputError,
    LrtuneError,
    LrtuneWarning,
)
from lrtune.support.secrets import masked

COMMANDS: dict[str, str] = {
    "compare": "Compare two studies.",
    "completion": "Print the script that completes words in a shell.",
    "dashboard": "Show a record in the Optuna dashboard.",
    "delete": "Delete a study.",
    "export": "Write a study's learning rate for another library.",
    "inspect": "Show what a search would make of a table.",
    "predict": "Predict with a saved model.",
    "range-test": "Test which learning rates are worth searching.",
    "rename": "Give a study another name.",
    "report": "Write a report on a study.",
    "schedule": "Print the learning rate of every epoch.",
    "search": "Search for the learning rate of a network on a table, or of a script.",
    "show": "Show what a study found.",
    "studies": "List the studies in a record.",
    "worker": "Help with a search, from this machine or another.",
}
"""Line of each command in ``lrtune --help``; its module in this folder has the same name."""

GC_THRESHOLDS = 50_000, 20, 100
"""Thresholds of the garbage collector; Python's default for the first is 700."""


class LazyGroup(click.Group):
    """A group of commands that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lrtune.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one that exists."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            cure = f"do you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"No such command {args[0]!r}: {cure}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_versions(ctx: click.Context, param: click.Parameter, is_set: bool) -> None:  # noqa: ARG001
    """Print versions and stop."""
    if not is_set or ctx.resilient_parsing:
        return
    from lrtune.cli.environment import versions

    for name, version in versions().items():
        click.echo(f"{name} {version}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of lrtune and of the libraries that results depend on, and exit.",
)
def cli() -> None:
    """Find a learning rate, and how it should decay, that holds up on seeds it has not seen.

    \b
    Examples:
      lrtune search iris
      lrtune search table.csv --target price --epochs 50
      lrtune search train.py --epochs 20
      lrtune schedule --alpha0 0.2 --decay cosine --decay-rate 0.05
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; refuse bad input in one line on standard error with exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    _collect_garbage_less_often()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # some terminals cannot encode R² or α
            stream.reconfigure(errors="replace")
    try:
        with interruptible(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", LrtuneWarning)
            # scikit-learn repeats it for every fold; lrtune names the task itself
            warnings.filterwarnings("ignore", "The number of unique classes is greater")
            return cli.main(args=words, prog_name="lrtune", standalone_mode=False, obj=words)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except (click.ClickException, InvalidInputError) as error:
        message = (
            _usage_message(error)
            if isinstance(error, click.ClickException)
            else with_flags(str(error))
        )
        click.echo(f"lrtune: {masked(' '.join(message.split()))}", err=True)
        sys.exit(2)
    except MemoryError as error:
        details = f" ({error})" if str(error) else ""
        click.echo(
            f"lrtune: out of memory{details}: use a smaller network, or fewer rows", err=True
        )
        sys.exit(1)
    except (LrtuneError, OSError) as error:
        click.echo(f"lrtune: {masked(with_flags(str(error)))}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo("lrtune: interrupted", err=True)
        sys.exit(128 + getattr(error.__cause__ or error, "number", signal.SIGINT))


def _usage_message(error: click.ClickException) -> str:
    """Return click's message, with a pointer to help if arguments are missing or too many."""
    message = error.format_message()
    missing = isinstance(error, click.MissingParameter) or "unexpected extra" in message
    if missing and isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message.rstrip('.')}: {error.ctx.command_path} --help shows how"
    return message


def _collect_garbage_less_often() -> None:
    """Raise the garbage collector's thresholds, and skip the collection at exit.

    The libraries create very many long-lived objects; traversing them repeatedly, and once more at
    exit, took an eighth of ``lrtune search digits`` (`studies/where_the_time_goes.py`).
    """
    gc.set_threshold(*GC_THRESHOLDS)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line on standard error, without its source location."""
    click.echo(f"lrtune: warning: {with_flags(str(message))}", err=True)
