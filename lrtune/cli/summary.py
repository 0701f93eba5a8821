"""Print a search's result, for people or as JSON."""

from __future__ import annotations

import json

import click
from rich.table import Table
from rich.text import Text

from lrtune.cli.console import make_console
from lrtune.cli.flags import with_flags
from lrtune.export.estimator import estimator_line
from lrtune.export.provenance import recommend
from lrtune.support.numbers import estimate, number
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.result import SearchResult

SCORE_NAMES = {"classification": "accuracy", "regression": "R²"}


def print_result(result: SearchResult, *, as_json: bool, quiet: bool = False) -> None:
    """Print a result on standard output, and unless quiet its warnings on standard error.

    As JSON the warnings are part of it, and names are the command line's flags.
    """
    warnings = [with_flags(warning) for warning in result.warnings]
    if as_json:
        click.echo(json.dumps({**result.to_dict(), "warnings": warnings}))
        return
    _print_summary(result)
    for warning in () if quiet else warnings:
        click.echo(f"Note: {warning}.", err=True)


def _print_summary(result: SearchResult) -> None:
    console = make_console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    best = result.best
    table.add_row("learning_rate_init", Text(f"{best.learning_rate_init:.4g}", style="bold"), "")
    table.add_row("decay", Text(best.decay, style="bold"), "")
    if best.decay != "constant":
        table.add_row("decay_rate", Text(f"{best.decay_rate:.4g}", style="bold"), "per epoch")
    losses = _confirmed if result.confirmation else _searched
    for name, value, remark in losses(result):
        table.add_row(name, Text(value, style="bold"), Text(remark))
    table.add_row(
        "trials", Text(result.trials.describe(), style="bold"), f"{result.seconds.total:.1f} s"
    )
    audit = result.pruning_audit
    if audit is not None:
        value = f"{audit.lost} of the best {audit.best_tenth} lost"
        remark = f"{audit.finished} of {audit.pruned} pruned trials finished after all"
        table.add_row("pruning audit", Text(value, style="bold"), Text(remark))
    table.add_row("study", Text(str(result.study), style="bold"), Text(f"in {result.storage}"))
    console.print(table)
    origin = recommend(result)
    code = estimator_line(origin) + (", or --save" if origin.preparation.is_table else "")
    console.print(Text(f"\nUse it:  {code}"), soft_wrap=True)


def _searched(result: SearchResult) -> list[tuple[str, str, str]]:
    facts = result.facts
    what = f"mean of {facts.replicates} replicates after {facts.trainer.epochs} epochs"
    return [
        ("validation loss", number(result.search_loss, 4), what + _unit(result)),
        (SCORE_NAMES[result.task], f"{result.score:.3f}", ""),
    ]


def _confirmed(result: SearchResult) -> list[tuple[str, str, str]]:
    trainer = result.facts.trainer
    untuned = trainer.parameters["learning_rate_init"]
    confirmation = result.confirmation
    assert confirmation is not None  # noqa: S101
    fresh = f"{confirmation.replicates} fresh replicates"
    what = f"after {trainer.epochs} epochs, on {fresh}{_unit(result)}"
    rows = [
        ("validation loss", result.describe_loss(), what),
        (
            "  in the search",
            number(result.search_loss, 4),
            f"on the {result.facts.replicates} that chose it",
        ),
        ("  untuned", _loss(confirmation.default), f"at {untuned:g}"),
    ]
    if confirmation.baseline is not None:
        rows.append(("  DoG", _loss(confirmation.baseline), "without a learning rate"))
    rows.append((SCORE_NAMES[result.task], f"{result.score:.3f}", f"on {fresh}"))
    if result.safe_range is not None:
        low, high = result.safe_range
        below, above = confirmation.profile.is_bounded
        value = f"{'' if below else '≤ '}{low:.4g} to {'' if above else '≥ '}{high:.4g}"
        what = "learning_rate_init that loses at most 10 %, without divergence"
        rows.append(("safe range", value, what))
    rows.append(
        (
            "sensitivity",
            f"{confirmation.profile.sensitivity:.3g}",
            "mean excess loss from a tenth to tenfold learning_rate_init, diverged as untrained",
        )
    )
    return rows


def _loss(measured: Estimate) -> str:
    return estimate(measured.loss, measured.se)


def _unit(result: SearchResult) -> str:
    return ", squared error in the target's unit" if result.task == "regression" else ""
