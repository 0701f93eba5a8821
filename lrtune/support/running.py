"""The processes that run on this machine: which there are, since when, and until when.

On Linux /proc tells more than psutil, which is therefore needed elsewhere only.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from lrtune.support.system import IS_WINDOWS

PROC = Path("/proc")
CHECK_SECONDS = 0.5
"""Seconds between checks of a process that its parent is still running."""
_STARTED = 18
"""Index of a process's start, in the machine's ticks, after its state (man proc_pid_stat)."""


def this_machine() -> str:
    """Return what tells this machine, since it was started, from others that share a record."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return platform.node()


def exists(pid: int) -> bool:
    """Return whether a process has this id, be it dead and not yet waited for."""
    if IS_WINDOWS:  # where os.kill(pid, 0) is Ctrl-C
        return bool(import_module("psutil").pid_exists(pid))
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def started(pid: int) -> str:
    """Return when a process was started; "" if it is unknown, or if the process is dead."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return "" if PROC.is_dir() else _started_by_psutil(pid)
    state, *fields = text.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[_STARTED]


def _started_by_psutil(pid: int) -> str:
    try:
        psutil = import_module("psutil")
    except ImportError:  # a Linux without /proc
        return ""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return f"{process.create_time():.2f}"
    return ""


def wait_for_parent(parent: int) -> None:
    """Return when this process's parent has ended."""
    if IS_WINDOWS:  # where the parent's id stays the same
        psutil = import_module("psutil")
        with suppress(psutil.NoSuchProcess):
            psutil.Process(parent).wait()
        return
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
