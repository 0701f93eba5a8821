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

from lrtune.support.running import exists, started, this_machine
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Process
from lrtune.tuning.record.storage import lost_connection


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
    return Process(platform.node(), pid, begun, this_machine(), started(pid))


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
    # an older lrtune did not know when it was started, but on Linux
    return not exists(process.pid) or process.started not in ("", started(process.pid))


def is_near(process: Process) -> bool:
    """Return whether a process is on this machine, where it can be looked up."""
    return process.place == this_machine()
