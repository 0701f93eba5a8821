"""A clock that is set back or forward by hours: same trials, same limits, same locks."""

import datetime
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import FrozenTrial
from sklearn.datasets import load_iris

from lrtune import MLPClassifier
from lrtune.exceptions import RecordWarning
from lrtune.review.report import render_report
from lrtune.tuning.record.record import Record
from lrtune.tuning.result import read_result
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.replicates import make_replicates
from tests.tuning.record.facts import FACTS

HOUR = 3600
JUMPS = (5 * HOUR, -7 * HOUR, 100 * HOUR, -1 * HOUR)
"""Seconds that the clock is off after each block."""


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set all clocks off by a number of seconds."""
    off, real = [0.0], time.time

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return super().now(tz) + datetime.timedelta(seconds=off[0])

    for name in ("lrtune.tuning.blocks", "optuna.storages.journal._storage", "datetime"):
        monkeypatch.setattr(f"{name}.datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: real() + off[0])
    return lambda seconds: off.__setitem__(0, seconds)


def run(open_record: Any, on_progress: Any = None) -> list[FrozenTrial]:
    X, y = load_iris(return_X_y=True)
    network = MLPClassifier((8,), max_iter=2, dtype="float32")
    result = search(
        NetworkTrainer(network, X, y, make_replicates(y, 2, task="classification")),
        Space.default(2, learning_rate_init=(0.01, 10.0)),
        budget=Budget(n_trials=64, replicates=2, timeout=HOUR / 2, confirm=False),
        sampling=Sampling(),
        recording=Recording(open_record),
        on_progress=on_progress,
    )
    return list(result.finished)


def fingerprint(trials: list[FrozenTrial]) -> list[Any]:
    return [(trial.number, trial.state, trial.params, trial.value) for trial in trials]


@pytest.mark.slow
def test_a_clock_that_jumps_changes_no_trial_and_no_time_limit(
    folder: Path, jump: Callable[[float], None]
) -> None:
    expected = fingerprint(run(partial(Record.create, "record.journal", "whole")))

    def on_progress(progress: Any) -> None:
        jump(JUMPS[progress.finished // 16 % len(JUMPS)])
        os.utime("record.journal", (time.time(), time.time()))

    trials = run(partial(Record.create, "record.journal", "jumped"), on_progress)
    begun = [trial.datetime_start for trial in trials]

    assert fingerprint(trials) == expected
    assert begun != sorted(begun)  # the clock did jump
    assert "jumped" in render_report(read_result("jumped", "record.journal"))


@pytest.mark.parametrize("off", [-5 * HOUR, 5 * HOUR])
def test_a_lock_that_is_held_is_waited_for(folder: Path, off: float) -> None:
    record = Record.create("record.journal", "study", FACTS)
    lock = JournalFileSymlinkLock(str(folder / "record.journal"))
    lock.acquire()
    os.utime("record.journal", (time.time() + off, time.time() + off))
    released = threading.Timer(0.5, lock.release)  # fails if it was removed
    released.start()
    record.write_json("key", 1)
    released.join()

    assert record.read_json("key") == 1


@pytest.mark.slow
def test_a_lock_that_is_left_behind_is_not_waited_for_until_its_time_has_come(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    Path("record.journal.lock").symlink_to("record.journal")
    os.utime("record.journal", (time.time() + 5 * HOUR, time.time() + 5 * HOUR))
    with pytest.warns(RecordWarning, match="was removed"):
        record.write_json("key", 1)

    assert record.read_json("key") == 1
