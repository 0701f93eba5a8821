"""A search's result as a person reads it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from lrtune.cli.console import make_console
from lrtune.estimators import MLPClassifier
from lrtune.export.preparation import Preprocessing
from lrtune.export.source import changed
from lrtune.export.tuned_for import NETWORK, tuned_for
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.result import SearchResult

__all__ = ["SCORE_NAMES", "print_summary"]

SCORE_NAMES = {"classification": "accuracy", "regression": "R²"}


def print_summary(
    result: SearchResult, network: Any, *, n_replicates: int, preprocessing: Preprocessing
) -> None:
    """Print a result on standard output.

    Parameters
    ----------
    result : SearchResult
    network : MLPClassifier or MLPRegressor
        What was tuned.
    n_replicates : int
        What each setting was judged on in the search.
    preprocessing : Preprocessing
        What stands before the network.
    """
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
    for name, value, remark in losses(result, network, n_replicates):
        table.add_row(name, Text(value, style="bold"), Text(remark))
    table.add_row("trials", Text(_trials(result), style="bold"), f"{result.seconds.total:.1f} s")
    audit = result.pruning_audit
    if audit is not None:
        value = f"{audit.lost} of the best {audit.best_tenth} lost"
        remark = f"{audit.finished} of {audit.pruned} pruned trials finished after all"
        table.add_row("pruning audit", Text(value, style="bold"), Text(remark))
    table.add_row("study", Text(str(result.study), style="bold"), Text(f"in {result.storage}"))
    console.print(table)
    console.print(Text(f"\nUse it:  {_code(result, network, preprocessing)}"), soft_wrap=True)


def _searched(result: SearchResult, network: Any, n_replicates: int) -> list[tuple[str, str, str]]:
    what = f"mean of {n_replicates} replicates after {network.max_iter} epochs{_unit(result)}"
    return [
        ("validation loss", f"{result.search_loss:.4g}", what),
        (SCORE_NAMES[result.task], f"{result.score:.3f}", ""),
    ]


def _confirmed(result: SearchResult, network: Any, n_replicates: int) -> list[tuple[str, str, str]]:
    confirmation = result.confirmation
    assert confirmation is not None  # noqa: S101
    fresh = f"{confirmation.replicates} fresh replicates"
    what = f"after {network.max_iter} epochs, on {fresh}{_unit(result)}"
    rows = [
        ("validation loss", result.describe_loss(), what),
        ("  in the search", f"{result.search_loss:.4g}", f"on the {n_replicates} that chose it"),
        ("  untuned", _estimate(confirmation.default), f"at {network.learning_rate_init:g}"),
    ]
    if confirmation.baseline is not None:
        rows.append(("  DoG", _estimate(confirmation.baseline), "without a learning rate"))
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


def _estimate(estimate: Estimate) -> str:
    if estimate.loss is None:
        return "diverged"
    return f"{estimate.loss:.4g}" + ("" if estimate.se is None else f" ± {estimate.se:.2g}")


def _unit(result: SearchResult) -> str:
    return ", squared error in the target's unit" if result.task == "regression" else ""


def _trials(result: SearchResult) -> str:
    trials = result.trials
    outcomes = {"diverged": trials.diverged, "pruned": trials.pruned, "failed": trials.failed}
    rest = "".join(f", {count} {name}" for name, count in outcomes.items() if count)
    return f"{trials.complete} complete{rest}"


def _code(result: SearchResult, network: Any, preprocessing: Preprocessing) -> str:
    usual = MLPClassifier().get_params()
    given = {name: value for name, value in vars(network).items() if name in usual}
    parameters = {**given, **result.best.params}
    parameters["hidden_layer_sizes"] = tuple(
        np.atleast_1d(parameters["hidden_layer_sizes"]).tolist()
    )
    network_own = {
        name: value
        for name, value in tuned_for(parameters).items()
        if name in NETWORK or value != usual.get(name)
    }
    schedule = Schedule(**{field.name: parameters[field.name] for field in fields(Schedule)})
    arguments = network_own | changed(schedule)
    listed = ", ".join(f"{name}={_short(value)}" for name, value in arguments.items())
    model = f"{type(network).__name__}({listed})"
    if not preprocessing.steps:
        return model
    code = f"make_pipeline({preprocessing.source}, {model})"
    return f"{code}, or --save" if preprocessing.is_table else code


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value)
