"""``lrtune completion``: the script that completes lrtune's words in a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from lrtune.tables.bundled import BUNDLED
from lrtune.tables.metrics import LOSS, METRICS

SHELLS = ("bash", "fish", "zsh")
CREATE_STUDY = b'{"op_code":0,'
"""Start of the lines in a journal that create a study."""
DELETE_STUDY = b'{"op_code":1,'
"""Start of the lines in a journal that delete a study."""


@click.command("completion", short_help="Print the script that completes words in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script that completes lrtune's commands, options and studies in SHELL.

    Load it when the shell starts:

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
    """Let the shell complete the names of files."""
    return [CompletionItem(incomplete, type="file")]


def complete_data(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Complete the names of bundled data sets, or else of files."""
    names = [CompletionItem(name) for name in BUNDLED if name.startswith(incomplete) and incomplete]
    return names or complete_files(ctx, param, incomplete)


def complete_metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG001
    """Complete the metrics of a table."""
    return [CompletionItem(name) for name in (LOSS, *METRICS) if name.startswith(incomplete)]


def complete_studies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG001
    """Complete the names of studies in a journal file; querying a database would take too long."""
    journal = Path(ctx.params.get("storage") or "lrtune.journal")
    try:
        names = _study_names(journal)
    except (OSError, ValueError, LookupError, TypeError):  # an error would garble the prompt
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _study_names(journal: Path) -> list[str]:
    """Read the names of the studies in a journal without loading Optuna."""
    studies: dict[int, str] = {}
    n_created = 0
    with journal.open("rb") as file:
        for line in file:
            if line.startswith(CREATE_STUDY):
                studies[n_created] = json.loads(line)["study_name"]
                n_created += 1
            elif line.startswith(DELETE_STUDY):
                studies.pop(json.loads(line)["study_id"], None)
    return list(studies.values())
