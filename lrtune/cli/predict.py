"""``lrtune predict``: a saved model's predictions for a table, as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lrtune.cli.completion import complete_data, complete_files
from lrtune.cli.flags import with_flags
from lrtune.cli.options import quiet_option, text_options
from lrtune.cli.types import OutputFile


@click.command("predict", short_help="Predict with a saved model.")
@click.argument("model", shell_complete=complete_files)
@click.argument("data", shell_complete=complete_data)
@click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE.csv",
    help="File to write.  [default: standard output]",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Also print this column of DATA, before the predictions. Can be repeated.",
)
@click.option("--proba", is_flag=True, help="Also print the probability of every class.")
@text_options
@quiet_option
def command(
    model: str,
    data: str,
    output: Path | None,
    keep: tuple[str, ...],
    proba: bool,
    quiet: bool,
    **reading: Any,
) -> None:
    """Predict with MODEL, a file that search --save wrote, for every row of DATA.

    DATA is read as search reads it. It must have the columns that MODEL was trained on, in any
    order; others are ignored. The predictions are CSV, a line for each row, in a column named like
    the target; if the table's own column of that name is kept, like "predicted price".

    \b
    Examples:
      lrtune predict iris.skops iris
      lrtune predict price.skops new.csv --output predicted.csv
      lrtune predict iris.skops flowers.csv --proba
      lrtune predict price.skops new.csv --keep id
    """
    import warnings

    from lrtune.models.load import load_model, read_facts
    from lrtune.support.files import write_new_file
    from lrtune.tables.apply import predict, read_rows, require_applicable
    from lrtune.tables.kept import beside, read_kept

    if quiet:
        warnings.simplefilter("ignore")  # until the command line is done
    estimator, facts = load_model(model), read_facts(model)
    require_applicable(estimator, facts.columns, model, proba=proba)
    X, notes = read_rows(data, facts.columns, estimator, **reading)
    kept, target = None, facts.target or "prediction"
    if keep:
        kept = read_kept(data, keep, **reading)
        target = f"predicted {target}" if target in kept else target
    predictions = predict(estimator, X, target=target, source=data, proba=proba)
    if kept is not None:
        predictions = beside(kept, predictions)
    text = predictions.to_csv(index=False)
    for note in () if quiet else notes:
        click.echo(with_flags(note), err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    write_new_file(output, text.encode())
    if not quiet:
        click.echo(f"written: {output}, {len(X)} rows", err=True)
