"""``lrtune export``: the learning rate of a study as source code for another library."""

from __future__ import annotations

from pathlib import Path

import click

from lrtune.cli.completion import complete_studies
from lrtune.cli.options import storage_option
from lrtune.cli.types import OutputFile, WholeNumber
from lrtune.export.export import EXPORTERS, Library, export_schedule


@click.command("export", short_help="Write a study's learning rate for another library.")
@click.argument("study", shell_complete=complete_studies)
@click.option(
    "--to",
    type=click.Choice(list(EXPORTERS)),
    default="json",
    show_default=True,
    help="Library that the code is for.",
)
@click.option(
    "--steps-per-epoch",
    type=WholeNumber(1),
    metavar="N",
    help="Batches per epoch of your script: the code then counts steps, not epochs.  "
    "[required by optax]",
)
@storage_option
@click.option("--output", type=OutputFile(), help="File to write.  [default: standard output]")
def command(
    study: str, to: Library, steps_per_epoch: int | None, storage: str, output: Path | None
) -> None:
    """Write the learning rate that a study recommends as source code to paste into a script.

    The code needs only that library, and gives the rate that lrtune trained with at every step; a
    schedule that the library cannot express is refused. Schedule.from_json reads the JSON.

    \b
    Examples:
      lrtune export iris --to torch
      lrtune export iris --to optax --steps-per-epoch 100 --output schedule.py
    """
    from lrtune.export.provenance import recommend
    from lrtune.support.files import write_new_file
    from lrtune.tuning.result import read_result

    otherwise = (
        "make its schedule with `lrtune.Schedule.from_trial(study.best_trial)` and call "
        "export_schedule"
    )
    result = read_result(study, storage, purpose="export", otherwise=otherwise)
    recommendation = recommend(result)
    text = export_schedule(
        recommendation.schedule, to, steps_per_epoch=steps_per_epoch, origin=recommendation
    )
    if output is None:
        click.echo(text, nl=False)
    else:
        write_new_file(output, text.encode())
    click.echo(
        f"trial {recommendation.trial} of study {study!r}: {recommendation.describe()}", err=True
    )
    if output is not None:
        click.echo(f"written: {output}", err=True)
