"""The tables and the figure of the study of few trainings, from its rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tutorial import table

from lrtune.review.plots import COLOURS

BARS = {24: (12, 40), 48: (6, 20), 96: (4, 12)}
"""By trainings: the most that the median and the 90th percentile of lrtune's regret may be, in per
cent."""
NONE_DIVERGES_FROM = 48
"""Trainings from which no recommendation may diverge on any replicate."""
ENOUGH_PROBLEMS = 0.75
"""Share of the problems that must meet the bars: six of eight."""
FLOOR = 0.3
"""The figure shows a regret below it, in per cent, as this much."""
RESAMPLES = 2000
ENOUGH_REPETITIONS = 5
"""With fewer, a peer is not compared."""


def percentiles(regret: "pd.Series[float]") -> tuple[float, float]:
    """Return the median and the 90th percentile, in per cent."""
    return 100 * float(regret.median()), 100 * float(regret.quantile(0.9))


def median_error(values: Sequence[float]) -> float:
    """Return the standard error of a median, by bootstrap.

    Examples
    --------
    >>> median_error([1.0, 1.0, 1.0])
    0.0
    """
    drawn = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLES, len(values)))
    return float(np.median(drawn, axis=1).std())


def cell(rows: pd.DataFrame, problem: str, strategy: str, budget: int) -> pd.DataFrame:
    """Return the repetitions of one strategy on one problem with one budget."""
    return rows[(rows.problem == problem) & (rows.strategy == strategy) & (rows.budget == budget)]


def shown(rows: pd.DataFrame, n_seeds: int) -> str:
    """Return a cell's text; a dagger marks recommendations that diverge somewhere."""
    if rows.empty:
        return "–"
    median, high = percentiles(rows.regret)
    text = f"{median:.0f} / {high:.0f}"
    if (rows.diverging > 0).any():
        text += f", {(rows.diverging > 0).mean():.0%} †"
    return text if len(rows) == n_seeds else f"{text} ({len(rows)})"


def budget_tables(rows: pd.DataFrame, strategies: Sequence[str], n_seeds: int) -> list[str]:
    """Return the lines of a table for each budget: a row per problem, a column per strategy."""
    lines: list[str] = []
    for budget in sorted(set(rows.budget)):
        present = [name for name in strategies if name in set(rows.strategy[rows.budget == budget])]
        body = [
            [problem, *(shown(cell(rows, problem, name, budget), n_seeds) for name in present)]
            for problem in dict.fromkeys(rows.problem)
        ]
        lines += ["", f"## {budget} trainings", "", *table(["problem", *present], body)]
    return lines


def meets_bar(rows: pd.DataFrame, budget: int) -> bool:
    """Return whether one problem's recommendations meet the bar of a budget."""
    median, high = percentiles(rows.regret)
    holds = median <= BARS[budget][0] and high <= BARS[budget][1]
    return bool(holds and (budget < NONE_DIVERGES_FROM or not (rows.diverging > 0).any()))


def bars(rows: pd.DataFrame) -> list[str]:
    """Return the lines that hold lrtune's regret against the bars."""
    problems = list(dict.fromkeys(rows.problem))
    lines = ["", "## The bars", ""]
    body = []
    for budget, (median, high) in BARS.items():
        played = {name: cell(rows, name, "lrtune", budget) for name in problems}
        played = {name: some for name, some in played.items() if len(some)}
        if not played:
            continue
        missed = [name for name, some in played.items() if not meets_bar(some, budget)]
        n_met = len(played) - len(missed)
        holds = "yes" if n_met >= ENOUGH_PROBLEMS * len(played) else "no"
        diverging = "" if budget < NONE_DIVERGES_FROM else ", none diverging"
        bar = f"median ≤ {median} %, 90th percentile ≤ {high} %{diverging}"
        body.append(
            [str(budget), bar, f"{n_met} of {len(played)}", holds, ", ".join(missed) or "none"]
        )
    columns = ["trainings", "bar", "problems that meet it", "three quarters do", "missed on"]
    return [*lines, *table(columns, body)] if body else []


def beside_peers(rows: pd.DataFrame) -> list[str]:
    """Return the lines that compare lrtune with the best peer of each cell."""
    problems, budgets = dict.fromkeys(rows.problem), sorted(set(rows.budget))
    body = []
    n_held = n_compared = 0
    for problem in problems:
        words = []
        for budget in budgets:
            ours = cell(rows, problem, "lrtune", budget)
            here = rows[(rows.problem == problem) & (rows.budget == budget)]
            counts = here.strategy.value_counts()
            rivals = counts.index[counts >= min(ENOUGH_REPETITIONS, len(ours))].drop(
                "lrtune", errors="ignore"
            )
            peers = here[here.strategy.isin(rivals)].groupby("strategy").regret
            if ours.empty or not len(peers):
                words.append("–")
                continue
            best = peers.median().idxmin()
            theirs = 100 * peers.get_group(best)
            error = median_error(theirs.to_numpy())
            holds = 100 * ours.regret.median() <= theirs.median() + error
            n_held, n_compared = n_held + holds, n_compared + 1
            words.append(
                f"{'yes' if holds else '**no**'}: {100 * ours.regret.median():.1f}, {best} "
                f"{theirs.median():.1f} ± {error:.1f}"
            )
        body.append([problem, *words])
    if not n_compared:
        return []
    return [
        "",
        "## Beside the best peer",
        "",
        "Whether lrtune's median is at most that of the best peer and its standard error (by "
        f"bootstrap), in per cent: it holds in {n_held} of {n_compared} cells.",
        "",
        *table(["problem", *(f"{budget} trainings" for budget in budgets)], body),
    ]


def figure_of(rows: pd.DataFrame, strategies: Sequence[str]) -> Figure:
    """Draw the median regret against the trainings, a panel for each problem."""
    problems = list(dict.fromkeys(rows.problem))
    n_columns = min(4, len(problems))
    n_rows = -(-len(problems) // n_columns)
    figure = Figure(figsize=(3.1 * n_columns, 2.6 * n_rows + 1.1), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    others = [name for name in strategies if name != "lrtune"]
    for axes, problem in zip(grid.flat, problems, strict=False):
        for place, name in enumerate([*others, "lrtune"]):
            some = rows[(rows.problem == problem) & (rows.strategy == name)]
            if some.empty:
                continue
            regret = (100 * some.groupby("budget").regret.quantile([0.5, 0.9])).clip(lower=FLOOR)
            median, high = regret.xs(0.5, level=1), regret.xs(0.9, level=1)
            if name == "lrtune":
                axes.plot(median, "o-", color="black", linewidth=2.5, markersize=4, label=name)
                axes.plot(high, ":", color="black", label="lrtune, 90th percentile")
            else:
                style = ("-", "--")[place // (len(COLOURS) - 1) % 2]
                colour = COLOURS[place % (len(COLOURS) - 1)]
                axes.plot(median, style, color=colour, linewidth=1.2, label=name)
        axes.set(xscale="log", yscale="log", title=problem)
        budgets = sorted(set(rows.budget))
        axes.set_xticks(budgets, [str(budget) for budget in budgets], minor=False)
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(problems) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("trainings")
    for axes in grid[:, 0]:
        axes.set_ylabel("median regret, %")
    handles = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize="small"
    )
    return figure
