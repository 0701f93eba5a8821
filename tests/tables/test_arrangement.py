"""Groups and times: taken out of the features, and what says nothing of the rows is refused."""

import numpy as np
import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.arrangement import arrange
from lrtune.tables.dataset import load_dataset
from lrtune.tables.overrides import Overrides

FRAME = pd.DataFrame(
    {
        "who": ["b", "a", None, "b", "a", "c"],
        "number": [7, 7, 8, 9, 9, 9],
        "day": ["2024-03-01", "2024-01-05", "2024-02-01", None, "2023-12-31", "2024-01-05"],
        "x": [0.0, 1, 2, 3, 4, 5],
        "y": [0, 1, 0, 1, 0, 1],
    }
)


def test_without_either_the_table_stays_as_it_is() -> None:
    arranged = arrange(FRAME, "y")

    assert arranged.frame is FRAME
    assert arranged.of_rows(np.ones(6, dtype=bool)) == (None, None)


@pytest.mark.parametrize(
    ("group", "expected", "left_out"),
    [("who", [0, 1, 0, 1, 2], 1), ("number", [0, 0, 1, 2, 2, 2], 0)],
)
def test_groups_are_equal_values(group: str, expected: list[int], left_out: int) -> None:
    arranged = arrange(FRAME, "y", group=group)

    assert arranged.groups is not None
    assert arranged.groups.tolist() == expected
    assert group not in arranged.frame
    assert any("1 of 6 rows left out" in note for note in arranged.notes) == bool(left_out)


def test_a_group_for_each_row_says_nothing() -> None:
    (note,) = arrange(FRAME, "y", group="x").notes

    assert note == (
        "group: column 'x' differs in every row, so that each is held out by itself; it is not a "
        "feature"
    )


def test_rows_are_in_the_order_of_dates_and_those_without_left_out() -> None:
    arranged = arrange(FRAME, "y", time="day")

    assert arranged.frame["x"].tolist() == [4, 1, 5, 2, 0]
    assert arranged.times is not None
    assert arranged.times.tolist() == [0, 1, 1, 2, 3]
    assert "1 of 6 rows left out, as column 'day' has no value there" in arranged.notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "who", "time": "day"}, "`group` and `time` each say .* 'who' and 'day': leave"),
        (
            {"group": "whom"},
            "`group` must be a column of .*, or a position .*, but got 'whom'",
        ),
        ({"time": "y"}, "`time` must be another column than the target, but got 'y' for both"),
        ({"time": "who"}, "`time` must be a column of numbers or dates, but 'who' .* holds 'b'"),
    ],
)
def test_what_is_no_group_or_time_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        arrange(FRAME, "y", **options)


def test_a_time_that_cannot_be_read_is_named() -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 31)] + ["soon"]
    frame = pd.DataFrame({"day": days, "y": range(31)})

    with pytest.raises(InvalidInputError, match=r"'day' of the table .*'soon'|holds 'soon'"):
        arrange(frame, "y", time="day")


def test_a_column_without_values_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'day' of the table has none"):
        arrange(FRAME.assign(day=None), "y", time="day")


def test_groups_and_times_are_those_of_the_rows_that_are_used(folder: object) -> None:
    frame = pd.DataFrame(
        {
            "day": range(40, 0, -1),
            "x": np.arange(40.0),
            "price": [None, *np.arange(39.0)],
        }
    )
    frame.to_csv("prices.csv", index=False)
    timed = load_dataset("prices.csv", time="day")
    grouped = load_dataset("prices.csv", group="day")

    assert timed.times is not None
    assert timed.y.tolist() == list(np.arange(39.0))[::-1]
    assert timed.times.tolist() == list(range(39))
    assert grouped.groups is not None
    assert grouped.groups.tolist() == list(range(1, 40))
    assert [column.name for column in timed.columns] == ["x"]


def test_times_are_read_as_the_user_names_them() -> None:
    days = ["03/04/2015", "05/02/2015", "01/12/2015"]  # days and months cannot be told apart
    frame = pd.DataFrame({"day": days, "x": [1, 2, 3], "y": [0, 1, 0]})
    us = arrange(frame, "y", time="day", overrides=Overrides({"day": "date:%m/%d/%Y"}))
    others = arrange(frame, "y", time="day", overrides=Overrides({"day": "date:%d/%m/%Y"}))

    assert us.frame["x"].tolist() == [3, 1, 2]
    assert others.frame["x"].tolist() == [2, 1, 3]


@pytest.mark.parametrize("group", ["patient", "0", "-3"])
def test_a_column_is_named_or_counted(group: str) -> None:
    frame = pd.DataFrame({"patient": [1, 1, 2], "x": [5, 6, 7], "y": [0, 1, 0]})
    arranged = arrange(frame, "y", group=group)

    assert arranged.groups is not None
    assert arranged.groups.tolist() == [0, 0, 1]
    assert list(arranged.frame) == ["x", "y"]
