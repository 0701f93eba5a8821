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
    """List the studies in a record: data, target, task, trials by outcome, and the best setting.

    Its value is the confirmed one, of the metric that was optimised, if there is one.

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


HEADINGS = ("study", "data", "target", "task", "trials", "metric", "best", "best setting")


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
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "study")
    for summary in summaries:
        table.add_row(*(Text(cell) for cell in _cells(summary)))
    console.print(table)


def _cells(summary: Any) -> list[str]:
    from lrtune.review.studies import setting_in_words
    from lrtune.support.numbers import number

    value = summary.best_loss if summary.best_score is None else summary.best_score
    return [
        summary.study,
        summary.dataset or "–",
        summary.target or "–",
        summary.task,
        summary.trials.describe() or "none yet",
        summary.metric,
        "–" if value is None else number(value, 4),
        "–" if summary.best is None else setting_in_words(summary.best),
    ]
