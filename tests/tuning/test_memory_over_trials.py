"""A long search holds its finished trials once, and nothing else that grows with their number."""

import gc
import multiprocessing
import os
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.record import Record
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.replicates import make_replicates

FEW, MANY = 520, 1304  # from 512 on the sampler gets a part of the trials
context = multiprocessing.get_context("spawn")


def megabytes(name: str) -> float:
    """Return a figure of this process's memory from the system."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(name)


def search_for(n_trials: int, on_progress: Callable[[Progress], None]) -> None:
    """Search with trials that take next to no time."""
    X, y = load_iris(return_X_y=True)
    network = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=1, dtype="float32"))
    search(
        NetworkTrainer(network, X, y, make_replicates(y, 1, task="classification")),
        Space.default(1, learning_rate_init=(0.01, 10.0)),
        budget=Budget(n_trials=n_trials, replicates=1, confirm=False),
        sampling=Sampling(),
        recording=Recording(partial(Record.create, "record.journal", "iris")),
        on_progress=on_progress,
    )


def grow(folder: str, queue: Any) -> None:
    """Search, and put the megabytes that memory grows by from few trials to many."""
    os.chdir(folder)
    before = {}

    def on_progress(progress: Progress) -> None:
        if progress.finished == FEW:
            gc.collect()
            before["few"] = megabytes("VmHWM")

    search_for(MANY, on_progress)
    queue.put(megabytes("VmHWM") - before["few"])


def trial_megabytes(folder: Path) -> float:
    """Return the megabytes that the trials of a record occupy once they are read."""
    gc.collect()
    tracemalloc.start()
    trials = Record.look(str(folder / "record.journal"), "iris").pull()
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(trials) == MANY
    return current / 1e6


@pytest.mark.slow
def test_a_search_holds_each_finished_trial_a_fixed_number_of_times(folder: Path) -> None:
    """Keeping the study that each block is asked from would hold ever more copies of each."""
    copies: dict[int, float] = {}

    def on_progress(progress: Progress) -> None:
        if progress.finished in (16, 32):
            gc.collect()
            held = sum(type(each) is FrozenTrial for each in gc.get_objects())
            copies[progress.finished] = (held - before) / progress.finished

    gc.collect()
    before = sum(type(each) is FrozenTrial for each in gc.get_objects())
    search_for(32, on_progress)

    assert copies[32] <= copies[16]


@pytest.mark.slow
def test_memory_grows_by_the_finished_trials_alone(folder: Path) -> None:
    """A trial takes 4 kB; keeping the study that each block is asked from would add 30 kB."""
    queue = context.Queue()
    process = context.Process(target=grow, args=(str(folder), queue))
    process.start()
    grown = queue.get(timeout=120)
    process.join()
    trials = trial_megabytes(folder) * (MANY - FEW) / MANY

    assert grown < 2 * trials  # the system counts pages
