"""``lrtune delete``: delete a study."""

from __future__ import annotations

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.consent import ask_back, force_option, yes_option
from lrtune.cli.options import storage_option


@click.command("delete", short_help="Delete a study.")
@click.argument("study", shell_complete=complete_studies)
@storage_option
@yes_option
@force_option
def command(study: str, storage: str, yes: bool, force: bool) -> None:
    """Delete STUDY and its trials from the record; it cannot be brought back.

    It asks back first. A study that a search or a worker is at work on is not deleted.

    \b
    Examples:
      lrtune delete iris
      lrtune delete iris --storage sqlite:///studies.db --yes
    """
    from lrtune.tuning.record.manage import OTHERWISE, delete, require_at_rest
    from lrtune.tuning.record.record import open_own

    record = open_own(storage, study, purpose="delete", otherwise=OTHERWISE, writable=True)
    require_at_rest(record, "deleted", force=force)
    content = f"study {study!r}, {len(record.pull())} trials, in {record.storage}"
    ask_back(f"Delete {content}? It cannot be brought back.", yes=yes)
    delete(record, force=force)
    click.echo(f"deleted: {content}", err=True)
