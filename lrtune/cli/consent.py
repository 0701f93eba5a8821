"""Ask back before something is changed that cannot be brought back."""

from __future__ import annotations

import sys

import click

from lrtune.exceptions import InvalidInputError

yes_option = click.option("--yes", is_flag=True, help="Do not ask back.")
force_option = click.option(
    "--force",
    is_flag=True,
    help="Take processes on other machines, which cannot be looked up, to have ended.",
)


def ask_back(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless `yes`; end the command if the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError(
            "a study is changed only if you confirm it, but there is no terminal to ask on: add "
            "`yes=True`"
        )
    if not click.confirm(question, err=True):
        click.echo("nothing was changed", err=True)
        sys.exit(1)
