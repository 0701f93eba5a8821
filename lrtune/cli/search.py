"""``lrtune search``: from a table to a recommended learning rate."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from lrtune.cli.options import PRUNERS as PRUNER_NAMES
from lrtune.cli.options import (
    DecayList,
    PositiveFloat,
    RangeType,
    StudyName,
    network_options,
    plot_option,
    storage_option,
    table_options,
)
from lrtune.exceptions import InvalidInputError
from lrtune.training.schedules import DECAYS

__all__ = ["command"]


@click.command("search", short_help="Search for the learning rate of a network on a table.")
@table_options
@network_options
@click.option(
    "--epochs",
    type=click.IntRange(1, 1_000_000),
    default=20,
    show_default=True,
    help="Epochs of a trial.",
)
@click.option(
    "--decay",
    "decays",
    type=DecayList(),
    help=f"Decay types to search, separated by commas, or all; among {', '.join(DECAYS)}.  "
    "[default: those without options of their own, compound and plateau left out]",
)
@click.option(
    "--alpha0",
    type=RangeType(),
    help="Range of the initial rate.  [default: around the divergence edge, from a range test]",
)
@click.option(
    "--decay-rate",
    type=RangeType(),
    help="Range of the decay rate, in 1/epoch.  [default: 0.03/epochs:30/epochs]",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 1_000_000),
    default=64,
    show_default=True,
    help="Settings to try.",
)
@click.option(
    "--timeout",
    type=PositiveFloat(),
    metavar="SECONDS",
    help="Begin no further block of trials after this.",
)
@click.option(
    "--replicates",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Splits and seeds that each setting is judged on.",
)
@click.option(
    "--confirm/--no-confirm",
    default=True,
    help="Confirm the best settings on fresh replicates before one is recommended.  "
    "[default: confirm]",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Also measure DoG, an optimizer that needs no learning rate.",
)
@click.option(
    "--pruner",
    type=click.Choice(PRUNER_NAMES),
    default="none",
    show_default=True,
    help="Halt trials that lag behind others; those that diverge are halted in any case.",
)
@click.option(
    "--audit-pruning",
    "audit_share",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Finish this share of the pruned trials after all, and say how many good ones were lost.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same trials.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that train; the result does not depend on it.",
)
@storage_option
@click.option(
    "--name",
    type=StudyName(),
    metavar="STUDY",
    help="Name of the study.  [default: that of the data]",
)
@click.option("--resume", is_flag=True, help="Go on with the study of that name.")
@plot_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--quiet", is_flag=True, help="No progress, no notes.")
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    target: str | None,
    task: Any,
    hidden: tuple[int, ...],
    epochs: int,
    batch_size: int,
    optimizer: str,
    decays: tuple[str, ...] | None,
    alpha0: tuple[float, float] | None,
    decay_rate: tuple[float, float] | None,
    trials: int,
    timeout: float | None,
    replicates: int,
    confirm: bool,
    baseline: bool,
    pruner: str,
    audit_share: float | None,
    seed: int,
    jobs: int,
    storage: str,
    name: str | None,
    resume: bool,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search for the best learning rate of a network on DATA.

    DATA is iris, digits, wine, breast_cancer, diabetes, or a numeric CSV file with a header line.
    Finished trials are recorded; a second search of the same data gets a study of its own.

    \b
    Examples:
      lrtune search iris
      lrtune search table.csv --target price --hidden 64,32 --epochs 50
      lrtune search digits --decay constant,cosine --alpha0 0.01:1 --trials 128 --json
    """
    _check_options(confirm=confirm, plot=plot, baseline=baseline, pruner=pruner, audit=audit_share)

    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lrtune.data import load_dataset
    from lrtune.estimators import MLPClassifier, MLPRegressor
    from lrtune.replicates import draw_replicates, make_replicates
    from lrtune.tuning.pruners import PRUNERS
    from lrtune.tuning.search import search
    from lrtune.tuning.space import DEFAULT_RATES, LEARNING_RATE_FREE, Space
    from lrtune.tuning.storage import Record

    dataset = load_dataset(data, target=target, task=task)
    if not quiet:
        for note in dataset.notes:
            click.echo(note, err=True)
    network = MLPClassifier if dataset.task == "classification" else MLPRegressor
    estimator = make_pipeline(
        StandardScaler(),
        network(
            hidden,
            optimizer=optimizer,
            batch_size=batch_size,
            learning_rate_init=DEFAULT_RATES[optimizer],
            max_iter=epochs,
            dtype="float32",
        ),
    )
    space = Space.default(epochs, learning_rate_init=alpha0, decay=decays, decay_rate=decay_rate)
    fresh = draw_replicates(dataset.y, task=dataset.task, seed=seed, first=replicates)
    open_record = Record.resume if resume else Record.create
    with _resumable(ctx) as remember, _progress(trials, show=not quiet) as show:

        def on_progress(progress: Any) -> None:
            remember(progress)
            show(progress)

        result = search(
            estimator,
            dataset.X,
            dataset.y,
            replicates=make_replicates(dataset.y, replicates, task=dataset.task, seed=seed),
            space=space,
            n_trials=trials,
            seed=seed,
            timeout=timeout,
            fresh=fresh if confirm else None,
            baseline=LEARNING_RATE_FREE if baseline else None,
            pruner=PRUNERS[pruner](epochs),
            audit_share=audit_share,
            n_jobs=jobs,
            open_record=partial(open_record, storage, name or dataset.name),
            description={
                "dataset": dataset.name,
                "task": dataset.task,
                "target": dataset.target,
                "rows": len(dataset.X),
                "columns": dataset.X.shape[1],
                "hidden": list(hidden),
                "epochs": epochs,
                "batch_size": batch_size,
                "optimizer": optimizer,
            },
            on_progress=on_progress,
        ).result
    if as_json:
        click.echo(json.dumps(result.to_dict()))
    else:
        from lrtune.cli.summary import print_summary

        print_summary(result, estimator[-1], n_replicates=replicates)
        if not quiet:
            for warning in result.warnings:
                click.echo(f"Note: {warning}.", err=True)
    if plot is not None:
        from lrtune.review.plots import plot_safe_range, save_figure

        save_figure(plot_safe_range(result), plot)
        click.echo(f"drawn: {plot}", err=True)


