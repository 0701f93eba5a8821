"""``lrtune delete``."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.processes import at_work, running
from lrtune.tuning.record.record import Record

QUICK = ("search", "iris", "--trials", "2", "--epochs", "1", "--no-confirm", "--quiet")


@pytest.mark.parametrize(
    "storage", ["lrtune.journal", pytest.param("sqlite:///s.db", marks=pytest.mark.slow)]
)
def test_a_study_is_deleted_once_that_is_confirmed(
    lrtune: Callable[..., Any], storage: str
) -> None:
    place = ("--storage", storage)
    for name in ("one", "two"):
        lrtune(*QUICK, "--name", name, *place)
    refused = lrtune("delete", "one", *place)
    kept = [each["study"] for each in lrtune("studies", "--json", *place).json]
    run = lrtune("delete", "one", "--yes", *place)
    left = [each["study"] for each in lrtune("studies", "--json", *place).json]

    assert (refused.code, refused.out) == (2, "")
    assert "no terminal to ask on: add --yes" in refused.err
    assert kept == ["one", "two"]
    assert (run.code, run.err) == (0, f"deleted: study 'one', 2 trials, in {storage}\n")
    assert left == ["two"]


def test_what_is_not_there_or_not_lrtunes_is_refused(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    assert lrtune("delete", "iris", "--yes").code == 2
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    for name, message in {"iris": "a study to delete must exist", "foreign": "use Optuna"}.items():
        run = lrtune("delete", name, "--yes", "--storage", "sqlite:///s.db")

        assert run.code == 2
        assert message in run.err
    assert optuna.get_all_study_names("sqlite:///s.db") == ["foreign"]


@pytest.mark.parametrize("command", [("delete", "iris"), ("rename", "iris", "flowers")])
def test_a_study_at_work_is_left_alone(lrtune: Callable[..., Any], command: tuple[str]) -> None:
    lrtune(*QUICK)
    with at_work(Record.look("lrtune.journal", "iris")):
        run = lrtune(*command, "--yes")

    assert (run.code, run.out) == (2, "")
    assert "wait for it, or end it" in run.err
    assert len(run.err.splitlines()) == 1
    assert lrtune("show", "iris").code == 0


def wait_for(process: Any, n_processes: int) -> None:
    """Wait until so many processes are at work on the study "digits"."""
    n_found = 0
    while n_found < n_processes:
        assert process.poll() is None
        time.sleep(0.1)
        with suppress(InvalidInputError):  # it is not there yet
            n_found = len(running(Record.look("lrtune.journal", "digits")))


@pytest.mark.slow
def test_a_running_search_and_worker_are_at_work_until_they_are_killed(
    lrtune: Callable[..., Any], start: Callable[..., Any]
) -> None:
    words = ("delete", "digits", "--yes")
    search = start("search", "digits", "--trials", "512", "--jobs", "1", "--quiet")
    wait_for(search, 1)
    searched = lrtune(*words)
    worker = start("worker", "--name", "digits", "--jobs", "1", "--quiet")
    wait_for(worker, 2)
    search.kill()
    search.communicate()
    helped = lrtune(*words)
    worker.kill()
    worker.communicate()

    assert (searched.code, helped.code) == (2, 2)
    assert f"process {search.pid} " in searched.err
    assert f"process {worker.pid} " in helped.err
    assert lrtune(*words).code == 0
