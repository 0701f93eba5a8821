"""A MariaDB of a study's own, where Debian's package mariadb-server is installed."""

import getpass
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def is_installed() -> bool:
    """Whether there are a server and its driver."""
    return bool(_found("mariadbd")) and find_spec("pymysql") is not None


@contextmanager
def running_server() -> Iterator[tuple[str, int]]:
    """Start a MariaDB; yield its URL, and the id of its process."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder, "socket")
        own = ("--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}")
        _run("mariadb-install-db", *own, "--auth-root-authentication-method=normal").wait()
        server = _run("mariadbd", *own, f"--socket={socket}", "--skip-networking")
        create = ("--user=root", "--execute=CREATE DATABASE studies CHARACTER SET utf8mb4")
        try:
            while _run("mariadb", "--no-defaults", f"--socket={socket}", *create).wait():
                assert server.poll() is None, "it does not start"
                time.sleep(0.1)
            yield f"mysql+pymysql://root@localhost/studies?unix_socket={socket}", server.pid
        finally:
            server.terminate()
            server.wait()


def _run(command: str, *options: str) -> "subprocess.Popen[bytes]":
    quiet = subprocess.DEVNULL
    return subprocess.Popen([_found(command), *options], stdout=quiet, stderr=quiet)  # noqa: S603


def _found(command: str) -> str:
    """Path of a command; servers lie where only root looks."""
    return shutil.which(command) or shutil.which(command, path="/usr/sbin") or ""
