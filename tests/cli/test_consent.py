"""A change that cannot be brought back is asked for on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lrtune.cli.consent import ask_back
from lrtune.exceptions import InvalidInputError

ASK = "from lrtune.cli.consent import ask_back; ask_back('Delete?', yes=False); print('done')"


@pytest.mark.parametrize(
    ("answer", "code", "out"), [("y\n", 0, "done\n"), ("n\n", 1, ""), ("\n", 1, "")]
)
def test_only_yes_goes_on(answer: str, code: int, out: str, folder: Path) -> None:
    ours, its = pty.openpty()
    os.write(ours, answer.encode())
    run = subprocess.run(
        [sys.executable, "-c", ASK], stdin=its, capture_output=True, text=True, cwd=folder
    )
    os.close(ours)
    os.close(its)

    assert (run.returncode, run.stdout) == (code, out)
    assert run.stderr.startswith("Delete? [y/N]: ")
    assert ("nothing was changed" in run.stderr) == (code == 1)


def test_without_a_terminal_it_is_refused_unless_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(InvalidInputError, match="add `yes=True`"):
            ask_back("Delete?", yes=False)
        ask_back("Delete?", yes=True)
