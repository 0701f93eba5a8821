"""The options of ``lrtune search``."""

from __future__ import annotations

from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from lrtune.cli.completion import complete_data, complete_metrics
from lrtune.cli.options import (
    apply_options,
    engine_option,
    epochs_option,
    gpus_option,
    jobs_option,
    json_option,
    modifier_options,
    per_gpu_option,
    plot_option,
    quiet_option,
    replicates_option,
    seed_option,
    storage_option,
    timeout_option,
)
from lrtune.cli.types import (
    DecayList,
    FiniteNumber,
    OutputFile,
    ParameterRange,
    RangeType,
    StudyName,
    WholeNumber,
    by_name,
)
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS
from lrtune.tables.metrics import METRICS
from lrtune.tuning.sampling.competitive import PRUNERS

TABLE_OPTIONS = (
    "target", "task", "separator", "encoding", "skip_lines", "header", "missing", "columns",
    "preprocessor", "hidden", "batch_size", "optimizer", "baseline", "audit_share", "save", "group",
    "time", "class_weight", "test",
)  # fmt: skip
"""Parameters of search that say how to read a table, or what lrtune's network is."""
SCRIPT_OPTIONS = (
    "parameters", "direction", "default", "gpus", "per_gpu", "warmup_epochs", "cycle_epochs",
    "min_learning_rate", "update",
)  # fmt: skip
"""Parameters of search that say how a script's function is called, and what it yields."""


def is_given(ctx: click.Context, name: str) -> bool:
    """Return whether a parameter has a value that the user gave, also in a file or a variable."""
    defaults = (ParameterSource.DEFAULT, None)
    return ctx.get_parameter_source(name) not in defaults


def flag_of(ctx: click.Context, name: str) -> str:
    """Return the flag of a parameter of a command."""
    return next(param.opts[0] for param in ctx.command.params if param.name == name)


def require_fitting_options(ctx: click.Context, data: str, *, is_script: bool) -> None:
    """Refuse options of a table with a script, and the other way round."""
    others = TABLE_OPTIONS if is_script else SCRIPT_OPTIONS
    for flag in (flag_of(ctx, name) for name in others if is_given(ctx, name)):
        if is_script:
            raise InvalidInputError(
                f"{flag} is for a table and lrtune's network, but got the script {data!r}: leave "
                "it out, as the script itself says what it trains"
            )
        raise InvalidInputError(
            f"{flag} is for a script that trains, but got the table {data!r}: leave it out, or "
            "name a script, FILE.py"
        )
    if is_script and not is_given(ctx, "epochs"):
        raise InvalidInputError(
            f"--epochs must be given with a script, but is not with {data!r}: name the number of "
            "times that its function yields or reports, for example --epochs 20"
        )
    if is_given(ctx, "trainings") and is_given(ctx, "trials"):
        raise InvalidInputError(
            f"--trainings and --trials each set the budget, but got {ctx.params['trainings']} and "
            f"{ctx.params['trials']}: leave out one of them"
        )


