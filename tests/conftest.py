"""What several test modules share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


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
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
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
