"""A long search holds its finished trials once, and nothing else that grows with their number."""

import gc
import multiprocessing
import os
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.tuning.record.record import Record
from lrtune.tuning.search import Progress, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.replicates import make_replicates

FEW, MANY = 496, 2000
context = multiprocessing.get_context("spawn")


def megabytes(name: str) -> float:
    """What the system says of this process's memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(name)


def grow(folder: str, queue: Any) -> None:
    """Search, and tell by how much memory grows from few trials on until there are many."""
    os.chdir(folder)
    X, y = load_iris(return_X_y=True)
    before = {}

    def on_progress(progress: Progress) -> None:
        if progress.finished == FEW:
            gc.collect()
            before["few"] = megabytes("VmRSS")

    search(
        make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=1, dtype="float32")),
        X,
        y,
        replicates=make_replicates(y, 1, task="classification"),
        space=Space.default(1, learning_rate_init=(0.01, 10.0)),
        n_trials=MANY,
        open_record=partial(Record.create, "record.journal", "iris"),
        on_progress=on_progress,
    )
    queue.put(megabytes("VmHWM") - before["few"])


def held(folder: Path) -> float:
    """Megabytes that the trials of a record occupy once they are read."""
    gc.collect()
    tracemalloc.start()
    trials = Record.look(str(folder / "record.journal"), "iris").pull()
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(trials) == MANY
    return current / 1e6


def test_memory_grows_by_the_finished_trials_alone(folder: Path) -> None:
    """They take 4 kB each; keeping the study that each block is asked of would add 30 kB to it."""
    queue = context.Queue()
    process = context.Process(target=grow, args=(str(folder), queue))
    process.start()
    grown = queue.get(timeout=120)
    process.join()
    trials = held(folder) * (MANY - FEW) / MANY

    assert grown < 1.5 * trials
