"""``lrtune worker``: help with a search that runs elsewhere, over the same record."""

from __future__ import annotations

import warnings
from functools import partial

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import (
    jobs_option,
    json_option,
    quiet_option,
    storage_option,
    timeout_option,
)
from lrtune.cli.progress import show_progress
from lrtune.cli.types import StudyName
from lrtune.exceptions import InvalidInputError


@click.command("worker", short_help="Help with a search, from this machine or another.")
@storage_option
@click.option(
    "--name",
    type=StudyName(),
    required=True,
    shell_complete=complete_studies,
    help="The study to help with.",
)
@click.option("--data", metavar="DATA", help="Where its data lie here, if elsewhere.")
@jobs_option
@timeout_option
@json_option
@quiet_option
def command(
    storage: str,
    name: str,
    data: str | None,
    jobs: int,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Help with a search that lrtune search has started in a record that both can reach.

    A worker reads from the record what to train, and checks that it has the same data and the same
    version of lrtune. It takes in what others finished, asks for a block of its own, trains and
    records it, until the study has its trials; one of those at work then confirms. Workers may come
    and go: one that is killed loses its block alone.

    \b
    Examples:
      lrtune worker --storage postgresql+psycopg://user@host/studies --name digits
      lrtune worker --name digits --jobs 4
    """
    if quiet:
        warnings.simplefilter("ignore")

    from lrtune.cli.summary import print_result
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.storage import network_file_system
    from lrtune.tuning.record.workers import draw_worker
    from lrtune.tuning.search import Recording
    from lrtune.tuning.table_search import load, read_request, search_table

    kind = network_file_system(storage)
    if kind is not None:
        raise InvalidInputError(
            f"a record that workers share must lie on this machine's disk or in a database, but "
            f"{storage!r} is on a network drive ({kind}), where two writers can lose each other's "
            "trials: use a database, --storage postgresql+psycopg://…"
        )
    request = read_request(Record.look(storage, name), data)
    dataset = load(request)
    with show_progress(request.trials, timeout=timeout, quiet=quiet) as show:
        result = search_table(
            request,
            dataset,
            recording=Recording(partial(Record.join, storage, name)),
            timeout=timeout,
            n_jobs=jobs,
            worker=draw_worker(),
            on_progress=show,
        )
    print_result(result, as_json=as_json, quiet=True)
