"""Fixtures that several test modules share, and the choice of tests that run.

A test marked ``slow`` runs in CI (or with ``--slow``) only; a fast form of it always runs.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.mariadb import MariaDB, is_installed

os.environ.setdefault("OMP_NUM_THREADS", "1")  # those of several processes wait for each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow",
        action="store_true",
        default="CI" in os.environ,
        help="run the tests that are marked slow, too; so does the environment variable CI",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-xdist from putting the files with fewest tests last, some of which take long.

    Without the slow tests, properties are tried on fewer examples.
    """
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if not config.getoption("slow", default=False):
        settings.register_profile("quick", max_examples=25)
        settings.load_profile("quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect slow tests, which pytest's summary counts, and put the files with most first.

    So no worker is left with a long file at the end.
    """
    n_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -n_slow[item.path])
    if config.getoption("slow", default=False):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)


@dataclass(frozen=True)
class Run:
    """A finished run of the command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, which a script in it adds to the path of this test alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture
def lrtune(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Run the command line in this process, in an empty folder."""
    from lrtune.cli import main

    def run(*words: str) -> Run:
        capsys.readouterr()
        code = 0
        try:
            main(list(words))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture
def start(folder: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start the command line as a process of its own, in an empty folder."""

    def popen(*words: str, cwd: Path = folder) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lrtune", *words],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    return popen


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """Start a MariaDB."""
    pytest.importorskip("pymysql")
    if not is_installed():
        pytest.skip("MariaDB is not installed")
    with tempfile.TemporaryDirectory() as place:
        server = MariaDB(Path(place))
        yield server
        server.stop()
