"""Where the time of a search goes, from the start of Python to its end.

``lrtune search digits`` with its defaults runs in fresh processes, in turn with and without a watch
around its functions (`stopwatch.py`). Then the training steps that it made are made again: whole,
their NumPy calls alone, their matrix products alone, and large products. And lrtune is imported
with and without Python's garbage collector.

    python studies/where_the_time_goes.py [--runs 5] [--results FOLDER]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from step_parts import ARRAYS, Training, train_again
from stopwatch import IMPORT, REST, START, Stopwatch
from tutorial import header, table, write

from lrtune.review.plots import COLOURS

SEARCH = ("search", "digits", "--quiet")
STOPWATCH = Path(__file__).parent / "stopwatch.py"
RESULTS = Path(__file__).parent / "results"
PHASES = (START, "range test", "search", "confirmation")
PYTHON_STARTS, PYTHON_ENDS = "Python starts", "Python ends"
READING = "train: reading rows"
PARTS = {
    PYTHON_STARTS: "until its first line",
    IMPORT: "lrtune and what it needs",
    "load": "the table",
    "prepare": "splits, scaling, encoding, checks",
    "ask": "the next settings",
    "train": "steps, watched losses apart",
    READING: "gathering and scaling the rows of the batches",
    "evaluate": "validation loss after every epoch, and the score",
    "divergence check": "looking at the losses, dropping what diverged",
    "record": "the journal, and the hash of the table",
    REST: "all else: the loops, the race's decisions, the printed summary",
    PYTHON_ENDS: "from its last line until the process is gone",
}
"""The parts, and what they are."""
ROUNDS = 7
"""Of measurement, for each shape of arrays."""


# --- the search, watched and not -----------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """What the watch says of one run.

    Attributes
    ----------
    wall : float
        Seconds from before the process was started until it was gone.
    seconds : dict
        By phase and part; they add up to `wall`.
    imports : dict of str to float
        Seconds of imports, by package.
    steps : dict
        Training steps by the shape of their arrays: layer sizes, settings, rows.
    entered : int
        Times that the watch was read.
    """

    wall: float
    seconds: dict[tuple[str, str], float]
    imports: dict[str, float]
    steps: dict[tuple[int, ...], int]
    entered: int

    def total(self, part: str) -> float:
        """Seconds of a part in all phases."""
        return sum(self.seconds.get((phase, part), 0.0) for phase in PHASES)


def timed(command: Sequence[str], words: Sequence[str]) -> tuple[float, float]:
    """When a search was started, and when it was over, on the clock of all processes."""
    with tempfile.TemporaryDirectory() as folder:
        words = [*words, "--storage", str(Path(folder) / "lrtune.journal")]
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command, *words], check=True, capture_output=True)  # noqa: S603
        return begun, time.perf_counter()


def bare(words: Sequence[str]) -> float:
    """Wall time of a search, started as the installed ``lrtune`` starts it."""
    program = "import sys; from lrtune.cli import main; main(sys.argv[1:])"
    begun, ended = timed(["-c", program], words)
    return ended - begun


def watched(words: Sequence[str]) -> Watched:
    """Run a search with the watch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        begun, ended = timed([str(STOPWATCH), str(path)], words)
        told = json.loads(path.read_text(encoding="utf-8"))
    seconds = {
        (START, PYTHON_STARTS): told["begun"] - begun,
        (START, PYTHON_ENDS): ended - told["ended"],
    }
    imports: dict[str, float] = {}
    for phase, part, spent in told["seconds"]:
        kind, _, package = part.partition(" ")
        if kind == IMPORT:
            imports[package] = imports.get(package, 0.0) + spent
            part = IMPORT
        seconds[phase, part] = seconds.get((phase, part), 0.0) + spent
    steps = {tuple(shape): n for shape, n in told["trained"]}
    return Watched(ended - begun, seconds, imports, steps, told["entered"])


def cost_of_a_part(n: int = 10_000) -> float:
    """Seconds that it takes to time a part."""
    watch = Stopwatch()
    begun = time.perf_counter()
    for _ in range(n):
        watch.enter(REST)
        watch.leave()
    return (time.perf_counter() - begun) / n


# --- the same imports again -----------------------------------------------------------------------


