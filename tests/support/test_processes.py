"""Workers return results in order, leave Ctrl-C to their parent, and end when it ends."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
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
        return (
            "Z"
            not in Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8")
            .rpartition(")")[2]
            .split()[0]
        )
    except FileNotFoundError:
        return False


def test_results_come_in_the_order_of_the_tasks() -> None:
    with joblib.parallel_config("threading"):
        assert in_processes(abs, [-3, 2, -1], 2) == [3, 2, 1]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs Linux's /proc")
@pytest.mark.slow
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


# --- workers of one task at a time ----------------------------------------------------------------


def slower_first(task: int) -> tuple[int, int]:
    time.sleep(0.2 * (task == 0))
    return task, os.getpid()


def tasks(n: int) -> Iterator[tuple[int, int]]:
    return iter([(10 * task, task) for task in range(n)])


class TwoArguments(Exception):  # noqa: N818
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


def fails(task: int) -> int:
    if task == 2:
        raise KeyError("two")
    return task


def fails_with_an_error_of_its_own(task: int) -> int:
    raise TwoArguments("this", "that")


def test_workers_return_results_in_order_from_processes_of_their_own_that_end() -> None:
    with Workers([{}, {}]) as workers:
        found = list(workers.in_turn(slower_first, tasks(5)))
        again = list(workers.in_turn(slower_first, tasks(1)))
    pids = {pid for _, (_, pid) in found}

    assert [(index, task) for index, (task, _) in found] == [(10 * n, n) for n in range(5)]
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert again[0][1][1] in pids
    assert not any(map(is_running, pids))

    # --- an error ends the turn with the worker's traceback; what came before it is returned
    with Workers([{}]) as workers:
        results = workers.in_turn(fails, tasks(4))
        assert [next(results), next(results)] == [(0, 0), (10, 1)]
        with pytest.raises(KeyError, match="two") as caught:
            next(results)
        assert "raise KeyError(" in str(caught.value.__cause__)

        own = workers.in_turn(fails_with_an_error_of_its_own, tasks(1))
        with pytest.raises(RuntimeError, match="TwoArguments in a worker process") as quoted:
            next(own)
        assert 'raise TwoArguments("this", "that")' in str(quoted.value)


SCRIPT = """
import os
import lrtune

BASE = 1.0  # a function of a script is pickled with what it uses

def train(schedule, seed):
    for epoch in range(3):
        loss = schedule(0) / 100 + BASE / (1 + epoch)
        yield {"loss": loss, "gpu": int(os.environ["CUDA_VISIBLE_DEVICES"]), "pid": os.getpid()}

if __name__ == "__main__":
    result = lrtune.search(train, epochs=3, trainings=12, storage=None, gpus=[5, 7], per_gpu=2)
    metrics = [trial.user_attrs["metrics"] for trial in result.finished]
    print(os.getpid(), *(f"{each['gpu'][0]:.0f}:{each['pid'][0]:.0f}" for each in metrics))
"""


@pytest.mark.slow
def test_a_function_of_a_script_trains_in_processes_that_each_see_one_gpu(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    parent, *found = done.stdout.split()
    gpus = [pair.split(":") for pair in found]
    assert {gpu for gpu, _ in gpus} == {"5", "7"}
    for gpu in "57":  # a process trains one at a time, and no GPU has more than two
        assert len({pid for on, pid in gpus if on == gpu}) <= 2
    assert len({tuple(pair) for pair in gpus}) > 2
    assert parent not in {pid for _, pid in gpus}
    assert not any(is_running(int(pid)) for _, pid in gpus)
