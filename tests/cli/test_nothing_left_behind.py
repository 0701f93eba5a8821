"""However a run ends, it leaves its record, what it was asked to write, and nothing else."""

import fcntl
import gc
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.tuning.confirm.result import Confirmation
from lrtune.tuning.record.storage import open_storage
from tests.iris import X, Y

QUICK = ("--epochs", "2", "--hidden", "8")
LONG = ("search", "iris", *QUICK, "--trials", "100000", "--no-confirm", "--quiet")
"""A search that is still running when its signal comes."""
JOURNAL = "lrtune.journal"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
PATIENCE = 60
"""Seconds after which a test gives up."""


def until(is_so: Callable[[], Any]) -> Any:
    """What it gives, once that is something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


class Run:
    """The command line in a session of its own, as a terminal has it."""

    def __init__(self, folder: Path, *words: str, stderr: int = subprocess.PIPE) -> None:
        self.folder, self.temporary = folder, folder.with_name(f"{folder.name}-tmp")
        self.folder.mkdir(exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        self.mark = f"LRTUNE_TEST={secrets.token_hex(16)}"
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lrtune", *words],
            cwd=folder,
            env=os.environ | {name: value, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    def alive(self) -> dict[int, str]:
        """The processes that run, it or what it started, by number; they inherit the mark."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (process / "environ").read_bytes().decode().split("\0"):
                    found[int(process.name)] = (process / "cmdline").read_text()
            except OSError:  # ended meanwhile, or another user's
                continue
        return found

    def trials(self) -> int:
        """About how many its record holds."""
        journal = self.folder / JOURNAL
        return journal.read_bytes().count(b'"op_code":4') if journal.exists() else 0

    def ctrl_c(self) -> None:
        """A terminal sends it to all processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, *kept: str) -> tuple[int, str]:
        """Its exit status and what it said, once it has ended; nothing must be left but files."""
        _, told = self.process.communicate(timeout=PATIENCE)
        until(lambda: not self.alive())  # the last of them ends a moment after the first
        own = re.compile(rf"loky-{self.process.pid}-|folder_{self.process.pid}_")
        shared = [path for path in SHARED_MEMORY.iterdir() if own.search(path.name)]

        assert sorted(path.name for path in self.folder.iterdir()) == sorted(kept)
        assert list(self.temporary.iterdir()) == []
        assert shared == []
        return self.process.returncode, told


def imports(process: int) -> bool:
    """Whether a process has come as far as importing numpy."""
    return "_multiarray_umath" in Path(f"/proc/{process}/maps").read_text(encoding="utf-8")


def large_table(folder: Path) -> str:
    """A table that joblib hands to its processes by way of a temporary file."""
    folder.mkdir()
    rows = np.random.default_rng(0).integers(0, 9, (12_000, 41))
    header = ",".join([f"x{i}" for i in range(40)] + ["y"])
    rows[:, -1] = rows[:, 0] > 4
    np.savetxt(folder / "large.csv", rows, "%d", ",", header=header, comments="")
    return "large.csv"


# --- endings --------------------------------------------------------------------------------------


REFUSAL = ("--report", "'mine.html' exists", "a new file", "name another")


def refused(folder: Path) -> None:
    bad = Run(folder, "search", "iris", "--epochs", "none")

    code, told = bad.end()

    assert code == 2
    assert [word for word in ("--epochs", "'none'", "integer") if word not in told] == []
    (folder / "mine.html").touch()
    there = Run(folder, "search", "iris", *QUICK, "--report", "mine.html")

    code, told = there.end("mine.html")

    assert code == 2
    assert [part for part in REFUSAL if part not in told] == []


def interrupted(folder: Path) -> None:
    run = Run(folder, *LONG)
    until(run.trials)
    run.ctrl_c()

    assert run.end(JOURNAL)[0] == 130


def terminated(folder: Path) -> None:
    run = Run(folder, *LONG)
    until(run.trials)
    run.process.terminate()

    assert run.end(JOURNAL)[0] == 143


def out_of_time_then_helped_then_shown(folder: Path) -> None:
    search = Run(folder, "search", "iris", *QUICK, "--trials", "10", "--timeout", "0.00001")

    assert search.end(JOURNAL)[0] == 0
    worker = Run(folder, "worker", "--name", "iris")

    assert worker.end(JOURNAL)[0] == 0
    assert worker.trials() == 10
    if find_spec("optuna_dashboard"):
        dashboard = Run(folder, "dashboard", "--port", "0")
        assert dashboard.process.stdout is not None
        while dashboard.process.stdout.readline() != "Ctrl-C stops it\n":
            assert dashboard.process.poll() is None
        dashboard.ctrl_c()

        assert dashboard.end(JOURNAL) == (0, "stopped\n")


def finished_with_two_jobs(folder: Path) -> None:
    table = large_table(folder)
    few = ("--epochs", "1", "--hidden", "4", "--batch-size", "3000", "--trials", "8")
    report = ("--no-confirm", "--report", "large.html")
    run = Run(folder, "search", table, *few, "--jobs", "2", *report)
    until(lambda: len(run.alive()) >= 3)

    assert run.end(table, JOURNAL, "large.html")[0] == 0


def interrupted_with_two_jobs(folder: Path) -> None:
    run = Run(folder, *LONG, "--jobs", "2")
    until(run.trials)
    run.ctrl_c()
    code, told = run.end(JOURNAL)

    assert code == 130
    assert "Traceback" not in told


def interrupted_while_two_jobs_start(folder: Path) -> None:
    run = Run(folder, *LONG, "--jobs", "2")
    until(lambda: any("Loky" in words and imports(job) for job, words in run.alive().items()))
    run.ctrl_c()
    code, told = run.end(JOURNAL)

    assert code == 130
    assert "Traceback" not in told


def terminated_with_two_jobs(folder: Path) -> None:
    run = Run(folder, *LONG, "--jobs", "2")
    until(run.trials)
    run.process.terminate()

    assert run.end(JOURNAL)[0] == 143


def killed_with_two_jobs(folder: Path) -> None:
    run = Run(folder, *LONG, "--jobs", "2")
    until(run.trials)
    run.process.kill()
    run.process.wait(PATIENCE)
    for lock in folder.glob(f"{JOURNAL}.lock*"):  # which the next run would take away
        lock.unlink()

    assert run.end(JOURNAL)[0] == -9


FAST = (refused, interrupted)
SLOW = (
    terminated,
    out_of_time_then_helped_then_shown,
    finished_with_two_jobs,
    interrupted_with_two_jobs,
    interrupted_while_two_jobs_start,
    terminated_with_two_jobs,
    killed_with_two_jobs,
)
ENDINGS = (*FAST, *(pytest.param(ending, marks=pytest.mark.slow) for ending in SLOW))


@pytest.fixture(scope="module")
def endings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Any], "Future[None]"]]:
    """Run all endings that are selected, three at a time, and return what becomes of each."""
    folder = tmp_path_factory.mktemp("endings")
    selected = (*FAST, *SLOW) if request.config.getoption("slow") else FAST
    with ThreadPoolExecutor(3) as pool:
        futures = {ending: pool.submit(ending, folder / ending.__name__) for ending in selected}
        yield futures.__getitem__


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
def test_no_process_file_or_lock_is_left_behind(
    endings: Callable[[Any], "Future[None]"], ending: Any
) -> None:
    endings(ending).result()


# --- a second signal ------------------------------------------------------------------------------


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more: who writes into it waits."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, bytes(4096))
    return read, write


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    (line,) = (
        line
        for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("SigCgt:")
    )
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_second_signal_ends_it_at_once_and_keeps_what_is_recorded(
    folder: Path, lrtune: Callable[..., Any], number: signal.Signals
) -> None:
    """It comes while the first is answered, which takes for ever, as nobody reads the answer."""
    read, write = full_pipe()
    words = ("search", "iris", *QUICK, "--no-confirm", "--quiet", "--json")
    run = Run(folder / "run", *words, "--trials", "100000", stderr=write)
    until(run.trials)
    run.process.send_signal(number)
    until(lambda: not catches(run.process.pid, number))
    run.process.send_signal(number)
    run.process.wait(PATIENCE)
    os.close(write)
    os.close(read)
    os.chdir(run.folder)

    assert run.end(JOURNAL)[0] == -number
    n_trials = run.trials()
    resumed = lrtune(*words, "--trials", str(n_trials + 2), "--resume")

    assert sum(resumed.json["trials"].values()) == n_trials + 2
    assert resumed.err == ""


@pytest.mark.slow
def test_stopped_while_it_confirms_it_is_gone_on_with(
    folder: Path, lrtune: Callable[..., Any]
) -> None:
    words = ("search", "iris", "--hidden", "8", "--trials", "16", "--epochs", "30", "--json")
    run = Run(folder / "run", *words)
    until(lambda: run.trials() == 16)
    run.ctrl_c()
    os.chdir(run.folder)

    assert run.end(JOURNAL)[0] == 130
    study = optuna.load_study(storage=open_storage(JOURNAL)[0], study_name="iris")
    assert Confirmation.KEY not in study.user_attrs
    assert lrtune(*words, "--resume").json["confirmed_loss"] > 0


# --- in a program ---------------------------------------------------------------------------------


def open_files() -> list[str]:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sorted(str(link.readlink()) for link in links)


@pytest.mark.parametrize(
    "storage",
    [
        "record.journal",
        *(pytest.param(each, marks=pytest.mark.slow) for each in (None, "sqlite:///record.db")),
    ],
)
def test_a_fit_leaves_no_thread_and_no_open_file(folder: Path, storage: str | None) -> None:

    def fit() -> None:
        network = MLPClassifier((8,), max_iter=2)
        LearningRateSearchCV(
            network, n_trials=4, storage=storage, confirm=False, random_state=0
        ).fit(X, Y)
        gc.collect()

    fit()  # what is imported and opened once
    threads, files = threading.enumerate(), open_files()
    fit()

    assert threading.enumerate() == threads
    assert open_files() == files
