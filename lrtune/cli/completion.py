"""``lrtune completion``: the script that completes lrtune's words in a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

__all__ = [
    "CREATED",
    "DATA",
    "DELETED",
    "SHELLS",
    "command",
    "complete_data",
    "complete_files",
    "complete_studies",
]

DATA = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Those of `lrtune.tables.dataset.BUNDLED`, named here so that completing loads no scikit-learn."""
SHELLS = ("bash", "fish", "zsh")
CREATED = b'{"op_code":0,'
"""How a journal's lines begin that make a study."""
DELETED = b'{"op_code":1,'
"""How those begin that delete one."""


@click.command("completion", short_help="Print the script that completes words in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes lrtune's commands, options and studies in SHELL.

    Have it read when the shell starts:

    \b
      eval "$(lrtune completion bash)"    in ~/.bashrc
      eval "$(lrtune completion zsh)"     in ~/.zshrc
      lrtune completion fish | source     in ~/.config/fish/config.fish

    \b
    Examples:
      lrtune completion bash
    """
    from lrtune.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101
    click.echo(kind(cli, {}, "lrtune", "_LRTUNE_COMPLETE").source())


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG001
    """Leave it to the shell, which knows its files."""
    return [CompletionItem(incomplete, type="file")]


def complete_data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """The bundled data, if one is meant, and else files."""
    names = [CompletionItem(name) for name in DATA if name.startswith(incomplete) and incomplete]
    return names or complete_files(ctx, param, incomplete)


def complete_studies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG001
    """The studies of a journal file; a database is not asked, that would take too long."""
    journal = Path(ctx.params.get("storage") or "lrtune.journal")
    try:
        names = _study_names(journal)
    except (OSError, ValueError, LookupError, TypeError):  # completing is no time to complain
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _study_names(journal: Path) -> list[str]:
    """Names of the studies that were created and not deleted, without loading Optuna."""
    studies: dict[int, str] = {}
    created = 0
    with journal.open("rb") as file:
        for line in file:
            if line.startswith(CREATED):
                studies[created] = json.loads(line)["study_name"]
                created += 1
            elif line.startswith(DELETED):
                studies.pop(json.loads(line)["study_id"], None)
    return list(studies.values())
