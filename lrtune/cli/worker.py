"""``lrtune worker``: help with a search that runs elsewhere, over the same record."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

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
from lrtune.cli.task import Task
from lrtune.cli.types import StudyName
from lrtune.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lrtune.tuning.record.record import Record

__all__ = ["command"]


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

    from lrtune.tuning.record.networked import network_file_system
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.workers import draw_worker

    kind = network_file_system(storage)
    if kind is not None:
        raise InvalidInputError(
            f"a record that workers share must lie on this machine's disk or in a database, but "
            f"{storage!r} is on a network drive ({kind}), where two writers can lose each other's "
            "trials: use a database, --storage postgresql+psycopg://…"
        )
    told = Task.from_record(Record.look(storage, name), data)
    dataset = told.load()
    estimator = told.estimator(dataset)
    with show_progress(told.trials, timeout=timeout, quiet=quiet) as show:
        result = told.run(
            dataset,
            estimator,
            partial(_join, storage, name),
            n_jobs=jobs,
            timeout=timeout,
            on_progress=show,
            worker=draw_worker(),
        )
    if as_json:
        click.echo(json.dumps(result.to_dict()))
        return
    from lrtune.cli.summary import print_summary
    from lrtune.export.preparation import Preprocessing

    before = Preprocessing.of(dataset, told.preprocessor)
    print_summary(result, estimator[-1], n_replicates=told.replicates, preprocessing=before)


def _join(storage: str, name: str, configuration: Mapping[str, Any]) -> Record:
    from lrtune.tuning.record.record import Record

    return Record.join(storage, name, configuration)
