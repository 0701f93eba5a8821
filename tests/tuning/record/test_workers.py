"""What must happen once in a study that several processes share."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.record import SHARED, Record
from lrtune.tuning.record.workers import draw_worker, once, patience

FACTS = {"dataset": "iris", "version": "1"}
STORAGES = ["record.journal", "sqlite:///record.db"]


def _work(folder: str, storage: str, seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    with Path(folder, "worked").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return {"by": os.getpid()}


def _share(folder: str, storage: str, seconds: float, queue: Any) -> None:
    os.chdir(folder)
    record = Record.resume(storage, "study", FACTS)
    queue.put(once(record, "confirmation", lambda: _work(folder, storage, seconds), of=5, wait=20))


@pytest.mark.parametrize("storage", STORAGES)
def test_one_works_and_the_others_get_what_it_gave(folder: Path, storage: str) -> None:
    Record.create(storage, "study", FACTS)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_share, args=(str(folder), storage, 0.5, queue)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    given = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()

    assert Path("worked").read_text() == f"{given[0]['by']}\n"
    assert given[0] == given[1] == given[2]
    assert optuna.get_all_study_names(Record.resume(storage, "study", FACTS).study._storage) == [
        "study"
    ]


def test_who_comes_late_gets_what_was_given(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    first, late = (
        once(record, "confirmation", lambda by=by: {"by": by}, of=5, wait=60)
        for by in ("first", "late")
    )

    assert first == late == {"by": "first", "of_trials": 5}


def test_a_process_that_died_at_work_is_stood_in_for(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    assert record.claim("study (confirmation of 5 trials, attempt 1)")

    assert once(record, "confirmation", lambda: {"done": True}, of=5, wait=0.1)["done"]
    assert record.noted("confirmation") == {"done": True, "of_trials": 5}


def test_work_that_fails_may_be_tried_by_another(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)

    def fail() -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        once(record, "confirmation", fail, of=5, wait=0.1)

    assert once(record, "confirmation", lambda: {"done": True}, of=5, wait=60)["done"]


def test_joining_is_noted(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)
    record = Record.join("record.journal", "study", FACTS)

    assert record.noted(SHARED) is True


def test_a_worker_of_another_version_is_refused(folder: Path) -> None:
    Record.create("record.journal", "study", FACTS)
    with pytest.raises(InvalidInputError, match="version of lrtune, 1, but this is 2"):
        Record.join("record.journal", "study", FACTS | {"version": "2"})

    assert Record.resume("record.journal", "study", FACTS).noted(SHARED) is None


def test_numbers_of_workers_differ_and_a_wait_is_never_short() -> None:
    assert len({draw_worker() for _ in range(100)}) == 100
    assert draw_worker() > 0
    assert patience([]) == 60


def test_what_was_done_of_fewer_trials_does_not_count(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    once(record, "confirmation", lambda: {"done": 16}, of=16, wait=60)

    assert once(record, "confirmation", lambda: {"done": 32}, of=32, wait=60)["done"] == 32
