"""What a search loses if it is killed at any instant: nothing.

A search is killed with SIGKILL at random instants of its run, from before its record is made until
after its confirmation, and gone on with, again and again until it ends. Each must then have the
trials, values and recommendation of one that was never interrupted, and no file besides.

    python studies/kills.py [--instants 200]
"""

import argparse
import multiprocessing
import os
import platform
import signal
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune import MLPClassifier
from lrtune.exceptions import RecordWarning
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.storage import DEFAULT_STORAGE, open_storage
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

RESULTS = Path(__file__).parent / "results" / "kills.md"
TRIALS, EPOCHS, NAME = 40, 4, "iris"


def run(folder: str) -> Any:
    """Start the search in a folder, or go on with it; what it recommends."""
    os.chdir(folder)
    X, y = load_iris(return_X_y=True)
    begun = Path(DEFAULT_STORAGE).exists() and NAME in optuna.get_all_study_names(
        open_storage(DEFAULT_STORAGE)[0]
    )
    open_record = Record.resume if begun else Record.create
    network = MLPClassifier((20,), max_iter=EPOCHS, dtype="float32")
    return search(
        NetworkTrainer.on_random_splits(make_pipeline(StandardScaler(), network), X, y, 2),
        Space.default(EPOCHS),
        budget=Budget(TRIALS, replicates=2),
        sampling=Sampling(),
        recording=Recording(partial(open_record, DEFAULT_STORAGE, NAME)),
    )


def fingerprint(folder: str) -> list[Any]:
    """All of the record that does not tell the time: trials, then the confirmation."""
    study = optuna.load_study(
        storage=open_storage(str(Path(folder, DEFAULT_STORAGE)))[0], study_name=NAME
    )
    trials: list[Any] = [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.intermediate_values,
            {key: value for key, value in trial.user_attrs.items() if key != "seconds"},
        )
        for trial in study.get_trials(deepcopy=False)
    ]
    return [*trials, study.user_attrs["confirmation"]]


@dataclass(frozen=True)
class Killed:
    """One search, gone on with after each of its kills.

    Attributes
    ----------
    kills : int
        How often it was killed.
    mended : int
        How often a torn line or a lock left behind was found.
    same : bool
        Whether it ended as the uninterrupted one.
    left_over : tuple of str
        Files besides the record.
    """

    kills: int
    mended: int
    same: bool
    left_over: tuple[str, ...]


def _going_on(folder: str, told: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        run(folder)
    told.put(sum(issubclass(each.category, RecordWarning) for each in caught))


def killed(expected: list[Any], seconds: float, seed: int) -> Killed:
    """Kill a search at a random instant, and again each time that it goes on, three times at most.

    Parameters
    ----------
    expected : list
        The fingerprint of the uninterrupted search.
    seconds : float
        How long that took.
    seed : int
        Draws the instants.
    """
    rng, context, kills = np.random.default_rng(seed), multiprocessing.get_context("fork"), 0
    with tempfile.TemporaryDirectory() as folder:
        for attempt in range(4):
            told = context.Queue()
            process = context.Process(target=_going_on, args=(folder, told))
            process.start()
            process.join(rng.uniform(0, seconds) if attempt < 3 else None)
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGKILL)
                kills += 1
            process.join()
            if process.exitcode == 0:
                break
        mended = told.get()
        left_over = tuple(path.name for path in Path(folder).iterdir())
        same = process.exitcode == 0 and fingerprint(folder) == expected
    return Killed(kills, mended, same, tuple(set(left_over) - {DEFAULT_STORAGE}))


def uninterrupted() -> tuple[list[Any], float]:
    """Return the fingerprint of an uninterrupted search, and the seconds that it takes."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        process = context.Process(target=run, args=(folder,))
        process.start()
        process.join()
        return fingerprint(folder), time.perf_counter() - begun


def main() -> None:
    """Print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instants", type=int, default=200)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    wanted = options.instants
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    expected, seconds = uninterrupted()
    found: list[Killed] = []
    while sum(each.kills for each in found) < wanted:
        found.append(killed(expected, seconds, seed=len(found)))
    lines = [
        "# Searches killed at random instants",
        "",
        f"`python studies/kills.py --instants {wanted}`: {TRIALS} trials on iris, with "
        f"confirmation; SIGKILL at random instants, up to three in each search; lrtune "
        f"{lrtune.__version__}, optuna {optuna.__version__}, Python {platform.python_version()}.",
        "",
        "| | |",
        "|---|---|",
        f"| searches | {len(found)} |",
        f"| kills | {sum(each.kills for each in found)} |",
        f"| ended with the trials, values and recommendation of an uninterrupted search | "
        f"{sum(each.same for each in found)} |",
        f"| torn lines and locks mended on the last start | {sum(e.mended for e in found)} |",
        f"| searches that left another file than the record | "
        f"{sum(bool(each.left_over) for each in found)} |",
    ]
    print("\n".join(lines))
    options.results.write_text("\n".join(lines) + "\n")
    sys.exit(not all(each.same and not each.left_over for each in found))


if __name__ == "__main__":
    main()
