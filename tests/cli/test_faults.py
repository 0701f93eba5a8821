"""Full disks, read-only folders, records that vanish: one clear line, and no half of a file."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.full_disk import largest_file

SMALL = ("--trials", "4", "--epochs", "1", "--quiet")
"""A search whose record is smaller than anything else that it writes."""
LITTLE = ("--trials", "4", "--epochs", "1", "--hidden", "8", "--no-confirm", "--quiet")
"""The shortest search, where only its record counts."""
JOURNAL = "lrtune.journal"
N_TRIALS = 40
SEARCH = (
    "search", "iris", "--epochs", "2", "--hidden", "8", "--trials", str(N_TRIALS), "--no-confirm",
)  # fmt: skip
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- a full disk ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "--save model.skops --hidden 200,50",
        pytest.param("--plot safe.svg --hidden 8", marks=pytest.mark.slow),
        pytest.param("--report page.html --hidden 8", marks=pytest.mark.slow),
    ],
)
def test_what_a_search_writes_beside_its_record_is_written_whole_or_not_at_all(
    lrtune: Callable[..., Any], folder: Path, option: str
) -> None:
    with largest_file(20_000):
        run = lrtune("search", "iris", *SMALL, *option.split())

    assert run.code == 2
    assert "Use it:" in run.out
    assert run.err.count("\n") == 1
    assert f"'{option.split()[1]}' gave: File too large" in run.err
    assert names(folder) == [JOURNAL]
    again = lrtune("search", "iris", *SMALL, "--resume", *option.split())

    assert (again.code, again.err) == (0, "")
    assert names(folder) == sorted([JOURNAL, option.split()[1]])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_that_was_there_stays_as_it_was(
    lrtune: Callable[..., Any], folder: Path, ending: str
) -> None:
    path = folder / f"rates.{ending}"
    path.write_text("precious")
    with largest_file(4096):
        run = lrtune("schedule", "--plot", path.name)

    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert f"writable, but 'rates.{ending}' gave: File too large" in run.err
    assert names(folder) == [path.name]
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    "words",
    [
        "export iris --output schedule.py",
        pytest.param("report iris --format png", marks=pytest.mark.slow),
        pytest.param("report iris", marks=pytest.mark.slow),
    ],
)
def test_what_is_written_of_a_study_is_written_whole_or_not_at_all(
    lrtune: Callable[..., Any], folder: Path, words: str
) -> None:
    lrtune("search", "iris", *LITTLE)
    with largest_file(100):
        run = lrtune(*words.split())

    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert "gave: File too large" in run.err
    assert names(folder) == [JOURNAL]


def test_a_search_that_has_no_room_for_a_record_is_refused(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    with largest_file(100):
        run = lrtune("search", "iris", *LITTLE)

    assert (run.code, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert "storage" in run.err
    assert "'lrtune.journal' gave: File too large" in run.err


# --- standard output that is full or closed -------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is none")
@pytest.mark.parametrize(
    "command",
    ["search", *(pytest.param(each, marks=pytest.mark.slow) for each in ("schedule", "--help"))],
)
def test_a_standard_output_that_is_full_is_one_line_and_costs_no_trial(
    lrtune: Callable[..., Any], folder: Path, command: str
) -> None:
    words = (command, "iris", *LITTLE, "--json") if command == "search" else (command,)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        run = subprocess.run(
            [sys.executable, "-m", "lrtune", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert run.stderr == "lrtune: [Errno 28] No space left on device\n"
    assert run.returncode == 1
    if command != "search":
        return
    (study,) = lrtune("studies", "--json").json
    assert sum(study["trials"].values()) == 4


@pytest.mark.slow
def test_a_search_needs_no_standard_streams(lrtune: Callable[..., Any], folder: Path) -> None:
    """What is opened next would else take their numbers, and what is printed go into the record."""
    words = shlex.join([sys.executable, "-m", "lrtune", "search", "iris", *LITTLE[:-1]])
    run = subprocess.run(["/bin/sh", "-c", f"exec {words} <&- >&- 2>&-"])

    assert run.returncode == 0
    (study,) = lrtune("studies", "--json").json
    assert sum(study["trials"].values()) == 4


# --- a record that is lost while a search runs ----------------------------------------------------


BOUND_BY_PERMISSIONS = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({PR_CAPBSET_DROP}, {CAP_DAC_OVERRIDE}, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "lrtune", *sys.argv[1:]])
"""
"""Runs lrtune so that permissions bind root, too; other users cannot do without anyway."""


@contextmanager
def searching(*more: str) -> Iterator[Any]:
    """A search in the current folder, held up half-way; it goes on in the end.

    It looks whether its record is still there before it opens it to lock it, so it must not be
    held up in between.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            BOUND_BY_PERMISSIONS,
            *SEARCH,
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = Path(JOURNAL)
    while not journal.exists() or journal.read_bytes().count(b'"op_code":4') < 16:
        assert process.poll() is None
        time.sleep(0.005)
    while True:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        files = Path(f"/proc/{process.pid}/fd").iterdir()
        n_open = sum(file.readlink() == journal.resolve() for file in files)
        if n_open == 1 and not os.path.lexists(f"{JOURNAL}.lock"):  # neither reads nor writes
            break
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)


def deleted(folder: Path) -> str:
    (folder / JOURNAL).unlink()
    return f"OSError: {folder / JOURNAL} was deleted"


def replaced(folder: Path) -> str:
    content = (folder / JOURNAL).read_bytes()
    (folder / "another").write_bytes(content)
    (folder / "another").replace(folder / JOURNAL)
    return f"OSError: {folder / JOURNAL} was replaced by another file"


def read_only(folder: Path) -> str:
    folder.chmod(0o555)
    return f"PermissionError: [Errno 13] Permission denied: '{folder / JOURNAL}'"


@pytest.mark.slow
@pytest.mark.parametrize("lose", [deleted, replaced, read_only], ids=lambda lose: lose.__name__)
def test_a_search_that_loses_its_record_ends_with_its_result_and_says_so(
    lrtune: Callable[..., Any], folder: Path, lose: Callable[[Path], str]
) -> None:
    with searching("--json") as process:
        before = Path(JOURNAL).read_bytes()
        why = lose(folder)
    out, err = process.communicate(timeout=60)
    folder.chmod(0o755)
    result = json.loads(out)

    assert (process.returncode, "Traceback" in err) == (0, False)
    assert sum(result["trials"].values()) == N_TRIALS
    assert why.removesuffix("'") in result["warnings"][-1]
    assert f"{N_TRIALS} trials, is not recorded" in result["warnings"][-1]
    assert names(folder) == ([] if lose is deleted else [JOURNAL])
    if lose is not deleted:
        assert Path(JOURNAL).read_bytes() == before
        again = lrtune(*SEARCH, "--resume", "--json").json
        assert again["best"] == result["best"]
