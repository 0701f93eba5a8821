"""A search killed at any instant, and gone on with, ends as one that was never interrupted."""

import importlib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "studies"


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("kills")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_killed_at_25_random_instants_nothing_is_lost_and_nothing_doubled(kills: Any) -> None:
    expected, seconds = kills.uninterrupted()
    found: list[Any] = []
    while sum(each.kills for each in found) < 25:
        found.append(kills.killed(expected, seconds, seed=len(found)))

    assert all(each.same for each in found)
    assert not any(each.left_over for each in found)
    assert len(expected) == kills.TRIALS + 1
