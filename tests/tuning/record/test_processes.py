"""Who is at work on a study: entered, left, killed, or on another machine."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lrtune.tuning.record.processes import at_work, has_ended, is_near, running, this_process
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Process
from tests.tuning.record.facts import FACTS

WAIT = """
from lrtune.tuning.record.processes import at_work
from lrtune.tuning.record.record import Record
with at_work(Record.look("record.journal", "study")):
    print("entered", flush=True)
    input()
"""


@pytest.mark.parametrize("storage", ["record.journal", "sqlite:///record.db"])
def test_a_process_is_at_work_until_it_leaves_also_by_an_error(folder: Path, storage: str) -> None:
    record = Record.create(storage, "study", FACTS)
    with at_work(record), at_work(record):
        found = running(Record.look(storage, "study"))
    with pytest.raises(KeyboardInterrupt), at_work(record):
        raise KeyboardInterrupt

    assert [process.pid for process in found] == [os.getpid()] * 2
    assert running(record) == []


def test_one_that_was_killed_is_not_at_work(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "entered\n"
        (found,) = running(record)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        dead = has_ended(found)  # it still has its id

    assert found.pid == process.pid
    assert dead
    assert has_ended(found)
    assert running(record) == []


def test_a_later_process_of_the_same_id_is_another_one() -> None:
    mine = this_process()

    assert not has_ended(mine)
    assert has_ended(replace(mine, started=f"{mine.started}0"))


def test_one_on_another_machine_may_be_at_work() -> None:
    elsewhere = replace(this_process(), place="another machine", pid=1)

    assert not is_near(elsewhere)
    assert not has_ended(elsewhere)


def test_one_that_cannot_leave_as_its_record_is_lost_raises_nothing(folder: Path) -> None:
    record = Record.create("record.journal", "study", FACTS)
    with at_work(record):
        Path("record.journal").unlink()

    assert not Path("record.journal").exists()


def test_it_reads_back_from_json() -> None:
    mine = this_process()

    assert Process.from_json(mine.to_json()) == mine
