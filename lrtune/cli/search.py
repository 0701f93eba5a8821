"""``lrtune search``: from a table or a training to a recommended learning rate."""

from __future__ import annotations

import functools
import math
import time
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
from lrtune.cli.search_options import (
    is_given,
    objective_options,
    output_options,
    record_options,
    require_fitting_options,
    script_options,
    training_options,
)
from lrtune.cli.subject import load_script, load_table, script_request
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.sampling.competitive import PRUNERS

SHORT_HELP = "Search for the learning rate of a network on a table, or of a script."


@click.command("search", short_help=SHORT_HELP)
@table_options
@network_options
@training_options
@objective_options
@script_options
@record_options
@output_options
@config_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    data: str,
    timeout: float | None,
    audit_share: float | None,
    jobs: int | None,
    gpus: tuple[int, ...] | None,
    per_gpu: int,
    engine: str | None,
    storage: str,
    name: str | None,
    resume: bool,
    plot: Path | None,
    save: Path | None,
    report: Path | None,
    test: str | None,
    as_json: bool,
    quiet: bool,
    **_: Any,  # the others are in the request
) -> None:
    """Search for the best learning rate of a network on DATA, or of the training that DATA is.

    DATA is iris, digits, wine, breast_cancer, diabetes, a table with a header line (CSV or TSV,
    compressed or not, or Parquet), or - for standard input.
    Or it is your own training: a script, FILE.py, with a function train(schedule, seed) that sets
    the rate to schedule(t), t in epochs, and yields the validation loss once per epoch (or a
    function train(schedule, seed, report) that reports it). FILE.py:NAME is another function.
    Finished trials are recorded; a second search of the same data gets a study of its own.

    \b
    Examples:
      lrtune search iris
      lrtune search table.csv --target price --hidden 64,32 --epochs 50
      lrtune search visits.csv --target ill --group patient --metric auc
      lrtune search digits --decay constant,cosine --alpha0 0.01:1 --trials 128 --json
      lrtune search iris --save iris.skops --report iris.html
      lrtune search train.py --epochs 20 --trainings 48 --jobs 2
      lrtune search train.py:fit --epochs 5 --param batch_size=32,64 --default 0.001 --gpus 0,1
      lrtune search train.py --epochs 20 --engine dask://scheduler:8786
    """
    from lrtune.tuning.scripts import Script

    script = Script.of(data)
    require_fitting_options(ctx, data, is_script=script is not None)
    _check_options(ctx.params)
    if quiet:
        warnings.simplefilter("ignore")  # until the command line is done

    from lrtune.cli.environment import environment
    from lrtune.cli.summary import print_result
    from lrtune.support.engines import at_engine
    from lrtune.tuning.record.record import Record
    from lrtune.tuning.record.schema import Request
    from lrtune.tuning.search import Recording

    say = partial(_say, quiet=quiet)
    if script is None:
        request = Request.from_json(ctx.params)
        subject = load_table(request, n_jobs=jobs, audit_share=audit_share)
    else:
        n_jobs = jobs if gpus is None or is_given(ctx, "jobs") else None
        request_script = script_request(script, ctx.params)
        subject = load_script(request_script, n_jobs=n_jobs, gpus=gpus, per_gpu=per_gpu)
    tested = None
    if subject.dataset is not None:
        from lrtune.tables.overview import summary_line
        from lrtune.tuning.table_scores import (
            fit_recommended,
            read_test,
            record_scores,
            with_scores,
        )

        dataset = subject.dataset
        tested = None if test is None else read_test(test, request, dataset)
        test_notes = () if tested is None else tested.notes
        summary = [summary_line(dataset.columns)] if dataset.notes else []  # bundled data have none
        for note in (*dataset.notes, *summary, *test_notes):
            say(note)
    recording = Recording(
        partial(Record.resume if resume else Record.create, storage, name or subject.name),
        environment(ctx.obj, subject.dataset),
        subject.request,
    )
    bar = show_progress(subject.count, timeout=timeout, quiet=quiet)
    with resumable(ctx) as remember, subject.around(), at_engine(engine), bar as show:

        def on_progress(progress: Any) -> None:
            remember(progress)
            show(progress)

        deadline = math.inf if timeout is None else time.monotonic() + timeout
        result = subject.run(recording=recording, timeout=timeout, on_progress=on_progress)
        if subject.dataset is not None:
            fit = functools.cache(partial(fit_recommended, result, request, subject.dataset))
            result = with_scores(
                result, request, subject.dataset, test=tested, fit=fit, deadline=deadline
            )
            record_scores(result, storage)
    print_result(result, as_json=as_json, quiet=quiet)
    if plot is not None:
        say(_draw(result, plot))
    if save is not None and subject.dataset is not None:
        from lrtune.cli.saving import save_recommended

        say(save_recommended(result, request, subject.dataset, save, fit))
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
