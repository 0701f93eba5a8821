"""Workers return results in order, leave Ctrl-C to their parent, and end when it ends."""

import subprocess
import sys
import time
from pathlib import Path

import joblib
import pytest

from lrtune.support.processes import CHECK_SECONDS, Workers, in_processes

PARENT = """
import os, signal, time
from lrtune.support.processes import in_processes

def work(_):
    time.sleep(0.2)
    return os.getpid(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

results = in_processes(work, range(4), 2)
print(*{pid for pid, _ in results})
print(all(blocked for _, blocked in results), flush=True)
time.sleep(60)
"""
"""Prints its workers' process ids, and whether all of them block SIGINT, and waits."""


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_results_come_in_the_order_of_the_tasks() -> None:
    with joblib.parallel_config("threading"):
        assert in_processes(abs, [-3, 2, -1], 2) == [3, 2, 1]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux's /proc")
def test_workers_leave_ctrl_c_to_their_parent_and_end_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        workers = [int(pid) for pid in run.stdout.readline().split()]
        assert run.stdout.readline() == "True\n"
        assert workers
        assert run.pid not in workers
        assert all(map(is_running, workers))
        run.kill()
    deadline = time.monotonic() + 20 * CHECK_SECONDS
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert not any(map(is_running, workers))


class OddError(Exception):
    """An error whose class cannot make it again from its message."""

    def __init__(self, what: str, when: int) -> None:
        super().__init__(f"{what} at {when}")


def raise_odd(_: int) -> None:
    raise OddError("no memory", 3)


def test_an_error_that_cannot_be_read_again_is_told_all_the_same() -> None:
    with Workers([{}]) as workers, pytest.raises(RuntimeError, match="OddError: no memory at 3"):
        list(workers.in_turn(raise_odd, iter([(0, 0)])))
