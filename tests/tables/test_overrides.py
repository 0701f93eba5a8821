"""Kinds of columns that a user names."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.dataset import load_dataset
from lrtune.tables.overrides import NO_OVERRIDES, Overrides


def write(folder: Path, **columns: Any) -> str:
    path = folder / "t.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def test_a_kind_that_is_given_counts_more_than_the_values(folder: Path) -> None:
    table = write(
        folder,
        code=["7", "12", "7", "31"] * 10,
        zip=["01234", "98765"] * 20,
        day=["03/04/2015", "05/02/2023"] * 20,
        x=range(40),
        y=["u", "v"] * 20,
    )
    kinds = {"code": "category", "zip": "number", "day": "date:%m/%d/%Y", "x": "drop"}
    dataset = load_dataset(table, columns=kinds)
    columns = {column.name: column for column in dataset.columns}

    assert {name: columns[name].kind for name in columns} == {
        "code": "category",
        "zip": "number",
        "day": "date",
        "x": "dropped",
    }
    assert isinstance(dataset.X, pd.DataFrame)
    assert dataset.X["zip"].tolist()[:2] == [1234, 98765]
    assert dataset.X["day"][0] == pd.Timestamp("2015-03-04")
    assert "columns dropped, as `columns` says so: 'x'" in dataset.notes


def test_few_of_the_values_may_be_of_the_kind(folder: Path) -> None:
    dataset = load_dataset(
        write(folder, a=["1", "x", "y", "2"] * 10, y=["u", "v"] * 20), columns={"a": "number"}
    )

    assert dataset.columns[0].missing == 20


@pytest.mark.parametrize(
    ("kind", "task"), [("number", "regression"), ("category", "classification")]
)
def test_the_kind_of_the_target_is_its_task(folder: Path, kind: str, task: str) -> None:
    table = write(folder, x=range(40), y=[1, 2, 3, 4] * 10)

    assert load_dataset(table, columns={"y": kind}).task == task


def test_columns_to_read_as_text() -> None:
    kinds = {"a": "category", "b": "number", "c": "date:%Y", "d": "drop", "e": "text"}

    assert Overrides(kinds).texts == ("a", "c", "e")
    assert NO_OVERRIDES.kind_of("a", pd.Series([1])) is None


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"a": "number"}, "column 'a' as number, but it holds none, for example 'north'"),
        ({"a": "date"}, "column 'a' as date, but it holds none"),
        ({"a": "date:%Y"}, "column 'a' as date:%Y, but it holds none"),
        ({"b": "number"}, "must name columns of .*, but got 'b'; its columns are 'a', 'y'"),
        ({"y": "drop"}, "cannot drop the target, but names 'y'"),
        ({"a": "names"}, "must name one of number, .*, but got 'names' for 'a'"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(
    folder: Path, kinds: dict[str, str], message: str
) -> None:
    table = write(folder, a=["north", "south"] * 20, y=["u", "v"] * 20)
    with pytest.raises(InvalidInputError, match=message):
        load_dataset(table, columns=kinds)
