"""``lrtune predict``: a saved model's predictions for a table, as CSV."""

from __future__ import annotations

from pathlib import Path

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
@click.option("--proba", is_flag=True, help="Also print the probability of every class.")
@text_options
@quiet_option
def command(
    model: str,
    data: str,
    output: Path | None,
    proba: bool,
    separator: str | None,
    encoding: str | None,
    skip_lines: int | None,
    header: bool,
    missing: tuple[str, ...],
    quiet: bool,
) -> None:
    """Predict with MODEL, a file that search --save wrote, for every row of DATA.

    DATA is read as search reads it. It must have the columns that MODEL was trained on, in any
    order; others are ignored. The predictions are CSV, a line for each row.

    \b
    Examples:
      lrtune predict iris.skops iris
      lrtune predict price.skops new.csv --output predicted.csv
      lrtune predict iris.skops flowers.csv --proba
    """
    import warnings

    from lrtune.models.load import load_model, read_facts
    from lrtune.support.files import write_new_file
    from lrtune.tables.apply import predict, read_rows, require_applicable

    if quiet:
        warnings.simplefilter("ignore")  # until the command line is done
    estimator, facts = load_model(model), read_facts(model)
    require_applicable(estimator, facts.columns, model, proba=proba)
    X, notes = read_rows(
        data,
        facts.columns,
        estimator,
        separator=separator,
        encoding=encoding,
        skip_lines=skip_lines,
        header=header,
        missing=missing,
    )
    predictions = predict(estimator, X, target=facts.target, source=data, proba=proba)
    text = predictions.to_csv(index=False)
    for note in () if quiet else notes:
        click.echo(with_flags(note), err=True)
    if output is None:
        click.echo(text, nl=False)
        return
    write_new_file(output, text.encode())
    if not quiet:
        click.echo(f"written: {output}, {len(X)} rows", err=True)
