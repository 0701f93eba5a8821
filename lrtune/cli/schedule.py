"""``lrtune schedule``: the rate of every epoch, as a table or a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from lrtune.cli.config import config_option
from lrtune.cli.options import DecayList, PositiveFloat, WholeNumber, plot_option
from lrtune.schedules.schedule import Schedule

__all__ = ["command"]


@click.command("schedule", short_help="Print the learning rate of every epoch.")
@click.option(
    "--alpha0",
    type=PositiveFloat(),
    default=0.1,
    show_default=True,
    help="The learning rate at t = 0.",
)
@click.option(
    "--decay",
    "decays",
    type=DecayList(),
    default="constant",
    show_default=True,
    help="Decay type; several, separated by commas, are shown side by side.",
)
@click.option(
    "--decay-rate",
    type=PositiveFloat(zero=True),
    default=0.0,
    show_default=True,
    help="How fast the rate decays, in 1/epoch.",
)
@click.option(
    "--epochs",
    type=WholeNumber(1, 1_000_000),
    default=20,
    show_default=True,
    help="Where the table ends.",
)
@click.option(
    "--step-size",
    type=PositiveFloat(),
    default=5.0,
    show_default=True,
    help="Epochs between two drops of 'step'.",
)
@click.option(
    "--power", type=PositiveFloat(), default=2.0, show_default=True, help="Of 'polynomial'."
)
@click.option(
    "--warmup-epochs",
    type=PositiveFloat(zero=True),
    default=0.0,
    show_default=True,
    help="The rate first rises from 0 over so many epochs, step by step.",
)
@click.option(
    "--cycle-epochs",
    type=PositiveFloat(),
    default=None,
    help="The schedule starts anew every so many epochs.",
)
@click.option(
    "--min-learning-rate",
    type=PositiveFloat(zero=True),
    default=0.0,
    show_default=True,
    help="A floor under the rate.",
)
@click.option(
    "--update",
    type=click.Choice(["epoch", "batch"]),
    default="epoch",
    show_default=True,
    help="Hold the rate within an epoch, or change it at every step (seen in the plot).",
)
@plot_option
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    alpha0: float,
    decays: tuple[str, ...],
    epochs: int,
    plot: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the learning rate at t = 0, 1, 2, … epochs.

    The first epoch trains at the rate of t = 0 (with a warm-up, at rates that rise from it).

    \b
    Examples:
      lrtune schedule --alpha0 0.2 --decay compound --decay-rate 0.01 --epochs 5
      lrtune schedule --decay linear,cosine --decay-rate 0.05 --plot decay.png
    """
    schedules = {
        decay: Schedule(learning_rate_init=alpha0, decay=decay, **options) for decay in decays
    }
    if options["decay_rate"] == 0 and set(decays) != {"constant"}:
        click.echo("--decay-rate is 0, so the rate does not decay", err=True)
    t = np.arange(epochs + 1)
    rates = {decay: schedule(t) for decay, schedule in schedules.items()}
    if plot is not None:
        _plot(schedules, epochs, plot)
    if as_json:
        table = {decay: column.tolist() for decay, column in rates.items()}
        click.echo(json.dumps({"t": t.tolist(), "learning_rate": table}))
        return
    click.echo("    t" + "".join(f"{decay:>14}" for decay in rates))
    for epoch in t:
        click.echo(f"{epoch:>5}" + "".join(f"{column[epoch]:>14.6g}" for column in rates.values()))


def _plot(schedules: dict[str, Schedule], epochs: int, path: Path) -> None:
    from lrtune.review.plots import plot_schedules, save_figure

    save_figure(plot_schedules(schedules, epochs), path)
    click.echo(f"drawn: {path}", err=True)
