"""Options that several commands share, each defined once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from lrtune.cli.completion import complete_data, complete_files
from lrtune.cli.types import (
    FIGURE_ENDINGS,
    ColumnKind,
    FiniteNumber,
    GpuList,
    HiddenSizes,
    OutputFile,
    WholeNumber,
    WordList,
    by_name,
)
from lrtune.tables.preprocessors import PREPROCESSORS
from lrtune.training.optimizers import OPTIMIZERS

Decorator = Callable[[Any], Any]

encoding_option = click.option(
    "--encoding",
    metavar="NAME",
    help="Encoding of a text file, for example cp1252.  [default: detected]",
)
gpus_option = click.option(
    "--gpus",
    type=GpuList(),
    help="For a script: GPUs that train, each one setting at a time in a process that sees it "
    "alone; for example 0,1.",
)
per_gpu_option = click.option(
    "--per-gpu",
    type=WholeNumber(1, 1024),
    metavar="K",
    default=1,
    show_default=True,
    help="For a script: trainings at a time on each of --gpus.",
)
jobs_option = click.option(
    "--jobs",
    type=WholeNumber(1, 1024),
    metavar="N",
    help="Processes to train in; the result does not depend on their number.  "
    "[default: one; a search of a table starts one for each core once it has trained for 10 s]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
plot_option = click.option(
    "--plot",
    type=OutputFile(*FIGURE_ENDINGS, overwrite=True),
    help="Also draw the result: a PNG, SVG or PDF file.",
)
engine_option = click.option(
    "--engine",
    metavar="URL",
    help="Cluster that trains: dask://HOST:PORT of a Dask scheduler, or ray://HOST:PORT of Ray's "
    "client server (ray://auto on one of its machines).  [default: this machine]",
)
quiet_option = click.option(
    "--quiet", is_flag=True, help="Print nothing but the result, and errors."
)
seed_option = click.option(
    "--seed",
    type=WholeNumber(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of everything random; the same seed gives the same result.",
)
separator_option = click.option(
    "--separator",
    metavar="CHARACTER",
    help="Separator of columns in a text file: one character, or comma, semicolon, tab, pipe or "
    "space.  [default: detected]",
)
storage_option = click.option(
    "--storage",
    shell_complete=complete_files,
    default="lrtune.journal",
    show_default=True,
    metavar="FILE-OR-URL",
    help="Record of finished trials: an Optuna journal file, or a database URL.",
)
timeout_option = click.option(
    "--timeout",
    type=FiniteNumber(0, min_open=True),
    metavar="SECONDS",
    help="Seconds of the search: three fifths of them explore, and the confirmation has as many "
    "trainings as fit into the rest. A table's first block of trials is trained in any case; an "
    "audit of pruning comes on top.",
)


def epochs_option(help_text: str) -> Decorator:
    """Return the option ``--epochs``."""
    return click.option(
        "--epochs",
        type=WholeNumber(1, 1_000_000),
        default=20,
        show_default=True,
        help=help_text,
    )


def replicates_option(default: int | None, help_text: str) -> Decorator:
    """Return the option ``--replicates``."""
    return click.option(
        "--replicates",
        type=WholeNumber(1, 10_000),
        default=default,
        show_default=True,
        help=help_text,
    )


def apply_options(function: Any, *options: Decorator) -> Any:
    """Decorate a command with options, in the order in which help lists them."""
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), function)


def modifier_options(function: Any, prefix: str = "") -> Any:
    """Add the options of a schedule that do not depend on its decay."""
    return apply_options(
        function,
        click.option(
            "--warmup-epochs",
            type=FiniteNumber(0),
            default=0.0,
            show_default=True,
            help=f"{prefix}Epochs over which the rate first rises from 0, step by step.",
        ),
        click.option(
            "--cycle-epochs",
            type=FiniteNumber(0, min_open=True),
            default=None,
            help=f"{prefix}Epochs after which the schedule starts again.",
        ),
        click.option(
            "--min-learning-rate",
            type=FiniteNumber(0),
            default=0.0,
            show_default=True,
            help=f"{prefix}Lowest value of the rate.",
        ),
        click.option(
            "--update",
            type=click.Choice(["epoch", "batch"]),
            default="epoch",
            show_default=True,
            help=f"{prefix}Hold the rate within an epoch, or change it at every step.",
        ),
    )


def text_options(function: Any) -> Any:
    """Add the options that say how to read a text file."""
    return apply_options(
        function,
        separator_option,
        encoding_option,
        click.option(
            "--skip-lines",
            type=WholeNumber(0),
            metavar="N",
            help="Lines before the header of a text file.  [default: detected]",
        ),
        click.option(
            "--header/--no-header",
            default=True,
            help="Whether the first line names the columns, or is a row of columns 'column 0', "
            "'column 1' and so on.  [default: header]",
        ),
        click.option(
            "--missing",
            type=WordList(),
            default=(),
            metavar="TEXT,TEXT",
            help="Further texts that stand for a missing value, for example '..,-9999'.",
        ),
    )


def table_options(function: Any) -> Any:
    """Add DATA and the options that say how to read and prepare it."""
    return apply_options(
        function,
        click.argument("data", shell_complete=complete_data),
        click.option(
            "--target",
            metavar="NAME-OR-POSITION",
            help="Column to predict; the first is 0, the last -1.  [default: the last]",
        ),
        click.option(
            "--task",
            type=click.Choice(["auto", "classification", "regression"]),
            default="auto",
            show_default=True,
            help="What the target is: classes or numbers.",
        ),
        text_options,
        click.option(
            "--column",
            "columns",
            type=ColumnKind(),
            multiple=True,
            callback=by_name,
            metavar="NAME=KIND",
            help="Read a column as number, category, date, text or drop it, whatever its values "
            "suggest; date:%d/%m/%Y names the format. Can be repeated.",
        ),
        click.option(
            "--preprocessor",
            type=click.Choice(list(PREPROCESSORS)),
            default="sklearn",
            show_default=True,
            help="Library that turns other columns into numbers; skrub handles free text too.",
        ),
        click.option(
            "--group",
            metavar="COLUMN",
            help="Column of groups, such as patients, by name or position: their rows are held out "
            "as a whole. It is no feature.",
        ),
        click.option(
            "--time",
            metavar="COLUMN",
            help="Column of numbers or dates, by name or position: validation rows are later than "
            "training rows. It is no feature.",
        ),
    )


def network_options(function: Any) -> Any:
    """Add the options that describe the network."""
    return apply_options(
        function,
        click.option(
            "--hidden",
            type=HiddenSizes(),
            default="50,12",
            show_default=True,
            help="Hidden units of each layer.",
        ),
        click.option(
            "--batch-size",
            type=WholeNumber(1),
            default=32,
            show_default=True,
            help="Rows per step.",
        ),
        click.option(
            "--optimizer",
            type=click.Choice(list(OPTIMIZERS)),
            default="sgd",
            show_default=True,
            help="Optimizer that the learning rate is for.",
        ),
    )
