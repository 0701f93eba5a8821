"""One recorded search for the tests of the dashboard, which only read it."""

import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from lrtune.cli import main
from lrtune.review.study import Study
from lrtune.tuning.result import read_result
from tests.dashboard.client import Client

SEARCH = ("search", "iris", "--trials", "24", "--replicates", "3", "--epochs", "5", "--quiet")


@pytest.fixture(scope="session")
def search_words() -> tuple[str, ...]:
    """The command that made the record."""
    return SEARCH


@pytest.fixture(scope="session")
def _recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with chdir(folder):
        main(list(SEARCH))
    return folder / "lrtune.journal"


@pytest.fixture
def journal(_recorded: Path, folder: Path) -> Path:
    """A copy of the record, in an empty current folder."""
    return Path(shutil.copy(_recorded, folder / "lrtune.journal"))


@pytest.fixture
def client(journal: Path) -> Client:
    return Client(journal.name)


@pytest.fixture
def study(journal: Path) -> Study:
    return Study(read_result("iris", journal.name))
