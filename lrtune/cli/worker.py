"""``lrtune worker``: help with a search that runs elsewhere, over the same record."""

from __future__ import annotations

import warnings
from functools import partial

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import (
    gpus_option,
    jobs_option,
    json_option,
    per_gpu_option,
    quiet_option,
    storage_option,
    timeout_option,
)
from lrtune.cli.progress import show_progress
from lrtune.cli.search_options import is_given
from lrtune.cli.subject import load_script, load_table
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
@click.option(
    "--data", metavar="DATA", help="Where its data, or its script, lie here, if elsewhere."
)
@jobs_option
@gpus_option
@per_gpu_option
@timeout_option
@json_option
@quiet_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    storage: str,
    name: str,
    data: str | None,
    jobs: int | None,
    gpus: tuple[int, ...] | None,
    per_gpu: int,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Help with a search that lrtune search has started in a record that both can reach.

    A worker reads from the record what to train, and checks that it has the same data, or the same
    script, and the same version of lrtune. It takes in what others finished, asks for a block of
    its own, trains and records it, until the study has its trials; one of those at work then
    confirms. Workers may come and go: one that is killed loses its block alone. Balanced accuracy
    and the scores of a --test are measured by the search itself: see lrtune show.

    \b
    Examples:
      lrtune worker --storage postgresql+psycopg://user@host/studies --name digits
      lrtune worker --name digits --jobs 4
      lrtune worker --name train --data copied/train.py --gpus 0,1
    """
    if quiet:
        warnings.simplefilter("ignore")

    from lrtune.cli.summary import print_result
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.storage import network_file_system
    from lrtune.tuning.record.workers import draw_worker
    from lrtune.tuning.script_search import read_script_request
    from lrtune.tuning.search import Recording
    from lrtune.tuning.table_search import read_request

    kind = network_file_system(storage)
    if kind is not None:
        raise InvalidInputError(
            f"a record that workers share must lie on this machine's disk or in a database, but "
            f"{storage!r} is on a network drive ({kind}), where two writers can lose each other's "
            "trials: use a database, --storage postgresql+psycopg://…"
        )
    record = Record.look(storage, name)
    asked = read_script_request(record, data)
    if asked is not None:
        n_jobs = jobs if gpus is None or is_given(ctx, "jobs") else None
        subject = load_script(asked, n_jobs=n_jobs, gpus=gpus, per_gpu=per_gpu)
    elif gpus is not None or is_given(ctx, "per_gpu"):
        flag = "--per-gpu" if gpus is None else "--gpus"
        raise InvalidInputError(
            f"{flag} is for a search of a script, but study {name!r} is of a table: leave it out"
        )
    else:
        subject = load_table(read_request(record, data), n_jobs=jobs)
    bar = show_progress(subject.count, timeout=timeout, quiet=quiet)
    with subject.around(), bar as show:
        result = subject.run(
            recording=Recording(partial(Record.join, storage, name)),
            timeout=timeout,
            worker=draw_worker(),
            on_progress=show,
        )
    print_result(result, as_json=as_json, quiet=True)
