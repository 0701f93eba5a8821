"""The options of ``lrtune search``."""

from __future__ import annotations

import functools
from typing import Any

import click

from lrtune.cli.options import (
    PRUNERS,
    DecayList,
    NewFile,
    PositiveFloat,
    RangeType,
    Share,
    StudyName,
    WholeNumber,
    plot_option,
    storage_option,
)
from lrtune.schedules.decays import DECAYS

__all__ = ["output_options", "record_options", "training_options"]


def _all(function: Any, *options: Any) -> Any:
    """The function with the options, in the order in which help shows them."""
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), function)


def training_options(function: Any) -> Any:
    """What is searched, on what, and for how long."""
    return _all(
        function,
        click.option(
            "--epochs",
            type=WholeNumber(1, 1_000_000),
            default=20,
            show_default=True,
            help="Epochs of a trial.",
        ),
        click.option(
            "--decay",
            "decays",
            type=DecayList(),
            help=f"Decay types to search, separated by commas, or all; among {', '.join(DECAYS)}.  "
            "[default: those without options of their own, compound and plateau left out]",
        ),
        click.option(
            "--alpha0",
            type=RangeType(),
            help="Range of the initial rate.  "
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
        click.option(
            "--timeout",
            type=PositiveFloat(),
            metavar="SECONDS",
            help="Begin no further block of trials after this; what has begun goes on, and so does "
            "the confirmation.",
        ),
        click.option(
            "--replicates",
            type=WholeNumber(1, 10_000),
            default=3,
            show_default=True,
            help="Splits and seeds that each setting is judged on.",
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
            type=click.Choice(PRUNERS),
            default="none",
            show_default=True,
            help="Halt trials that lag behind others; those that diverge are halted in any case.",
        ),
        click.option(
            "--audit-pruning",
            "audit_share",
            type=Share(0, 1, min_open=True),
            metavar="SHARE",
            help="Finish this share of the pruned trials after all, and say how many good ones "
            "were lost.",
        ),
        click.option(
            "--seed",
            type=WholeNumber(0, 2**32 - 1),
            default=0,
            show_default=True,
            help="The same seed gives the same trials.",
        ),
        click.option(
            "--jobs",
            type=WholeNumber(1, 1024),
            default=1,
            show_default=True,
            metavar="N",
            help="Processes that train; the result does not depend on it.",
        ),
    )


def record_options(function: Any) -> Any:
    """Where trials are kept."""
    return _all(
        function,
        storage_option,
        click.option(
            "--name",
            type=StudyName(),
            metavar="STUDY",
            help="Name of the study.  [default: that of the data]",
        ),
        click.option("--resume", is_flag=True, help="Go on with the study of that name."),
    )


def output_options(function: Any) -> Any:
    """What is written and printed in the end."""
    return _all(
        function,
        plot_option,
        click.option(
            "--save",
            type=NewFile(".skops"),
            metavar="MODEL.skops",
            help="Also train the recommended setting on all rows, and save the model.",
        ),
        click.option(
            "--report",
            type=NewFile(".html"),
            metavar="FILE.html",
            help="Also write a report of the study.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else."
        ),
        click.option("--quiet", is_flag=True, help="No progress, no notes."),
    )