IMPORTED = "import lrtune.tables.dataset, lrtune.tuning.search, time; "
TOLD = "print(time.perf_counter(), flush=True)"
COLLECTOR = {
    "as Python does it": IMPORTED + TOLD,
    "not while importing": f"import gc; gc.disable(); {IMPORTED} gc.enable(); {TOLD}",
    "not while importing, nor at the end": (
        f"import gc; gc.disable(); {IMPORTED} gc.freeze(); {TOLD}"
    ),
}
"""Programs that import what a search needs and end, by what the garbage collector may do."""


def start_and_end(program: str) -> tuple[float, float]:
    """Seconds from starting a process until it tells the time, and from then to its end."""
    begun = time.perf_counter()
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(process.stdout) - begun, time.perf_counter() - float(process.stdout)


def without_collector(runs: int) -> dict[str, tuple[float, float]]:
    """Start and end of each program, medians over runs in turn; one more run is first."""
    times = [[start_and_end(each) for each in COLLECTOR.values()] for _ in range(runs + 1)]
    medians = np.median(times[1:], axis=0).tolist()
    return dict(zip(COLLECTOR, map(tuple, medians), strict=True))


# --- what is shown -------------------------------------------------------------------------------


def rows(run: Watched) -> list[tuple[str, ...]]:
    """Return the table's lines, by part."""
    lines = []
    for part, what in PARTS.items():
        phases = [run.seconds.get((phase, part), 0.0) for phase in PHASES]
        if not any(phases):
            continue
        cells = [f"{spent:.3f}" if spent >= 0.0005 else "" for spent in (*phases, sum(phases))]
        lines.append((part, what, *cells, f"{sum(phases) / run.wall:.1%}"))
    sums = [sum(run.seconds.get((phase, part), 0.0) for part in PARTS) for phase in PHASES]
    cells = [f"{spent:.3f}" for spent in (*sums, sum(sums))]
    return [*lines, ("all", "", *cells, f"{sum(sums) / run.wall:.1%}")]


def avoidable(run: Watched) -> dict[str, float]:
    """Seconds that could go without a change to what is computed, by what they are spent on."""
    return {
        "gathering and scaling the same rows in every epoch": run.total(READING),
        "taking down modules as Python ends": run.seconds[START, PYTHON_ENDS],
    }


def report(
    run: Watched,
    runs: Sequence[Watched],
    bares: Sequence[float],
    training: Training,
    collector: dict[str, tuple[float, float]],
) -> list[str]:
    """Lines of the report."""
    cost = np.array([each.wall for each in runs]) - np.array(bares)
    train = sum(
        run.seconds.get((phase, part), 0.0) for phase in PHASES[2:] for part in ("train", READING)
    )
    imports = sorted(run.imports.items(), key=lambda item: -item[1])[:8]
    ranked = sorted(avoidable(run).items(), key=lambda item: -item[1])
    (largest, most), *_ = ranked
    together = sum(spent for _, spent in ranked)
    needs = (
        (
            "arithmetic",
            f"the products' operations at {training.peak / 1e9:.0f} GFLOP/s, the rate of a "
            "product of large square matrices",
            training.arithmetic,
        ),
        ("products", "the matrix products alone, at their own sizes", training.products),
        ("calls", "all NumPy calls of the steps, in their order", training.calls),
        ("steps", "whole steps, made again", training.steps),
        ("as watched", "train, and reading rows, in search and confirmation", train),
    )
    return [
        f"Without the watch the same takes {np.median(bares):.2f} s, with it "
        f"{np.median([each.wall for each in runs]):.2f} s (medians of {len(runs)}, in turn); the "
        f"differences lie between {cost.min():+.2f} and {cost.max():+.2f} s, their median is "
        f"{np.median(cost):+.2f} s. The table is the run of median length, {run.wall:.2f} s; "
        f"{run.entered:,} parts were timed in it, which took {run.entered * cost_of_a_part():.3f} "
        "s if they take what empty ones do.",
        "",
        *table(("part (s)", "what", *PHASES, "all", "share"), rows(run)),
        "",
        "Imports, by package (what a package imports is counted as that): "
        + ", ".join(f"{name} {spent:.2f} s" for name, spent in imports)
        + ".",
        "",
        "## What training takes, and what arithmetic alone needs",
        "",
        f"The {sum(run.steps.values()):,} steps of search and confirmation, of {len(run.steps)} "
        f"shapes, made again in another process in the same run (medians of {ARRAYS} × {ROUNDS}).",
        "",
        *table(
            ("", "what", "seconds", "share of the wall time"),
            [(name, what, f"{s:.2f}", f"{s / run.wall:.0%}") for name, what, s in needs],
        ),
        "",
        "## What could be avoided",
        "",
        "Without a change to what is computed; at most. The validation loss after every epoch of "
        f"the confirmation ({run.seconds.get(('confirmation', 'evaluate'), 0.0):.2f} s) is not "
        "among it: there as in the search, a setting whose loss passes the threshold on the way "
        "has diverged.",
        "",
        *table(
            ("what it is spent on", "seconds", "share"),
            [(what, f"{spent:.2f}", f"{spent / run.wall:.1%}") for what, spent in ranked],
        ),
        "",
        f"The largest is {largest}, {most / run.wall:.0%} of the wall time; all of them together "
        f"are {together / run.wall:.0%}. What training takes beyond its arithmetic, "
        f"{(training.steps - training.arithmetic) / run.wall:.0%}, is small products "
        f"({(training.products - training.arithmetic) / run.wall:.0%}), NumPy's passes over arrays "
        f"({(training.calls - training.products) / run.wall:.0%}) and Python between them "
        f"({(training.steps - training.calls) / run.wall:.0%}).",
        "",
        "## What the garbage collector takes",
        "",
        "A process that imports what a search needs and ends, medians in turn. The command line "
        "collects seldom, and not at the end.",
        "",
        *table(
            ("garbage collected", "starts, s", "ends, s"),
            [(name, f"{start:.2f}", f"{end:.2f}") for name, (start, end) in collector.items()],
        ),
    ]


