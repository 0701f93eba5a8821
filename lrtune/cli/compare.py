"""``lrtune compare``: two studies side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import json_option, storage_option

if TYPE_CHECKING:
    from lrtune.review.comparison import Comparison
    from lrtune.review.study import Study


@click.command("compare", short_help="Compare two studies.")
@click.argument("first", shell_complete=complete_studies)
@click.argument("second", shell_complete=complete_studies)
@storage_option
@json_option
def command(first: str, second: str, storage: str, as_json: bool) -> None:
    """Show the studies FIRST and SECOND side by side, and which one is better.

    They are compared by what was measured on fresh replicates, if they have the same data, target,
    metric and kind of validation; one is better if the difference exceeds twice its error.

    \b
    Examples:
      lrtune compare iris iris-2
      lrtune compare iris iris-2 --json
    """
    from lrtune.review.comparison import compare
    from lrtune.review.study import Study
    from lrtune.tuning.result import read_result

    otherwise = "look at it with optuna-dashboard"
    studies = [
        Study(read_result(name, storage, purpose="compare", otherwise=otherwise))
        for name in (first, second)
    ]
    comparison = compare(*studies)
    if as_json:
        click.echo(json.dumps(_to_dict(comparison, studies)))
    else:
        _print(comparison, studies)


def _to_dict(comparison: Comparison, studies: list[Study]) -> dict[str, Any]:
    gain = comparison.gain
    return {
        "comparable": not comparison.differences,
        "differences": [vars(difference) for difference in comparison.differences],
        "gain": gain and gain.loss,
        "gain_se": gain and gain.se,
        "better": comparison.better,
        "verdict": comparison.verdict,
        "studies": [study.result.to_dict() if study.setting else None for study in studies],
    }


def _print(comparison: Comparison, studies: list[Study]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from lrtune.cli.console import make_console
    from lrtune.review.comparison import side_rows

    sides = [dict(side_rows(study)) for study in studies]
    table = Table(box=SIMPLE_HEAD)
    for heading in ("", *(study.name for study in studies)):
        table.add_column(heading, overflow="fold")
    for name in dict.fromkeys(name for side in sides for name in side):
        table.add_row(Text(name), *(Text(side.get(name, "–")) for side in sides))
    console = make_console()
    console.print(table)
    console.print(Text(comparison.verdict), soft_wrap=True)
