"""``lrtune show``: what a search printed at its end, from the record alone."""

from __future__ import annotations

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import json_option, storage_option


@click.command("show", short_help="Show what a study found.")
@click.argument("study", shell_complete=complete_studies)
@storage_option
@json_option
def command(study: str, storage: str, as_json: bool) -> None:
    """Show what the search of STUDY printed at its end.

    It is read from the record; nothing is trained again. A search that was interrupted, or not
    confirmed, is shown as far as it went. Of a table it also says what was made of its columns.

    \b
    Examples:
      lrtune show iris
      lrtune show iris --storage sqlite:///studies.db --json
    """
    from lrtune.cli.columns import print_table_facts
    from lrtune.cli.summary import print_result
    from lrtune.tuning.result import read_result

    result = read_result(
        study, storage, purpose="show", otherwise="look at it with optuna-dashboard"
    )
    print_result(result, as_json=as_json)
    if not as_json:
        print_table_facts(result.environment.table)
