"""Recognising the kinds of values, and converting them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.kinds import (
    DATE_FORMATS,
    KINDS,
    as_booleans,
    as_dates,
    as_numbers,
    as_texts,
    find_date_format,
    find_thousands,
    is_boolean,
    is_numeric,
)

DAYS = pd.date_range("2020-01-30", periods=40, freq="11D")


def test_every_kind_keeps_the_rows_and_gaps_of_a_column() -> None:
    values = pd.Series(["2024-01-01", None, "x"], index=[7, 8, 9])
    for kind, convert in KINDS.items():
        converted = convert(values, "ISO8601") if kind == "date" else convert(values)

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


@pytest.mark.parametrize(
    ("thousands", "values", "numbers"),
    [
        (".", ["1.234.567,5", "12", "-1.000", "99.5"], [1234567.5, 12, -1000, 99.5]),
        (",", ["1,234.5", "+12"], [1234.5, 12]),
        ("'", ["1'234", "1\u2019234.5"], [1234, 1234.5]),
        (" ", ["1 234,5", "1\u202f234", "1\u00a0234"], [1234.5, 1234, 1234]),
    ],
)
def test_numbers_with_thousands_separators(
    thousands: str, values: list[str], numbers: list[float]
) -> None:
    assert as_numbers(pd.Series(values), thousands).tolist() == numbers


@pytest.mark.parametrize(
    ("values", "mark", "unambiguous_mark"),
    [
        (["1.234,50", "12,5", "7"], ".", "."),
        (["-1.234.567", "12", "NA"], ".", "."),
        (["1,234.50", "12.5", "7"], ",", ","),
        (["12,345", "1,234", "7"], ",", ""),
        (["1'234.50", "12.5", "7"], "'", "'"),
        (["1\u2019234", "12", "7"], "'", "'"),
        (["1 234,50", "12,5", "7"], " ", " "),
        (["+1\u202f234", "12", "7"], " ", " "),
        (["12,5", "1,75", "0,125"], "", ""),
        (["0,123", "0,456", "0,789"], "", ""),
        (["1.234", "99.9"], "", ""),
        (["12.05.2020", "13.05.2020", "14.05.2020"], "", ""),
        (["1.2.345", "1.2.346", "1.3.347"], "", ""),
        (["044 123 45 67", "044 123 45 68", "044 123 45 69"], "", ""),
        (["in 1,234 words", "x", "y"], "", ""),
        ([], "", ""),
        ([1234, 5678], "", ""),
    ],
)
def test_thousands_separators_are_found(
    values: list[Any], mark: str, unambiguous_mark: str
) -> None:
    series = pd.Series(values * 10, dtype=None if values else object)

    assert find_thousands(series) == mark
    assert find_thousands(series, unambiguous=True) == unambiguous_mark


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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], True),
        (["1", "2", "NA", "?"], True),
        (["1"] * 9 + ["x"], True),
        (["1"] * 8 + ["x"], False),
        ([None, "NA"], False),
        (DAYS, False),
    ],
)
def test_numbers_are_recognised(values: Any, expected: bool) -> None:
    assert is_numeric(pd.Series(values)) is expected
    assert not is_numeric(pd.Series(["1"] * 9 + ["x"]), share=1)


@pytest.mark.parametrize("date_format", [f for f in DATE_FORMATS if f != "ISO8601"])
def test_every_date_format_is_found_or_one_that_reads_the_same(date_format: str) -> None:
    values = pd.Series(DAYS.strftime(date_format))
    found = find_date_format(values)

    assert found is not None
    assert as_dates(values, found).tolist() == list(DAYS)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m"])
def test_iso_dates(form: str) -> None:
    assert find_date_format(pd.Series(DAYS.strftime(form))) == "ISO8601"


@pytest.mark.parametrize(
    ("values", "date_format"),
    [(DAYS, ""), ([20200130], None), (["north"], None), ([None], None), (["route 66 b 7"], None)],
)
def test_other_values_have_no_date_format(values: Any, date_format: str | None) -> None:
    assert find_date_format(pd.Series(values)) == date_format


def test_time_zones_are_converted_to_utc() -> None:
    values = pd.Series(["2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", "never"])
    dates = as_dates(values, "ISO8601")

    assert dates.dtype == "datetime64[us]"
    assert dates.tolist()[:2] == [pd.Timestamp("2024-01-01 10:00")] * 2
    assert dates.isna()[2]


def test_texts_are_python_strings() -> None:
    texts = as_texts(pd.Series(["a", None, 3], dtype=object))

    assert texts.dtype == object
    assert [type(text) for text in texts] == [str, float, str]
