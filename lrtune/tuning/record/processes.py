"""The processes at work on a study: each enters itself in the record, and leaves at its end.

One that was killed has not left; on its own machine it is known not to run any more.
"""

from __future__ import annotations

import os
import platform
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Process
from lrtune.tuning.record.storage import lost_connection

PROC = Path("/proc")
_STARTED = 18
"""Index of a process's start, in the machine's ticks, after its state (man proc_pid_stat)."""


@contextmanager
def at_work(record: Record) -> Iterator[None]:
    """Enter this process in a record while the block runs."""
    key = f"{Process.PREFIX}{secrets.token_hex(4)}"
    record.write_json(key, this_process().to_json())
    try:
        yield
    finally:  # at once, as a lost record has been waited for
        with suppress(OSError, KeyError, ValueError, *lost_connection(record.storage)):
            record.study.set_user_attr(key, None)


def this_process() -> Process:
    """Return this process, as a record holds it."""
    begun = datetime.now().astimezone().isoformat(timespec="seconds")
    pid = os.getpid()
    return Process(platform.node(), pid, begun, _place(), _started(pid))


def running(record: Record) -> list[Process]:
    """Return the processes at work on a study, and those on other machines that may be."""
    entered = record.study.user_attrs.items()
    processes = (
        Process.from_json(values)
        for key, values in entered
        if key.startswith(Process.PREFIX) and values is not None
    )
    return [process for process in processes if not has_ended(process)]


def has_ended(process: Process) -> bool:
    """Return whether a process is known not to run any more; False for another machine's."""
    if not is_near(process):
        return False
    try:
        os.kill(process.pid, 0)  # sends nothing
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's
    return _started(process.pid) != process.started


def is_near(process: Process) -> bool:
    """Return whether a process is on this machine, where it can be looked up."""
    return process.place == _place()


def _place() -> str:
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return platform.node()


def _started(pid: int) -> str:
    """Return when a process was started; "" if it is unknown, or if the process is dead."""
    try:
        state, *fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[_STARTED]
