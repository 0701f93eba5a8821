"""``lrtune rename``: give a study another name."""

from __future__ import annotations

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.consent import ask_back, force_option, yes_option
from lrtune.cli.options import storage_option
from lrtune.cli.types import StudyName


@click.command("rename", short_help="Give a study another name.")
@click.argument("old", shell_complete=complete_studies)
@click.argument("new", type=StudyName())
@storage_option
@yes_option
@force_option
def command(old: str, new: str, storage: str, yes: bool, force: bool) -> None:
    """Rename the study OLD to NEW, which must be free.

    It asks back first. The study keeps its trials, its result and its notes in the dashboard. A
    study that a search or a worker is at work on is not renamed.

    \b
    Examples:
      lrtune rename iris iris-20-epochs
      lrtune rename iris flowers --storage sqlite:///studies.db --yes
    """
    from lrtune.tuning.record.manage import OTHERWISE, rename, require_at_rest, require_free
    from lrtune.tuning.record.record import open_own

    record = open_own(storage, old, purpose="rename", otherwise=OTHERWISE, writable=True)
    require_at_rest(record, "renamed", force=force)
    require_free(record, new)
    ask_back(f"Rename study {old!r} in {record.storage} to {new!r}?", yes=yes)
    rename(record, new, force=force)
    click.echo(f"renamed: study {old!r} in {record.storage} is now {new!r}", err=True)
