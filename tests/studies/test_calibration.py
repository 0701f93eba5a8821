"""The study of what lrtune states: its quick form, on a few searches, and what it writes."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "studies"


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def study(name: str = "calibration") -> Any:
    return importlib.import_module(name)


@pytest.mark.slow
def test_a_search_holds_and_is_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calibration = study()
    monkeypatch.setattr(calibration, "FRESH", 30)
    monkeypatch.setattr(calibration, "N_TRIALS", 8)
    rows = pd.DataFrame([calibration.check("shuffled", "friedman", "sgd", 1)])
    page = "\n".join(calibration.report(rows))
    calibration.figure_of(rows).savefig(tmp_path / "z.png")

    assert (rows.z.abs() <= 3).all()
    assert rows.diverged.sum() == rows.low_diverged.sum() == rows.high_diverged.sum() == 0
    assert "shuffled folds | 1 |" in page


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["command line", "default", "own loop"])
def test_what_is_stated_holds_on_fresh_trainings(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("two classes", "friedman", "imbalanced")
    calibration = study()
    monkeypatch.setattr(calibration, "FRESH", 60)
    rows = pd.DataFrame(
        [calibration.check(kind, name, "sgd", 7 + place) for place, name in enumerate(names)]
    )

    assert (rows.z.abs() <= 2).sum() >= len(rows) - 1
    assert (rows.z.abs() <= 4).all()
    assert rows.diverged.max() < 0.05
    if "low_diverged" in rows:
        assert rows[["low_diverged", "high_diverged"]].mean(axis=None) < 0.01


@pytest.mark.parametrize("split", ["random", "shuffled", "default", "grouped", "time"])
def test_fresh_replicates_are_not_those_of_the_search(split: str) -> None:
    tables = study("calibration_tables")
    table = tables.Table.of(tables.SOURCES["friedman"], 3, split)
    first = tables.fresh_replicates(table, split, 9)
    rows = np.concatenate([np.concatenate([each.train, each.validation]) for each in first])

    assert len({each.seed for each in first}) == 9
    for each in first:
        assert not set(each.train) & set(each.validation)
        if split == "grouped":
            assert not set(table.groups[each.train]) & set(table.groups[each.validation])
    assert (rows.min() >= table.n_rows) == (split == "time")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_loop_learns_and_repeats_itself(task: str, optimizer: str) -> None:
    from lrtune import Schedule

    tables, loops = study("calibration_tables"), study("calibration_loop")
    source = {"classification": "moons", "regression": "wide"}[task]
    X, y = tables.SOURCES[source].draw(80, 0)
    loop = loops.Loop(X, y, task, optimizer)
    schedule = Schedule(learning_rate_init={"adam": 0.02}.get(optimizer, 0.05))
    losses = list(loop.train(schedule, 3))

    assert losses == list(loop.train(schedule, 3))
    assert losses != list(loop.train(schedule, 4))
    assert losses[-1] < 0.9 * losses[0]