def draw(run: Watched, training: Training) -> Figure:
    """Seconds by part, and what training needs of them."""
    figure = Figure(figsize=(8.6, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(len(PARTS) + 1, 5.5))
    parts = [part for part in PARTS if run.total(part) >= 0.0005]
    left = np.zeros(len(parts))
    for phase, colour in zip(PHASES, COLOURS, strict=False):
        spent = np.array([run.seconds.get((phase, part), 0.0) for part in parts])
        above.barh(parts, spent, left=left, color=colour, label=phase, height=0.7)
        left += spent
    label_bars(above, left, run.wall)
    above.legend(title="in", fontsize="small", loc="lower right")
    above.set_title(f"lrtune search digits: {run.wall:.1f} s", fontsize="medium")
    names = (
        "arithmetic at peak",
        "matrix products alone",
        "all NumPy calls",
        "steps",
    )
    spent = np.array([training.arithmetic, training.products, training.calls, training.steps])
    below.barh(names, spent, color=COLOURS[5], height=0.7)
    label_bars(below, spent, run.wall)
    below.set_title("what its training steps take, made again", fontsize="medium")
    return figure


def label_bars(axes: Axes, seconds: np.ndarray, wall: float) -> None:
    """Write each bar's length and share beside it, the first bar on top."""
    for place, spent in enumerate(seconds):
        text = f" {spent:.2f} s, {spent / wall:.0%}" if spent >= 0.005 else " < 0.01 s"
        axes.text(spent, place, text, va="center", fontsize="small")
    axes.invert_yaxis()
    axes.set(xlabel="wall time (s)", xlim=(0, 1.18 * max(seconds)))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def main() -> None:
    """Run the searches, print the tables, and write them and the figure down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    pairs = [(bare(SEARCH), watched(SEARCH)) for _ in range(options.runs + 1)][1:]
    bares, runs = zip(*pairs, strict=True)
    run = sorted(runs, key=lambda each: each.wall)[len(runs) // 2]
    training = train_again(run.steps, ROUNDS)
    lines = [
        *header(
            "Where the time of a search goes",
            f"where_the_time_goes.py --runs {options.runs}",
            f"`lrtune search digits` in a fresh process (64 trials, 20 epochs, 50-12 network, 3 "
            f"replicates, confirmation, a journal file), one process, one BLAS thread, "
            f"{os.cpu_count()} cores; optuna {optuna.__version__}",
        ),
        *report(run, runs, bares, training, without_collector(options.runs)),
    ]
    write(options.results, "where_the_time_goes", lines, draw(run, training))


if __name__ == "__main__":
    main()
