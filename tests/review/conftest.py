"""Recorded studies of release 0.1.0, which reviews only read."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lrtune.review.study import Study
from lrtune.tuning.result import read_result

RELEASE = Path(__file__).parents[1] / "release"


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, str], Study]:
    """Read a study from a copy of one of the release's journals."""

    def from_journal(name: str, study: str) -> Study:
        journal = shutil.copy(RELEASE / f"{name}.journal", tmp_path)
        return Study(read_result(study, str(journal)))

    return from_journal


@pytest.fixture
def interrupted(read: Callable[[str, str], Study]) -> Study:
    """A search of iris that was interrupted after 16 of 24 trials, 3 of which diverged."""
    return read("interrupted", "iris")


@pytest.fixture
def regression(read: Callable[[str, str], Study]) -> Study:
    """A confirmed search of a table with a range test; 1 of 6 trials diverged."""
    return read("table", "houses")


@pytest.fixture
def scored(read: Callable[[str, str], Study]) -> Study:
    """A confirmed search in Python that maximised accuracy over further parameters."""
    return read("python", "wide")
