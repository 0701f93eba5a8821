"""``lrtune search``: from a table to a recommended learning rate."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from lrtune.cli.config import config_option
from lrtune.cli.flags import with_flags
from lrtune.cli.interruption import resumable
from lrtune.cli.options import network_options, table_options
from lrtune.cli.progress import show_progress
from lrtune.cli.search_options import output_options, record_options, training_options
from lrtune.cli.task import TASK, Task
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.sampling.competitive import PRUNERS

__all__ = ["command"]


@click.command("search", short_help="Search for the learning rate of a network on a table.")
@table_options
@network_options
@training_options
@record_options
@output_options
@config_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    trials: int,
    timeout: float | None,
    audit_share: float | None,
    seed: int,
    jobs: int,
    replicates: int,
    storage: str,
    name: str | None,
    resume: bool,
    plot: Path | None,
    save: Path | None,
    report: Path | None,
    as_json: bool,
    quiet: bool,
    **_: Any,  # the others are read by `Task.of`
) -> None:
    """Search for the best learning rate of a network on DATA.

    DATA is iris, digits, wine, breast_cancer, diabetes, a table with a header line (CSV or TSV,
    compressed or not, or Parquet), or - for standard input.
    Finished trials are recorded; a second search of the same data gets a study of its own.

    \b
    Examples:
      lrtune search iris
      lrtune search table.csv --target price --hidden 64,32 --epochs 50
      lrtune search digits --decay constant,cosine --alpha0 0.01:1 --trials 128 --json
      lrtune search iris --save iris.skops --report iris.html
    """
    _check_options(ctx.params)
    if quiet:
        warnings.simplefilter("ignore")  # until the command line is done

    from lrtune.cli.environment import environment
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.schema import ENVIRONMENT

    say, told = partial(_say, quiet=quiet), Task.of(ctx.params)
    dataset = told.load()
    for note in dataset.notes:
        say(note)
    estimator = told.estimator(dataset)
    bar = show_progress(trials, timeout=timeout, quiet=quiet)
    with resumable(ctx) as remember, bar as show:

        def open_record(configuration: Mapping[str, Any]) -> Record:
            opened = (Record.resume if resume else Record.create)(
                storage, name or dataset.name, configuration
            )
            columns = [column.to_dict() for column in dataset.columns]
            table = {"notes": list(dataset.notes), "columns": columns}
            opened.note(ENVIRONMENT, {**environment(ctx.obj), "table": table})
            opened.note(TASK, told.to_record())
            return opened

        def on_progress(progress: Any) -> None:
            remember(progress)
            show(progress)

        result = told.run(
            dataset,
            estimator,
            open_record,
            timeout=timeout,
            audit_share=audit_share,
            n_jobs=jobs,
            on_progress=on_progress,
        )
    if as_json:
        click.echo(json.dumps(result.to_dict()))
    else:
        from lrtune.cli.summary import print_summary
        from lrtune.export.preparation import Preprocessing

        before = Preprocessing.of(dataset, told.preprocessor)
        print_summary(result, estimator[-1], n_replicates=replicates, preprocessing=before)
        for warning in result.warnings:
            say(f"Note: {warning}.")
    if plot is not None:
        say(_draw(result, plot))
    if save is not None:
        from lrtune.cli.saving import save_recommended

        say(save_recommended(estimator, result, dataset, save, seed=seed))
    if report is not None:
        say(_report(result, storage, report))


def _say(line: str, *, quiet: bool) -> None:
    """Say what is not the result."""
    if not quiet:
        click.echo(with_flags(line), err=True)


def _draw(result: Any, path: Path) -> str:
    from lrtune.review.plots import plot_safe_range, save_figure

    save_figure(plot_safe_range(result), path)
    return f"drawn: {path}"


def _report(result: Any, storage: str, path: Path) -> str:
    from lrtune.review.report import render_report
    from lrtune.support.files import write_new_file

    write_new_file(path, render_report(result.study, storage).encode())
    return f"written: {path}"


def _check_options(given: Mapping[str, Any]) -> None:
    """Options that need others, met before anything is loaded."""
    rules = {
        "--baseline is measured on the replicates of the confirmation, but got --no-confirm: "
        "leave out one of them": not (given["baseline"] and not given["confirm"]),
        "--plot draws what confirmation measures, but got --no-confirm: "
        "leave out one of them": given["plot"] is None or given["confirm"],
        "--audit-pruning finishes trials that a pruner halted, but got --pruner none: name one of "
        f"{', '.join(list(PRUNERS)[1:])}": given["audit_share"] is None
        or given["pruner"] != "none",
        "--save takes models that can be loaded without running code, but got --preprocessor "
        "skrub: leave out one of them": given["save"] is None or given["preprocessor"] != "skrub",
    }
    for broken in (rule for rule, is_kept in rules.items() if not is_kept):
        raise InvalidInputError(broken)
