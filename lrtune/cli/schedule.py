"""``lrtune schedule``: the learning rate of every epoch, as a table or a plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lrtune.cli.config import config_option
from lrtune.cli.options import (
    epochs_option,
    json_option,
    modifier_options,
    plot_option,
)
from lrtune.cli.types import DecayList, FiniteNumber
from lrtune.schedules.schedule import Schedule

if TYPE_CHECKING:
    from lrtune.schedules.decays import DecayName


@click.command("schedule", short_help="Print the learning rate of every epoch.")
@click.option(
    "--alpha0",
    type=FiniteNumber(0, min_open=True),
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
    help="Decay types, separated by commas; several are shown side by side.",
)
@click.option(
    "--decay-rate",
    type=FiniteNumber(0),
    default=0.0,
    show_default=True,
    help="How fast the rate decays, in 1/epoch.",
)
@epochs_option("Epochs to print.")
@click.option(
    "--step-size",
    type=FiniteNumber(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Epochs between two drops of 'step'.",
)
@click.option(
    "--power",
    type=FiniteNumber(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Exponent of 'polynomial'.",
)
@modifier_options
@plot_option
@config_option
@json_option
def command(
    alpha0: float,
    decays: tuple[DecayName, ...],
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
    schedules: dict[str, Schedule] = {
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
