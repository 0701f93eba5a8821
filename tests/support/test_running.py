"""What is known of processes, from /proc and from psutil alike."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lrtune.support import running

SLEEPS = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]


@pytest.mark.parametrize("source", ["/proc", "psutil"])
def test_a_process_has_one_start_and_none_once_it_is_dead(
    monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    if source == "psutil":
        pytest.importorskip("psutil")
        monkeypatch.setattr(running, "PROC", Path("nowhere"))
    elif not running.PROC.is_dir():
        pytest.skip("there is no /proc")
    with subprocess.Popen(SLEEPS, stdin=subprocess.PIPE) as process:
        at_first, again = running.started(process.pid), running.started(process.pid)
        assert running.exists(process.pid)
        process.kill()

    assert at_first == again != ""
    assert running.started(os.getpid())
    assert running.started(process.pid) == ""
    assert not running.exists(process.pid)
    assert running.this_machine()


def test_a_process_is_looked_up_on_windows_where_a_signal_would_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("psutil")
    monkeypatch.setattr(running, "IS_WINDOWS", True)
    monkeypatch.setattr(running, "os", None)
    with subprocess.Popen(SLEEPS, stdin=subprocess.PIPE) as process:
        assert running.exists(process.pid)
        process.communicate(b"\n")
    running.wait_for_parent(process.pid)  # it has ended

    assert not running.exists(process.pid)
