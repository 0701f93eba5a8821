"""``lrtune studies``: the studies in a record."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from lrtune.cli.options import json_option, storage_option


@click.command("studies", short_help="List the studies in a record.")
@storage_option
@json_option
def command(storage: str, as_json: bool) -> None:
    """List the studies in a record: trials by outcome, and the best setting so far.

    \b
    Examples:
      lrtune studies
      lrtune studies --storage sqlite:///studies.db --json
    """
    from lrtune.review.studies import summarise_studies

    summaries = summarise_studies(storage)
    if as_json:
        click.echo(json.dumps([_to_dict(summary) for summary in summaries]))
        return
    _print_table(summaries, storage)


def _to_dict(summary: Any) -> dict[str, Any]:
    best = None if summary.best is None else summary.best.params
    return {**asdict(summary), "best": best}


def _print_table(summaries: list[Any], storage: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from lrtune.cli.console import make_console
    from lrtune.tuning.record.storage import public_name

    console = make_console()
    if not summaries:
        console.print(Text(f"no studies in {public_name(storage)}"))
        return
    table = Table(box=SIMPLE_HEAD)
    for heading in ("study", "data", "trials", "best loss", "best setting"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "study")
    for summary in summaries:
        table.add_row(*(Text(cell) for cell in _cells(summary)))
    console.print(table)


def _cells(summary: Any) -> list[str]:
    cells = [summary.study, summary.dataset, summary.trials.describe() or "none yet"]
    if summary.best is None:
        return [*cells, "–", "–"]
    best = summary.best
    setting = f"{best.learning_rate_init:.4g} {best.decay}"
    if best.decay != "constant":
        setting += f" {best.decay_rate:.4g}"
    loss = "–" if summary.best_loss is None else f"{summary.best_loss:.4g}"
    if summary.metric != "loss":
        loss += f" {summary.metric}"
    return [*cells, loss, setting]