def _check_options(
    *, confirm: bool, plot: Path | None, baseline: bool, pruner: str, audit: float | None
) -> None:
    """Options that need others, met before anything is loaded."""
    if baseline and not confirm:
        raise InvalidInputError(
            "--baseline is measured on the replicates of the confirmation, but got --no-confirm: "
            "leave out one of them"
        )
    if plot is not None and not confirm:
        raise InvalidInputError(
            "--plot draws what confirmation measures, but got --no-confirm: leave out one of them"
        )
    if audit is not None and pruner == "none":
        raise InvalidInputError(
            f"--audit-pruning finishes trials that a pruner halted, but got --pruner none: name "
            f"one of {', '.join(PRUNER_NAMES[1:])}"
        )


@contextmanager
def _progress(total: int, *, show: bool) -> Iterator[Callable[[Any], None]]:
    """A progress bar on standard error, if that is a terminal."""
    if not (show and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=total)

        def show_progress(progress: Any) -> None:
            best = "" if progress.best is None else f"best loss {progress.best.value:.4g}, "
            description = f"{best}{progress.trials.diverged} diverged"
            if progress.confirming:
                description += ", confirming"
            bar.update(task, completed=progress.finished, description=description)

        yield show_progress


@contextmanager
def _resumable(ctx: click.Context) -> Iterator[Callable[[Any], None]]:
    """On Ctrl-C, say what is kept and print the line to resume."""
    latest: list[Any] = []
    try:
        yield latest.append
    except KeyboardInterrupt:
        if latest:
            progress = latest[-1]
            again = shlex.join(["lrtune", *_without_name(ctx.obj), "--name", progress.study])
            click.echo(
                f"{progress.finished} of {progress.total} trials are kept; go on with:\n"
                f"  {again} --resume",
                err=True,
            )
        raise


def _without_name(words: list[str]) -> list[str]:
    """The command's words but ``--resume`` and ``--name``, which the line to resume sets itself."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not (skip or word == "--resume" or word == "--name" or word.startswith("--name=")):
            kept.append(word)
        skip = word == "--name"
    return kept
