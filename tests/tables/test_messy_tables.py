"""Messy tables are read, searched, saved, reported and predicted for: all of them in CI."""

import csv
import io
from collections.abc import Callable, Container
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from lrtune.cli.flags import with_flags
from lrtune.tables.apply import conform, text_columns
from lrtune.tables.columns import Column
from lrtune.tables.dataset import load_dataset
from lrtune.tables.reading import read_table
from lrtune.tuning.result import read_result
from tests.messy_tables import MESSY, Messy, make_table, write_table

QUICK = ("--trials", "2", "--epochs", "1", "--no-confirm", "--replicates", "2", "--hidden", "4")
needs_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow")
SEARCHED = ("everything",)
"""The tables that are always searched, and that have a report, which takes longest."""
READ = [name for name in MESSY if name not in ("wide", "long")]
OLD_MATPLOTLIB = version("matplotlib").startswith("3.8.")
"""It warns of its own dependencies."""


def tables(always: Container[str]) -> pytest.MarkDecorator:
    """Run a test on every table; all but some are slow."""
    needs = {"parquet": [needs_pyarrow]}
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(
                name,
                marks=[*needs.get(name, []), *([] if name in always else [pytest.mark.slow])],
            )
            for name in MESSY
        ],
    )


def load(messy: Messy, folder: Path, **options: Any) -> Any:
    target = dict(zip(messy.options[::2], messy.options[1::2], strict=True)).get("--target")
    return load_dataset(str(write_table(messy, folder)), target=target, **options)


@tables(SEARCHED)
def test_a_messy_table_is_searched_reported_saved_and_predicted_for(
    lrtune: Callable[..., Any], folder: Path, name: str
) -> None:
    messy = make_table(name)
    path = write_table(messy, folder)
    before = path.read_bytes()
    report = ("--report", "report.html") if name in SEARCHED else ()
    run = lrtune(
        "search", path.name, *QUICK, *messy.options, "--save", "model.skops", *report, "--json"
    )
    predicted = lrtune("predict", "model.skops", path.name)

    assert run.code == 0, run.err
    assert run.json["task"] == messy.task
    for note in messy.notes:
        assert note in run.err
    assert predicted.code == 0, predicted.err
    assert len(list(csv.reader(io.StringIO(predicted.out)))) == len(messy.frame) + 1
    assert "Traceback" not in run.err + predicted.err
    if not OLD_MATPLOTLIB:
        assert "warning" not in (run.err + predicted.err).lower()
    assert path.read_bytes() == before
    files = {path.name, "lrtune.journal", "model.skops", *report[1:]}
    assert {file.name for file in folder.iterdir()} == files


@tables(READ)
def test_columns_are_used_or_left_out_as_they_should(folder: Path, name: str) -> None:
    messy = make_table(name)
    dataset = load(messy, folder)
    used = {column.name for column in dataset.columns if column.used}

    assert used >= set(messy.used)
    assert not used & set(messy.dropped)
    assert all(column.done for column in dataset.columns if not column.used)
    assert len(dataset.X) == len(dataset.y)
    if isinstance(dataset.X, pd.DataFrame):
        assert set(dataset.X.columns) == used
    else:
        assert dataset.X.flags.c_contiguous
        assert np.isfinite(dataset.X).all()


@tables(READ)
def test_what_was_learned_on_some_rows_holds_for_all(folder: Path, name: str) -> None:
    """Unseen categories and gaps give finite numbers, and a file read anew gives the same."""
    dataset = load(make_table(name), folder)
    columns = [Column.from_dict(column.to_dict()) for column in dataset.columns]
    path = next(folder.iterdir())
    frame = read_table(str(path), texts=text_columns(columns)).frame
    few = slice(0, len(dataset.X), 3)
    preprocessing = clone(dataset.preprocessing).fit(dataset.X[few])
    numbers = preprocessing.transform(conform(frame, columns))

    assert np.isfinite(numbers).all()
    assert numbers.shape[0] == len(frame)
    if len(frame) == len(dataset.X):
        assert np.array_equal(numbers, preprocessing.transform(dataset.X))


def test_a_search_of_a_messy_table_is_resumed(lrtune: Callable[..., Any], folder: Path) -> None:
    path = write_table(make_table("everything"), folder)
    first = lrtune("search", path.name, *QUICK, "--json").json
    options = ("--separator", "semicolon", "--encoding", "cp1252", "--resume", "--json")
    again = lrtune("search", path.name, *QUICK, *options)
    other = lrtune("search", path.name, *QUICK, "--target", "iso", "--resume")

    assert again.code == 0, again.err
    assert again.json["best"] == first["best"]
    assert other.code == 2


@pytest.mark.slow
def test_trials_do_not_depend_on_the_processes(lrtune: Callable[..., Any], folder: Path) -> None:
    path = write_table(make_table("everything"), folder)
    one, two = (
        lrtune("search", path.name, *QUICK, "--trials", "3", "--jobs", jobs, "--json").json
        for jobs in ("1", "2")
    )

    assert one["best"] == two["best"]
    assert one["search_loss"] == two["search_loss"]


def test_the_record_says_what_was_done(lrtune: Callable[..., Any], folder: Path) -> None:
    path = write_table(make_table("missing_numbers"), folder)
    study = lrtune("search", path.name, *QUICK, "--json").json["study"]
    table = read_result(study, "lrtune.journal").environment.table

    assert list(table.notes) == [with_flags(note) for note in load_dataset(path.name).notes]
    assert [column.name for column in table.columns] == ["size", "age"]


def test_a_seed_gives_one_table() -> None:
    for name in MESSY:
        assert make_table(name, 3).frame.equals(make_table(name, 3).frame)
    assert not make_table("clean", 3).frame.equals(make_table("clean", 4).frame)


def test_skrub_takes_texts_as_well(lrtune: Callable[..., Any], folder: Path) -> None:
    pytest.importorskip("skrub")
    path = write_table(make_table("everything"), folder)
    run = lrtune("search", path.name, *QUICK, "--preprocessor", "skrub", "--json")

    assert run.code == 0, run.err
    assert "warning" not in run.err.lower()
    assert "texts encoded by skrub: 'note'" in run.err
