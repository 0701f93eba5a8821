"""``lrtune search``: from a table to a recommended learning rate."""

from __future__ import annotations

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
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.sampling.competitive import PRUNERS


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
    jobs: int,
    storage: str,
    name: str | None,
    resume: bool,
    plot: Path | None,
    save: Path | None,
    report: Path | None,
    as_json: bool,
    quiet: bool,
    **_: Any,  # the others are in `Request`
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
    from lrtune.cli.summary import print_result
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.schema import Request
    from lrtune.tuning.search import Recording
    from lrtune.tuning.table_search import load, search_table, with_path

    say, request = partial(_say, quiet=quiet), Request.from_json(ctx.params)
    dataset = load(request)
    for note in dataset.notes:
        say(note)
    recording = Recording(
        partial(Record.resume if resume else Record.create, storage, name or dataset.name),
        environment(ctx.obj, dataset),
        with_path(request),
    )
    bar = show_progress(trials, timeout=timeout, quiet=quiet)
    with resumable(ctx) as remember, bar as show:

        def on_progress(progress: Any) -> None:
            remember(progress)
            show(progress)

        result = search_table(
            request,
            dataset,
            recording=recording,
            timeout=timeout,
            audit_share=audit_share,
            n_jobs=jobs,
            on_progress=on_progress,
        )
    print_result(result, as_json=as_json, quiet=quiet)
    if plot is not None:
        say(_draw(result, plot))
    if save is not None:
        from lrtune.cli.saving import save_recommended

        say(save_recommended(result, request, dataset, save))
    if report is not None:
        say(_report(result, report))


def _say(line: str, *, quiet: bool) -> None:
    """Print a note on standard error."""
    if not quiet:
        click.echo(with_flags(line), err=True)


def _draw(result: Any, path: Path) -> str:
    from lrtune.review.plots import plot_safe_range, save_figure

    save_figure(plot_safe_range(result), path)
    return f"drawn: {path}"


def _report(result: Any, path: Path) -> str:
    from lrtune.review.report import render_report
    from lrtune.support.files import write_new_file

    write_new_file(path, render_report(result).encode())
    return f"written: {path}"


def _check_options(given: Mapping[str, Any]) -> None:
    """Refuse options that do not go together, before anything is loaded."""
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
