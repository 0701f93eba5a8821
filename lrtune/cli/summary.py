"""A search's result as a person reads it."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from lrtune.cli.console import make_console
from lrtune.tuning.result import SearchResult

__all__ = ["SCORE_NAMES", "print_summary"]

SCORE_NAMES = {"classification": "accuracy", "regression": "R²"}


def print_summary(result: SearchResult, network: Any, *, n_replicates: int) -> None:
    """Print a result on standard output.

    Parameters
    ----------
    result : SearchResult
    network : MLPClassifier or MLPRegressor
        What was tuned.
    n_replicates : int
        What each setting was judged on.
    """
    console = make_console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")
    for name, value, remark in _rows(result, network.max_iter, n_replicates):
        table.add_row(name, Text(value, style="bold"), Text(remark))
    console.print(table)
    console.print(Text(f"\nUse it:  {_code(result, network)}"), soft_wrap=True)


def _rows(result: SearchResult, epochs: int, n_replicates: int) -> list[tuple[str, str, str]]:
    best, trials = result.best, result.trials
    rows = [("learning_rate_init", f"{best.learning_rate_init:.4g}", ""), ("decay", best.decay, "")]
    if best.decay != "constant":
        rows.append(("decay_rate", f"{best.decay_rate:.4g}", "per epoch"))
    unit = ", squared error in the target's unit" if result.task == "regression" else ""
    rows.append(
        (
            "validation loss",
            f"{result.search_loss:.4g}",
            f"mean of {n_replicates} replicates after {epochs} epochs{unit}",
        )
    )
    rows.append((SCORE_NAMES[result.task], f"{result.score:.3f}", ""))
    outcomes = {"diverged": trials.diverged, "pruned": trials.pruned, "failed": trials.failed}
    rest = "".join(f", {count} {name}" for name, count in outcomes.items() if count)
    rows.append(("trials", f"{trials.complete} complete{rest}", f"{result.seconds.total:.1f} s"))
    rows.append(("study", str(result.study), f"in {result.storage}"))
    return rows


def _code(result: SearchResult, network: Any) -> str:
    best = result.best
    arguments = [f"hidden_layer_sizes={tuple(network.hidden_layer_sizes)}"]
    for name in ("optimizer", "batch_size", "max_iter", "dtype"):
        arguments.append(f"{name}={getattr(network, name)!r}")
    arguments.append(f"learning_rate_init={best.learning_rate_init:.4g}")
    if best.decay != "constant":
        arguments.append(f"decay={best.decay!r}, decay_rate={best.decay_rate:.4g}")
    model = f"{type(network).__name__}({', '.join(arguments)})"
    return f"make_pipeline(StandardScaler(), {model})"
