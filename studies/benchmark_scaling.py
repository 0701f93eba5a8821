"""How time and memory grow with trials, rows and processes.

Trials: a search on one replicate, with a few epochs a trial, so that asking and recording show, and
with the default's 20. Rows: a fit, and a block of 16 settings, on tables of 1,000 to 1,000,000
rows. Memory: a fit and a search on them, each in a fresh process (read from /proc, so on Linux
alone). Jobs: the default search on digits in one process and in two.

    python studies/benchmark_scaling.py [--repetitions 5] [--quick] [--results FOLDER]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from joblib.externals.loky import get_reusable_executor
from scaling_figure import draw
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stopwatch import Stopwatch
from threadpoolctl import threadpool_limits
from tutorial import header, table, write

from lrtune import MLPClassifier
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.record.record import Record
from lrtune.tuning.result import SearchResult
from lrtune.tuning.sampling import asking
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.replicates import make_replicates

Array = npt.NDArray[Any]
COLUMNS, CLASSES, BLOCK = 50, 3, 16
FEW_EPOCHS, MANY_EPOCHS = 5, 20
TRIAL_RATES = (0.01, 10.0)
TASK = "classification"
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Sizes:
    """What is measured, in full or for a quick look."""

    trials: tuple[int, ...] = (64, 256, 1024, 4096)
    rows: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    rows_trained: int = 1_000_000
    """Rows times epochs of a measurement."""
    job_trials: int = 64


QUICK = Sizes((64, 256), (1_000, 10_000), 50_000, 16)


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of a call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


# --- trials --------------------------------------------------------------------------------------


def trial_times(n_trials: int, epochs: int) -> tuple[float, float, float]:
    """Milliseconds per trial of a search: in all, asking, recording."""
    iris = load_dataset("iris")
    network = MLPClassifier(max_iter=epochs, dtype="float32")
    watch = Stopwatch()
    watch.watch(asking, "ask_block", "ask")
    watch.watch(Record, "push", "record")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lrtune.journal")
        whole = seconds(
            lambda: search(
                NetworkTrainer.on_random_splits(
                    make_pipeline(StandardScaler(), network), iris.X, iris.y, 1
                ),
                Space.default(epochs, learning_rate_init=TRIAL_RATES),
                budget=Budget(n_trials, replicates=1, confirm=False),
                sampling=Sampling(),
                recording=Recording(partial(Record.create, path, "trials")),
            )
        )
    watch.restore()
    spent = {part: watch.seconds["start", part] for part in ("ask", "record")}
    return tuple(1e3 * s / n_trials for s in (whole, spent["ask"], spent["record"]))


def measure_trials(sizes: Sizes, repetitions: int) -> dict[int, Array]:
    """Milliseconds per trial ``(repetitions, sizes, 3)``, by epochs; with many, 3 repetitions."""
    trial_times(sizes.trials[0], FEW_EPOCHS)
    return {
        epochs: np.array([[trial_times(n, epochs) for n in sizes.trials] for _ in range(count)])
        for epochs, count in ((FEW_EPOCHS, repetitions), (MANY_EPOCHS, min(3, repetitions)))
    }


def trial_rows(sizes: Sizes, times: dict[int, Array]) -> list[tuple[str, ...]]:
    """Lines of the table; ratios to the first size are taken within a repetition."""
    lines = []
    for epochs, measured in times.items():
        for index, n_trials in enumerate(sizes.trials):
            whole, ask, record = np.median(measured[:, index], axis=0)
            ratio = np.median(measured[:, index, 0] / measured[:, 0, 0])
            rest = np.median(measured[:, index, 0] - measured[:, index, 1:].sum(axis=1))
            spent = (f"{part:.2f}" for part in (whole, ask, record, rest))
            lines.append((f"{epochs}", f"{n_trials:,}", *spent, f"{ratio:.2f}×"))
    return lines


# --- rows ----------------------------------------------------------------------------------------


def make_table(n_rows: int) -> tuple[Array, Array]:
    """Random columns in float32, and the classes that three of them make."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, COLUMNS), dtype=np.float32)
    return X, X[:, :CLASSES].argmax(axis=1)


def row_times(X: Array, y: Array, epochs: int) -> tuple[float, float, float]:
    """Microseconds per row and epoch of a fit and of a judged block, and per row of preparing."""
    network = MLPClassifier(max_iter=epochs, random_state=0)
    (replicate,) = make_replicates(y, 1, task=TASK)
    estimator = make_pipeline(StandardScaler(), network)
    settings = [Setting(float(rate), "constant", 0.1) for rate in np.geomspace(0.001, 0.1, BLOCK)]
    fit = seconds(lambda: network.fit(X, y))
    begun = time.perf_counter()
    trainer = NetworkTrainer(estimator, X, y, [replicate])
    ready = time.perf_counter()
    outcomes = train_all(trainer, settings, [0])
    judged = time.perf_counter() - begun
    assert all(outcome.diverged is None for outcome in outcomes)
    n_trained = len(replicate.train) * epochs
    return 1e6 * fit / len(X) / epochs, 1e6 * judged / n_trained, 1e6 * (ready - begun) / len(X)


