"""Work that must happen once in a study that several processes share."""

import multiprocessing
import os
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.record.workers import draw_worker, once, patience
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome
from tests.tuning.record.facts import FACTS


def _work(folder: str, storage: str, seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    with Path(folder, "worked").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return {"by": os.getpid()}


def _share(folder: str, storage: str, seconds: float, queue: Any) -> None:
    os.chdir(folder)
    record = Record.resume(storage, "study", FACTS)
    queue.put(
        once(record, "confirmation", lambda: _work(folder, storage, seconds), n_trials=5, wait=20)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "n_processes"), [("record.journal", 3), ("sqlite:///record.db", 2)]
)
def test_one_process_works_and_the_others_get_its_result(
    folder: Path, storage: str, n_processes: int
) -> None:
    Record.create(storage, "study", FACTS)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_share, args=(str(folder), storage, 0.5, queue))
        for _ in range(n_processes)
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()

    assert Path("worked").read_text(encoding="utf-8") == f"{results[0]['by']}\n"
    assert all(result == results[0] for result in results)
    assert optuna.get_all_study_names(Record.resume(storage, "study", FACTS).study._storage) == [
        "study"
    ]


def test_a_late_process_gets_the_first_ones_result(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    first, late = (
        once(record, "confirmation", lambda by=by: {"by": by}, n_trials=5, wait=60)
        for by in ("first", "late")
    )

    assert first == late == {"by": "first", "of_trials": 5}


def test_another_process_takes_over_from_one_that_died_at_work(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    assert record.claim("study (confirmation of 5 trials, attempt 1)")

    assert once(record, "confirmation", lambda: {"done": True}, n_trials=5, wait=0.1)["done"]
    assert record.read_json("confirmation") == {"done": True, "of_trials": 5}


def test_work_that_failed_can_be_tried_again(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)

    def fail() -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        once(record, "confirmation", fail, n_trials=5, wait=0.1)

    assert once(record, "confirmation", lambda: {"done": True}, n_trials=5, wait=60)["done"]


def test_joining_marks_a_study_as_shared(folder: Path) -> None:
    alone = Record.create("record.journal", "study", FACTS)
    assert not alone.is_shared
    Record.join("record.journal", "study", FACTS)

    assert alone.is_shared


def test_a_worker_of_another_version_is_refused(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)
    with pytest.raises(InvalidInputError, match="version of lrtune, 1, but this is 2"):
        Record.join("record.journal", "study", replace(FACTS, version="2"))

    assert not Record.resume("record.journal", "study", FACTS).is_shared


def test_worker_ids_are_positive_and_differ() -> None:
    ids = {draw_worker() for _ in range(100)}

    assert len(ids) == 100
    assert min(ids) > 0


def test_the_wait_is_a_minute_and_six_times_the_time_of_the_trials() -> None:
    setting = Setting(0.1, "cosine", 0.1)
    outcome = Outcome(setting, np.ones((2, 3)), np.ones(2), 6.0, seconds=5.0)
    trial = to_trial(setting.params, outcome, FACTS.space, (0,), cap=2.0, begun=datetime.now())

    assert patience([]) == 60
    assert patience([trial, trial]) == 120


def test_a_result_of_fewer_trials_does_not_count(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    once(record, "confirmation", lambda: {"done": 16}, n_trials=16, wait=60)

    assert once(record, "confirmation", lambda: {"done": 32}, n_trials=32, wait=60)["done"] == 32
