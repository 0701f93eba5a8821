"""What Windows lacks, taken away from Python on another system, for the tests.

`surroundings` makes each process that is started with them begin so, and those that it starts in
turn: no modules, calls and signals that Windows lacks, an encoding of one byte a character, and
msvcrt in place of fcntl. The file system, paths and consoles stay those of this system.
"""

import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
SIGNALS = (
    "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP",
    "SIGUSR1", "SIGUSR2", "alarm", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait",
)  # fmt: skip
CALLS = (
    "fork", "geteuid", "getgid", "getpgid", "getuid", "killpg", "mkfifo", "register_at_fork",
    "sched_getaffinity", "setsid", "statvfs", "waitid",
)  # fmt: skip
CODE_PAGE = "cp1252"


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment variables of a process as on Windows; the folder is to be empty."""
    root = Path(__file__).parents[1]
    start = "from tests.as_on_windows import take_away\ntake_away()\n"
    (folder / "sitecustomize.py").write_text(start, encoding="ascii")
    return os.environ | {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": CODE_PAGE,
        "PYTHONPATH": os.pathsep.join([str(folder), str(root)]),
        "PYTHONUTF8": "0",
    }


def take_away() -> None:
    """Remove from this process what Windows lacks, and add what only Windows has."""
    import multiprocessing.popen_spawn_posix
    import multiprocessing.resource_tracker

    import psutil

    # what works in another way on Windows keeps what it needs here
    multiprocessing.resource_tracker.signal = types.SimpleNamespace(**vars(signal))
    psutil.signal = multiprocessing.resource_tracker.signal
    psutil._psposix.os = types.SimpleNamespace(**vars(os))
    sys.modules["msvcrt"] = stand_in_for_msvcrt()
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for owner, names in ((signal, SIGNALS), (os, CALLS)):
        for name in names:
            if hasattr(owner, name):
                delattr(owner, name)
    multiprocessing.set_start_method("spawn")
    parent, kill = os.getppid(), os.kill
    os.getppid = lambda: parent  # stays the same when the parent ends
    os.kill = lambda pid, number: kill(pid, number) if number else _refuse()  # 0 would be Ctrl-C
    os.symlink = _refuse

    from lrtune.support import system

    system.IS_WINDOWS = True


def _refuse(*_: Any, **__: Any) -> None:
    raise OSError(1314, "Windows does not do this")


def stand_in_for_msvcrt() -> types.ModuleType:
    """Return a module that locks files as msvcrt does, by what this system has."""
    import fcntl

    def locking(descriptor: int, mode: int, n_bytes: int) -> None:
        if mode == module.LK_UNLCK:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(error.errno, "Permission denied") from error

    module: Any = types.ModuleType("msvcrt")
    module.LK_NBLCK, module.LK_UNLCK, module.locking = 2, 0, locking
    return module
