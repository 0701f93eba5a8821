"""A MariaDB of the tests' own, from Debian's package: started, stopped, started again."""

import os
import shutil
import subprocess
import time
from pathlib import Path

USER, PASSWORD = "me", "s3cr3t"


class MariaDB:
    """A server with its files in a folder, that is reached over a socket in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "socket"
        data, here = f"--datadir={folder / 'data'}", f"--user={USER_OF_FILES}"
        self._run("mariadb-install-db", data, here, "--skip-test-db")
        self._options = (data, here, f"--socket={self.socket}", "--skip-networking")
        self.start()
        self.execute(f"CREATE USER {USER}@localhost IDENTIFIED BY '{PASSWORD}'")
        self.execute(f"GRANT ALL ON *.* TO {USER}@localhost")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        self._process = subprocess.Popen(
            [found("mariadbd"), "--no-defaults", *self._options, "--character-set-server=utf8mb4"],
            stderr=subprocess.DEVNULL,
        )
        while self._client("SELECT 1").returncode:
            assert self._process.poll() is None, "mariadbd does not start"
            time.sleep(0.1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def create(self, name: str, *, character_set: str = "utf8mb4") -> str:
        """Make a database; return its URL."""
        self.execute(f"CREATE DATABASE {name} CHARACTER SET {character_set}")
        return f"mysql+pymysql://{USER}:{PASSWORD}@localhost/{name}?unix_socket={self.socket}"

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name}")

    def execute(self, statement: str) -> None:
        self._client(statement).check_returncode()

    def _client(self, statement: str) -> "subprocess.CompletedProcess[bytes]":
        words = ["--no-defaults", f"--socket={self.socket}", "--execute", statement]
        return subprocess.run([found("mariadb"), *words], capture_output=True)

    @staticmethod
    def _run(command: str, *options: str) -> None:
        subprocess.run([found(command), "--no-defaults", *options], check=True, capture_output=True)


USER_OF_FILES = os.environ.get("USER", "root") if os.geteuid() else "root"


def found(command: str) -> str:
    """Return a command's path: servers lie where only root looks."""
    return shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin") or ""


def is_installed() -> bool:
    return bool(found("mariadbd") and found("mariadb-install-db"))
