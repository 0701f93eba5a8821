"""Finding the target's column, its task and its usable rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.targets import find_target, read_target


@pytest.mark.parametrize(
    ("target", "column", "note"),
    [
        (None, "c", "target: column 'c', the last"),
        ("b", "b", ""),
        ("0", "a", "target: column 'a', at position 0"),
        ("-1", "c", "target: column 'c', at position -1"),
        ("2", "2", "target: the column named '2', not the one at that position"),
        ("7", "7", ""),
    ],
)
def test_by_name_or_by_position(target: str | None, column: str, note: str) -> None:
    name, notes = find_target(["a", "2", "7", "b", "c"], target)

    assert name == column
    assert "".join(notes).startswith(note)
    assert bool(notes) == bool(note)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["u", "v"] * 5, ["u", "v"]),
        ([-3, 40] * 5, [-3, 40]),
        ([1.0, 2.0, np.nan] * 5, [1, 2]),
        (["1", "2", "NA"] * 5, [1, 2]),
        (["a", "NA"] * 5, ["NA", "a"]),
        ([True, False] * 5, [False, True]),
        ([True, None, False] * 5, [False, True]),
        (["1", "2", "3+"] * 5, ["1", "2", "3+"]),
        ([0.5, 1.5] * 5, ["0.5", "1.5"]),
        (pd.array([5, None, 9] * 5, dtype="Int64"), [5, 9]),
        ([2**53 + 1, 7] * 5, [7, 2**53 + 1]),
    ],
)
def test_classes_keep_their_own_values(values: Any, classes: list[Any]) -> None:
    target = read_target(pd.Series(values, name="y"), "classification")

    assert np.unique(target.y).tolist() == classes
    assert len(target.y) == target.rows.sum()


def test_rows_that_cannot_be_used_are_left_out_and_noted() -> None:
    values = pd.Series(["u", None, "v", "alone", "u", "v", None], name="y")
    target = read_target(values)

    assert target.rows.tolist() == [True, False, True, False, True, True, False]
    assert target.task == "classification"
    assert "2 of 7 rows left out, as column 'y' has no value there" in target.notes[0]
    assert "each the only one of its class" in target.notes[-1]


def test_numbers_written_as_text_make_a_regression() -> None:
    target = read_target(pd.Series([f"{place}.5" for place in range(30)] + ["?", "inf"], name="y"))

    assert target.task == "regression"
    assert len(target.y) == 30


def test_thousands_of_the_target_are_read() -> None:
    target = read_target(pd.Series([f"1.2{place},5" for place in range(10, 40)] + ["?"], name="y"))

    assert (target.task, len(target.y), target.y[0]) == ("regression", 30, 1210.5)
    assert "target: points treated as thousands separators" in target.notes


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        ([f"n{place}" for place in range(10)], "name another `target`, or merge classes"),
        (["only"] * 10, "name another `target`"),
        ([place / 7 for place in range(10)], "name another `target`, or `task='regression'`"),
    ],
)
def test_too_few_classes_name_a_cure_that_helps(values: list[Any], cure: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{cure}$"):
        read_target(pd.Series(values, name="y"), "classification")


def test_a_regression_names_the_text_in_its_way() -> None:
    values = pd.Series(["1", "NA", "cheap", "2"], name="y")
    with pytest.raises(InvalidInputError, match="column 'y' of the table holds 'cheap'"):
        read_target(values, "regression")
