"""The options of ``lrtune search``."""

from __future__ import annotations

from typing import Any

import click

from lrtune.cli.options import (
    apply_options,
    epochs_option,
    jobs_option,
    json_option,
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
    RangeType,
    StudyName,
    WholeNumber,
)
from lrtune.schedules.decays import DECAYS
from lrtune.tuning.sampling.competitive import PRUNERS


def training_options(function: Any) -> Any:
    """Add the options that say what to search, and for how long."""
    return apply_options(
        function,
        epochs_option("Epochs of a trial."),
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
            "[default: around the divergence edge, from a range test]",
        ),
        click.option(
            "--decay-rate",
            type=RangeType(),
            help="Range of the decay rate, in 1/epoch.  [default: 0.03/epochs:30/epochs]",
        ),
        click.option(
            "--trials",
            type=WholeNumber(1, 1_000_000),
            default=64,
            show_default=True,
            help="Settings to try.",
        ),
        timeout_option,
        replicates_option(3, "Splits and seeds that each setting is judged on."),
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
            "--report",
            type=OutputFile(".html"),
            metavar="FILE.html",
            help="Also write a report on the study.",
        ),
        json_option,
        quiet_option,
    )