def training_options(function: Any) -> Any:
    """Add the options that say what to search, and for how long."""
    return apply_options(
        function,
        epochs_option(
            "Epochs of a trial.  [required with a script: how often its function yields]"
        ),
        click.option(
            "--decay",
            "decays",
            type=DecayList(),
            help=f"Decay types to search, separated by commas, or all; among {', '.join(DECAYS)}.  "
            "[default: all but compound, plateau and those that have options of their own]",
        ),
        click.option(
            "--alpha0",
            type=RangeType(),
            help="Range of the initial learning rate.  "
            "[default: around the divergence edge, from a range test; 1e-5:10 for a script]",
        ),
        click.option(
            "--decay-rate",
            type=RangeType(),
            help="Range of the decay rate, in 1/epoch.  [default: 0.03/epochs:30/epochs]",
        ),
        click.option(
            "--trials",
            type=WholeNumber(1, 1_000_000),
            help="Settings to try, in place of --trainings; the confirmation comes on top.",
        ),
        click.option(
            "--trainings",
            type=WholeNumber(1, 10_000_000),
            metavar="N",
            help="Trainings in all, with those of the confirmation; at least 12.  "
            "[default: 256; 48 for a script]",
        ),
        timeout_option,
        replicates_option(
            None,
            "Splits and seeds that each setting is judged on, the same for all.  "
            "[default: one for each block of settings; 3 with --pruner]",
        ),
        click.option(
            "--confirm/--no-confirm",
            default=True,
            help="Confirm the best settings on fresh replicates before one is recommended.  "
            "[default: confirm]",
        ),
        click.option(
            "--baseline",
            is_flag=True,
            help="Also measure DoG, an optimizer that needs no learning rate.",
        ),
        click.option(
            "--pruner",
            type=click.Choice(list(PRUNERS)),
            default="none",
            show_default=True,
            help="Stop trials that lag behind others; diverging trials are stopped in any case.",
        ),
        click.option(
            "--audit-pruning",
            "audit_share",
            type=FiniteNumber(0, 1, min_open=True),
            metavar="SHARE",
            help="Finish this share of the pruned trials after all, and report how many good ones "
            "were lost.",
        ),
        seed_option,
        jobs_option,
        engine_option,
    )


def objective_options(function: Any) -> Any:
    """Add the options that say what is optimised."""
    return apply_options(
        function,
        click.option(
            "--metric",
            type=StudyName(),
            default="loss",
            show_default=True,
            shell_complete=complete_metrics,
            help=f"What is optimised. For a table, its validation loss or one of "
            f"{', '.join(METRICS)}; for a script, any name, which is its key where a mapping "
            "is yielded.",
        ),
        click.option(
            "--class-weight",
            type=click.Choice(["balanced"]),
            help="Weigh the classes of a table alike, in training and in the validation loss.",
        ),
    )


def script_options(function: Any) -> Any:
    """Add the options that say how a script's function is called, and what it yields."""
    return apply_options(
        function,
        click.option(
            "--param",
            "parameters",
            type=ParameterRange(),
            multiple=True,
            callback=by_name,
            metavar="NAME=VALUES",
            help="For a script: also search this parameter of its function, in a range, "
            "weight_decay=1e-6:1e-2, or among choices, batch_size=32,64. Can be repeated.",
        ),
        click.option(
            "--direction",
            type=click.Choice(["minimize", "maximize"]),
            default="minimize",
            show_default=True,
            help="For a script: whether lower or higher is better.",
        ),
        click.option(
            "--default",
            type=FiniteNumber(0, min_open=True),
            metavar="RATE",
            help="For a script: the untuned rate, to compare with.",
        ),
        gpus_option,
        per_gpu_option,
        partial(modifier_options, prefix="For a script: "),
    )


def record_options(function: Any) -> Any:
    """Add the options that say where trials are recorded."""
    return apply_options(
        function,
        storage_option,
        click.option(
            "--name",
            type=StudyName(),
            metavar="STUDY",
            help="Name of the study.  [default: that of the data]",
        ),
        click.option("--resume", is_flag=True, help="Continue the study of that name."),
    )


def output_options(function: Any) -> Any:
    """Add the options that say what to write and print."""
    return apply_options(
        function,
        plot_option,
        click.option(
            "--save",
            type=OutputFile(".skops"),
            metavar="MODEL.skops",
            help="Also train the recommended setting on all rows, and save the model.",
        ),
        click.option(
            "--test",
            metavar="FILE",
            shell_complete=complete_data,
            help="Also train the recommended setting on all rows, and score it once on this table.",
        ),
        click.option(
            "--report",
            type=OutputFile(".html"),
            metavar="FILE.html",
            help="Also write a report on the study.",
        ),
        json_option,
        quiet_option,
    )
