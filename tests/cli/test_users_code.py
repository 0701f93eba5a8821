"""The user's code: its output goes to standard error, its errors are shown as its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from lrtune.cli.users_code import own_traceback, users_code
from lrtune.exceptions import InvalidInputError

PRINTS = """
import os, subprocess, sys
from lrtune.cli.users_code import users_code
with users_code("script.py"):
    print("python", flush=True)
    os.write(1, b"descriptor\\n")
    subprocess.run(["echo", "process"])
print("result")
"""


def test_whatever_it_prints_goes_to_standard_error(folder: Path) -> None:
    run = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True)

    assert run.stdout == "result\n"
    assert run.stderr.split() == ["python", "descriptor", "process"]


def failing(folder: Path) -> tuple[str, Callable[[], None]]:
    """Return the path of a script, and a function in it that fails."""
    path = folder / "script.py"
    path.write_text("def fail():\n    {}['x']\n")
    names: dict[str, Callable[[], None]] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102
    return str(path), names["fail"]


def test_its_error_ends_with_its_own_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, fail = failing(folder)
    with pytest.raises(SystemExit) as stop, users_code("script.py"):
        fail()
    out, err = capsys.readouterr()

    assert (stop.value.code, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert f'  File "{path}", line 2, in fail\n' in err
    assert "users_code.py" not in err.replace("test_users_code.py", "")
    assert err.endswith("KeyError: 'x'\n")


def test_errors_of_lrtune_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for error in (InvalidInputError("a rule"), ZeroDivisionError("a bug of lrtune's")):
        with pytest.raises(type(error)), users_code("script.py"):
            raise error

    assert capsys.readouterr().err == ""


def test_output_is_restored_after_an_error(folder: Path) -> None:
    before, stdout = os.fstat(1), sys.stdout
    with pytest.raises(InvalidInputError), users_code("script.py"):
        raise InvalidInputError("a rule")

    assert (os.fstat(1).st_ino, sys.stdout) == (before.st_ino, stdout)


def test_frames_of_lrtune_are_left_out(folder: Path) -> None:
    from lrtune.tuning.trainers.training_run import Run, run_training

    path, fail = failing(folder)
    run = Run(lambda _schedule, _seed: fail(), None, 0, {}, 3)  # type: ignore[arg-type]
    with pytest.raises(KeyError) as caught:
        run_training(run)
    text = own_traceback(caught.value)

    assert path in text
    assert "training_run" not in text


def test_a_process_that_was_killed_is_told_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), users_code("script.py"):
        raise BrokenProcessPool("a traceback of joblib's")
    told = capsys.readouterr().err

    assert told.startswith("lrtune: a process that trains was ended")
    assert told.count("\n") == 1
