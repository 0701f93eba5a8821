"""A signal to stop ends a search, whatever a library makes of it."""

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from lrtune.tuning.record.storage import open_storage

SEARCH = """
import signal
from lrtune.cli import main
from lrtune.tuning import table_search

class Library:
    def __del__(self):  # what this raises is swallowed
        signal.raise_signal(signal.SIGTERM)

def fail():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        raise ImportError("initialization failed") from error

def load(request, read=table_search.load):
    {what}
    return read(request)

table_search.load = load
main(["search", "iris", "--trials", "16", "--epochs", "1"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        pytest.param("Library()", id="swallowed"),
        pytest.param("fail()", id="another error"),
    ],
)
def test_a_signal_that_comes_while_libraries_are_loaded_ends_the_search(
    folder: Path, what: str
) -> None:
    code = SEARCH.format(what=what)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    journal = folder / "lrtune.journal"

    assert (run.returncode, run.stdout) == (143, "")
    assert run.stderr.endswith("lrtune: interrupted\n")
    if journal.exists():
        study = optuna.load_study(storage=open_storage(str(journal))[0], study_name="iris")
        assert study.trials == []
