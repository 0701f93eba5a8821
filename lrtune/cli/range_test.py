"""``lrtune range-test``: where training begins, falls fastest and diverges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrtune.cli.config import config_option
from lrtune.cli.flags import with_flags
from lrtune.cli.options import (
    json_option,
    network_options,
    plot_option,
    replicates_option,
    seed_option,
    table_options,
)
from lrtune.cli.types import FiniteNumber, WholeNumber

if TYPE_CHECKING:
    from lrtune.training.optimizers import OptimizerName

MEANINGS = {
    "edge": "the lowest rate that diverges",
    "valley": "middle of the longest fall of the loss",
    "steepest": "where the loss falls fastest",
    "minimum": "a tenth of the rate where the loss is lowest",
}
"""Meanings of the printed rates."""


@click.command("range-test", short_help="Test which learning rates are worth searching.")
@table_options
@network_options
@replicates_option(5, "Splits and seeds to test on.")
@click.option(
    "--low",
    type=FiniteNumber(0, min_open=True),
    default=1e-6,
    show_default=True,
    help="The lowest rate.",
)
@click.option(
    "--high",
    type=FiniteNumber(0, min_open=True),
    default=1e3,
    show_default=True,
    help="The highest rate.",
)
@click.option(
    "--steps",
    type=WholeNumber(10, 1_000_000),
    default=100,
    show_default=True,
    help="Steps over which the rate rises.",
)
@seed_option
@plot_option
@config_option
@json_option
def command(
    data: str,
    hidden: tuple[int, ...],
    batch_size: int,
    optimizer: OptimizerName,
    replicates: int,
    low: float,
    high: float,
    steps: int,
    seed: int,
    plot: Path | None,
    as_json: bool,
    **table: Any,
) -> None:
    """Test which learning rates are worth searching for a network on DATA.

    DATA is iris, digits, wine, breast_cancer, diabetes, a table with a header line (CSV or TSV,
    compressed or not, or Parquet), or - for standard input.
    The rate rises from step to step. The edge is the lowest rate at which training diverges; the
    range to search contains it. The other rates are what rules of thumb read from the loss.

    \b
    Examples:
      lrtune range-test iris
      lrtune range-test table.csv --target price --optimizer adam --plot range.png
    """
    from sklearn.pipeline import make_pipeline

    from lrtune.estimators import MLPClassifier, MLPRegressor
    from lrtune.tables.dataset import load_dataset
    from lrtune.tuning.range_test import range_test
    from lrtune.tuning.table_search import split_of
    from lrtune.tuning.trainers.preparation import prepare
    from lrtune.tuning.trainers.replicates import make_replicates

    dataset = load_dataset(data, **table)
    for note in dataset.notes:
        click.echo(with_flags(note), err=True)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    model = network(hidden, optimizer=optimizer, batch_size=batch_size, dtype="float32")
    estimator = make_pipeline(dataset.preprocessing, model)
    drawn = make_replicates(
        dataset.y,
        replicates,
        task=dataset.task,
        seed=seed,
        split=split_of(dataset),
    )
    prepared = [prepare(estimator, dataset.X, dataset.y, replicate) for replicate in drawn]
    result = range_test(prepared, low=low, high=high, n_steps=steps)
    if plot is not None:
        from lrtune.review.plots import plot_range_test, save_figure

        save_figure(plot_range_test(result), plot)
        click.echo(f"drawn: {plot}", err=True)
    if as_json:
        facts = {"dataset": dataset.name, "task": dataset.task, "optimizer": optimizer}
        click.echo(json.dumps(facts | result.to_dict(), allow_nan=False))
        return
    _print(result)
    for warning in result.warnings:
        click.echo(f"Note: {with_flags(warning)}.", err=True)


def _print(result: Any) -> None:
    """Print the edge, the range and the suggestions, with their quartiles over the replicates."""
    from rich.table import Table
    from rich.text import Text

    from lrtune.cli.console import make_console

    console = make_console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("median", justify="right", no_wrap=True)
    table.add_column("half of the replicates", no_wrap=True)
    table.add_column("", style="dim", overflow="fold")
    for name, meaning in MEANINGS.items():
        spread, beyond = result.spread(name), f"> {result.rates[-1]:.3g}"
        if spread is None:
            table.add_row(name, Text("none", style="bold"), "", Text(meaning))
            continue
        median, lower, upper = (
            beyond if rate is None else f"{rate:.3g}"
            for rate in (spread.median, spread.lower, spread.upper)
        )
        table.add_row(name, Text(median, style="bold"), f"{lower} to {upper}", Text(meaning))
    console.print(table)
    low, high = result.learning_rate_range
    console.print(Text(f"\nSearch it:  --alpha0 {low:g}:{high:g}"), soft_wrap=True)
