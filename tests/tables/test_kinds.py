"""Recognising the kinds of columns, and converting their values."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.kinds import (
    KINDS,
    Kind,
    as_booleans,
    as_numbers,
    as_texts,
    convert,
    find_kind,
    is_boolean,
    text_counts,
)
from lrtune.tables.number_format import NumberFormat


def test_every_kind_keeps_the_rows_and_gaps_of_a_column() -> None:
    values = pd.Series(["2024-01-01", None, "x"], index=[7, 8, 9])
    for name in KINDS:
        converted = convert(values, Kind(name, dates=("ISO8601",)))

        assert list(converted.index) == [7, 8, 9]
        assert converted.isna()[8]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1.5", "-2e3", "?", "inf", None], [1.5, -2000, None, None, None]),
        (pd.to_timedelta(["1min", "2s"]), [60, 2]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
    ],
)
def test_numbers(values: Any, numbers: list[float | None]) -> None:
    expected = pd.Series(numbers, dtype=np.float64)

    pd.testing.assert_series_equal(as_numbers(pd.Series(values)), expected)


def test_typographic_marks_are_read_as_plain_ones() -> None:
    values = pd.Series(["1\u2019234", "1\u202f234", "1\u00a0234"])

    assert as_numbers(values, NumberFormat(".")).tolist() == [1234] * 3


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1, 2.5], "number"),
        (["1", "2", "NA", "?"], "number"),
        (["1"] * 9 + ["x"], "number"),
        (["1"] * 8 + ["x"], "category"),
        ([None, "NA"], "category"),
        (["007", "011"], "category"),
        (["3.10", "3.1"] * 9, "category"),
        ([20240229, 20231231], "date"),
        (pd.date_range("2020-01-30", periods=4), "date"),
        (pd.Categorical([1, 2]), "category"),
        (["a", "b"], "category"),
        ([True, None], "boolean"),
    ],
)
def test_kinds_are_found(values: Any, name: str) -> None:
    kind = find_kind(pd.Series(values))

    assert kind.name == name
    assert kind.why


def test_whole_numbers_that_are_dates_are_converted() -> None:
    values = pd.Series([20240229, None])

    assert convert(values, find_kind(values))[0] == pd.Timestamp("2024-02-29")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], True),
        ([True, None, False], True),
        (pd.array([True, None], dtype="boolean"), True),
        ([0, 1], False),
        (["True", "False"], False),
        ([True, "x"], False),
    ],
)
def test_truth_values_are_recognised(values: Any, expected: bool) -> None:
    assert is_boolean(pd.Series(values)) is expected


def test_truth_values_are_numbers() -> None:
    values = pd.Series([True, "true", "False", None, "yes"])

    assert as_booleans(values).fillna(-1).tolist() == [1, 1, 0, -1, -1]


def test_texts_are_python_strings_without_outer_spaces() -> None:
    texts = as_texts(pd.Series(["a ", None, 3], dtype=object))

    assert texts.dtype == object
    assert texts.tolist()[::2] == ["a", "3"]
    assert isinstance(texts[1], float)
    assert text_counts(pd.Series(["b", "b ", None])) == {"b": 2}


def test_clock_times_within_a_day_are_dates_and_others_durations() -> None:
    day = find_kind(pd.Series([f"{hour}:15:00" for hour in range(24)] * 2))
    longer = find_kind(pd.Series([f"{hour}:15:00" for hour in range(40)] * 2))

    assert (day.name, longer.name, longer.why) == ("date", "number", "durations")
