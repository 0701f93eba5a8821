"""``lrtune inspect``: what a search would make of a table."""

from __future__ import annotations

import json
from typing import Any

import click

from lrtune.cli.config import config_option
from lrtune.cli.flags import with_flags
from lrtune.cli.options import json_option, table_options


@click.command("inspect", short_help="Show what a search would make of a table.")
@table_options
@config_option
@json_option
def command(data: str, as_json: bool, **options: Any) -> None:
    """Show what a search would make of each column of the table DATA, and why.

    DATA is read as search reads it. Columns whose kind is in doubt come first; --column names
    another kind.

    \b
    Examples:
      lrtune inspect table.csv
      lrtune inspect table.csv --target price --column zip=category --json
    """
    from lrtune.tables.dataset import load_table
    from lrtune.tables.overview import overview, summary_line

    dataset, frame = load_table(data, **options)
    rows = overview(dataset, frame)
    if as_json:
        table = {
            "rows": len(dataset.y),
            "target": dataset.target,
            "task": dataset.task,
            "columns": [row.to_dict() for row in rows],
            "notes": [with_flags(note) for note in dataset.notes],
        }
        click.echo(json.dumps(table))
        return
    _print(rows)
    click.echo(f"{len(dataset.y)} rows; {with_flags(summary_line(dataset.columns))}")
    for note in dataset.notes:
        click.echo(with_flags(note))


def _print(rows: list[Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from lrtune.cli.console import make_console

    table = Table(box=SIMPLE_HEAD)
    for heading in ("column", "kind", "gaps", "different", "examples", "becomes", "why"):
        justify: Any = "right" if heading in ("gaps", "different") else "left"
        table.add_column(heading, overflow="fold", justify=justify)
    for row in rows:
        why = f"{row.why} ({row.doubt})" if row.doubt and row.doubt not in row.why else row.why
        cells = [row.name, row.kind, str(row.gaps), str(row.different)]
        cells += [", ".join(row.examples), row.becomes, with_flags(why)]
        table.add_row(*map(Text, cells))
    make_console().print(table)
