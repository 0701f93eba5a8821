"""lrtune's main paths with what Windows lacks taken away: see `tests.as_on_windows`.

The parts of Windows that cannot be had elsewhere, its file system and consoles, are not tested.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lrtune.support.system import IS_WINDOWS
from tests.as_on_windows import surroundings

Words = tuple[str, ...]
LRTUNE = (sys.executable, "-m", "lrtune")
SEARCH = (*LRTUNE, "search", "iris", "--trials", "8", "--epochs", "2", "--storage", "x.journal")
RESUMED = (*SEARCH, "--trials", "16", "--resume", "--no-confirm")
WORKER = (*LRTUNE, "worker", "--storage", "x.journal", "--name", "iris")
COMMANDS = """
import sys
from lrtune.cli import main
import lrtune.support.blas, signal
assert not hasattr(signal, "pthread_sigmask")
for words in (
    "show iris --storage x.journal",
    "report iris --storage x.journal",
    "export iris --storage x.journal --to torch",
    "schedule --decay cosine --decay-rate 0.1 --epochs 3",
    "studies --storage x.journal",
):
    main(words.split())

from lrtune.dashboard.server import make_application, make_server
from lrtune.tuning.record.storage import open_storage
import threading, urllib.request
server = make_server(make_application(open_storage("x.journal")[0], "x.journal"), 0)
threading.Thread(target=server.handle_request, daemon=True).start()
print(urllib.request.urlopen(f"{server.address}/api/studies").status, "from the dashboard")
"""
TRAIN = """
import time

def train(schedule, seed):  # Wörter
    for epoch in range(3):
        time.sleep(0.05)
        yield schedule(epoch) + 1 / (1 + epoch)
"""
INTERRUPTED = """
import _thread, sys, threading, time
from pathlib import Path
from lrtune.cli import main

def interrupt():
    while not Path("c.journal").exists() or Path("c.journal").read_bytes().count(b"\\n") < 8:
        time.sleep(0.02)
    _thread.interrupt_main()

if __name__ == "__main__":
    threading.Thread(target=interrupt, daemon=True).start()
    main("search train.py --epochs 3 --trials 4000 --storage c.journal --jobs 2".split())
"""


@pytest.fixture
def on_windows(folder: Path) -> Callable[..., "subprocess.Popen[str]"]:
    (folder / "start").mkdir()
    environment = surroundings(folder / "start")

    def start(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            words,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="cp1252",
        )

    return start


def done(*processes: "subprocess.Popen[str]") -> list[tuple[str, str]]:
    """Return what successful processes printed."""
    texts = [process.communicate() for process in processes]
    for process, (_, error) in zip(processes, texts, strict=True):
        assert process.returncode == 0, error
        assert "Traceback" not in error
    return texts


def test_this_is_the_system_that_python_says() -> None:
    assert (sys.platform == "win32") == IS_WINDOWS


@pytest.mark.slow
def test_a_search_is_resumed_helped_and_shown_as_on_windows(
    folder: Path, on_windows: Callable[..., "subprocess.Popen[str]"]
) -> None:
    pytest.importorskip("optuna_dashboard")
    ((first, _),) = done(on_windows(*SEARCH, "--jobs", "2", "--json"))
    done(on_windows(*RESUMED))
    done(on_windows(*WORKER), on_windows(*WORKER))
    ((shown, _),) = done(on_windows(sys.executable, "-c", COMMANDS))

    assert json.loads(first)["trials"]["failed"] == 0
    assert "200 from the dashboard" in shown
    assert "learning_rate_init" in shown
    assert (folder / "iris.html").read_text("utf-8").startswith("<!")
    assert not (folder / "x.journal.lock").exists()


@pytest.mark.slow
def test_ctrl_c_ends_a_search_as_on_windows(
    folder: Path, on_windows: Callable[..., "subprocess.Popen[str]"]
) -> None:
    (folder / "train.py").write_bytes(TRAIN.replace("\n", "\r\n").encode("utf-8"))
    (folder / "run.py").write_text(INTERRUPTED, encoding="utf-8")
    run = on_windows(sys.executable, "run.py")
    _, error = run.communicate()

    assert run.returncode == 130, error
    assert "--name train --resume" in error
    assert "Traceback" not in error