def measure_rows(sizes: Sizes, repetitions: int) -> Array:
    """Microseconds ``(repetitions, sizes, 3)``."""
    tables = [make_table(n_rows) for n_rows in sizes.rows]
    row_times(*tables[0], epochs=10)
    return np.array(
        [
            [row_times(X, y, max(1, sizes.rows_trained // len(X))) for X, y in tables]
            for _ in range(repetitions)
        ]
    )


def row_rows(sizes: Sizes, times: Array) -> list[tuple[str, ...]]:
    """Lines of the table; ratios to the second size are taken within a repetition."""
    lines = []
    for index, n_rows in enumerate(sizes.rows):
        fit, block, prepared = np.median(times[:, index], axis=0)
        ratios = np.median(times[:, index, :2] / times[:, 1, :2], axis=0)
        epochs = max(1, sizes.rows_trained // n_rows)
        cells = (f"{fit:.2f}", f"{ratios[0]:.2f}×", f"{block:.2f}", f"{ratios[1]:.2f}×")
        lines.append((f"{n_rows:,}", f"{epochs:,}", *cells, f"{prepared:.2f}"))
    return lines


# --- memory --------------------------------------------------------------------------------------


def resident(what: str) -> int:
    """Bytes of memory that this process holds (VmRSS), or held at most (VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == what:
            return int(value.split()[0]) * 1024
    raise OSError(f"/proc/self/status does not tell {what}")


def use_memory(what: str, n_rows: int) -> int:
    """Bytes held at most, above what was held before the table was made."""
    network = MLPClassifier(max_iter=1, random_state=0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the highest so far
    before = resident("VmRSS")
    X, y = make_table(n_rows)
    if what == "fit":
        network.fit(X, y)
    else:
        search(
            NetworkTrainer.on_random_splits(make_pipeline(StandardScaler(), network), X, y, 3),
            Space.default(1),
            budget=Budget(BLOCK),
            sampling=Sampling(),
        )
    return resident("VmHWM") - before


def memory_of(what: str, n_rows: int) -> float:
    """Return the bytes of `use_memory` in a process of its own, in units of the table."""
    command = [sys.executable, __file__, "--memory", what, str(n_rows)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(told.stdout) / (n_rows * COLUMNS * 4)


def measure_memory(sizes: Sizes) -> Array:
    """Memory ``(sizes, 2)`` of a fit and of a search."""
    return np.array([[memory_of(what, n) for what in ("fit", "search")] for n in sizes.rows])


def memory_rows(sizes: Sizes, units: Array) -> list[tuple[str, ...]]:
    """Lines of the table."""
    lines = []
    for n_rows, row in zip(sizes.rows, units, strict=True):
        mib = n_rows * COLUMNS * 4 / (1 << 20)
        cells = [cell for unit in row for cell in (f"{unit * mib:.1f}", f"{unit:.2f}×")]
        lines.append((f"{n_rows:,}", f"{mib:.1f}", *cells))
    return lines


# --- jobs ----------------------------------------------------------------------------------------


def run_search(n_jobs: int, n_trials: int) -> SearchResult:
    """Run the default search on digits, in memory."""
    digits = load_dataset("digits")
    network = MLPClassifier((64, 32), dtype="float32")
    estimator = make_pipeline(StandardScaler(), network)
    return search(
        NetworkTrainer.on_random_splits(estimator, digits.X, digits.y, 3, n_jobs=n_jobs),
        Space.default(network.max_iter),
        budget=Budget(n_trials),
        sampling=Sampling(),
    )


def measure_jobs(sizes: Sizes, repetitions: int) -> Array:
    """Seconds ``(repetitions, 5)``.

    One process; two, their start included; two that run already; and the latter without the
    confirmation, in one process and in two.
    """
    lines = []
    for _ in range(repetitions):
        get_reusable_executor().shutdown(wait=True)
        one, first, later = (run_search(n_jobs, sizes.job_trials) for n_jobs in (1, 2, 2))
        for other in (first, later):
            assert other.best == one.best
            assert other.confirmation == one.confirmation
            assert [t.value for t in other.finished] == [t.value for t in one.finished]
        spent = [each.seconds for each in (one, first, later)]
        lines.append([s.total for s in spent] + [spent[0].search, spent[2].search])
    return np.array(lines)


def job_rows(times: Array) -> list[tuple[str, ...]]:
    """Lines of the table; ratios are taken within a repetition."""
    one, first, later, one_search, later_search = times.T

    def line(name: str, spent: Array, base: Array) -> tuple[str, str, str]:
        return name, f"{np.median(spent):.2f}", f"{np.median(base / spent):.2f}×"

    return [
        line("1 process", one, one),
        line("2 processes, started anew", first, one),
        line("2 processes, running already", later, one),
        line("of it the search: 1 process", one_search, one_search),
        line("of it the search: 2 processes, running already", later_search, one_search),
        line("of it the confirmation: 1 process", one - one_search, one - one_search),
        line(
            "of it the confirmation: 2 processes, running already",
            later - later_search,
            one - one_search,
        ),
    ]


# --- the study -----------------------------------------------------------------------------------


def report(
    sizes: Sizes,
    trials: dict[int, Array],
    rows: Array,
    memory: Array,
    jobs: Array,
    repetitions: int,
) -> list[str]:
    """Lines of the report."""
    base = f"{sizes.rows[1]:,}"
    return [
        "## Trials",
        "",
        f"Milliseconds per trial; iris, 50-12, one replicate, no confirmation, α₀ from "
        f"{TRIAL_RATES[0]:g} to {TRIAL_RATES[1]:g} (no range test), a journal file. With "
        f"{FEW_EPOCHS} epochs asking and recording show; {MANY_EPOCHS} are the default (medians of "
        f"{min(3, repetitions)}, as the longest takes over 20 s). Bar: at most 2× that of "
        f"{sizes.trials[0]} trials.",
        "",
        *table(
            ("epochs", "trials", "in all", "asking", "recording", "the rest", "ratio"),
            trial_rows(sizes, trials),
        ),
        "",
        "## Rows",
        "",
        f"Microseconds per row and epoch; {COLUMNS} columns of float32, {CLASSES} classes, 50-12, "
        f"batches of 32. Block: {BLOCK} settings judged on one replicate behind a StandardScaler, "
        f"per training row, preparing it included; that once more, per row of the table, in the "
        f"last column. Bar: within 25 % of that of {base} rows from there on.",
        "",
        *table(
            ("rows", "epochs", "fit", f"to {base}", f"block of {BLOCK}", f"to {base}", "prepare"),
            row_rows(sizes, rows),
        ),
        "",
        "## Memory",
        "",
        "The highest resident memory above what the process held before the table was made, the "
        "table counted, in MiB and in tables of float32; each in a fresh process, once. Search: "
        f"{BLOCK} trials of one epoch on 3 replicates, range test and confirmation. Bar: 2.5 "
        f"tables and a constant at {sizes.rows[-1]:,} rows.",
        "",
        *table(
            ("rows", "table", "fit", "in tables", "search", "in tables"),
            memory_rows(sizes, memory),
        ),
        "",
        "## Jobs",
        "",
        f"Seconds of a search on digits, 64-32, {sizes.job_trials} trials, 20 epochs, 3 "
        f"replicates, confirmation; medians of {repetitions}. One process and two give the same "
        "trials, recommendation and confirmation, to the last bit. Bar: 1.7× (in all, running "
        "already).",
        "",
        *table(("", "seconds", "ratio"), job_rows(jobs)),
    ]


def main() -> None:
    """Measure, print the tables, and write them and the figure down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="smaller sizes; nothing is written")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--memory", nargs=2, metavar=("WHAT", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(use_memory(options.memory[0], int(options.memory[1])))
        return
    sizes, repetitions = (QUICK, 1) if options.quick else (Sizes(), options.repetitions)
    with threadpool_limits(1, user_api="blas"):
        measured: list[Any] = []
        for part in (measure_trials, measure_rows, measure_jobs):
            begun = time.perf_counter()
            measured.append(part(sizes, repetitions))
            print(f"{part.__name__}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    trials, rows, jobs = measured
    memory = measure_memory(sizes)
    lines = [
        *header(
            "How time and memory grow",
            f"benchmark_scaling.py --repetitions {repetitions}",
            f"medians of {repetitions}, ratios within a repetition; one BLAS thread per process, "
            f"{os.cpu_count()} cores; optuna {optuna.__version__}",
        ),
        *report(sizes, trials, rows, memory, jobs, repetitions),
    ]
    if options.quick:
        print("\n".join(lines))
    else:
        figure = draw(sizes.trials, trials[FEW_EPOCHS], sizes.rows, rows, memory, jobs)
        write(options.results, "benchmark_scaling", lines, figure)


if __name__ == "__main__":
    main()
