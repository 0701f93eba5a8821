"""Dates written as text: their formats, and reading them."""

import pandas as pd
import pytest

from lrtune.tables.dates import (
    DATE_FORMATS,
    ISO,
    as_dates,
    find_date_formats,
    is_ambiguous,
    is_compact,
)

DAYS = pd.date_range("2020-01-30", periods=40, freq="11D")
TIMES = pd.date_range("2020-01-30 13:07", periods=40, freq="67min")
CALENDAR = [each for each in DATE_FORMATS if each != ISO and ("%d" in each or "%b" in each)]


def find(texts: "pd.Index[str] | list[str]") -> tuple[str, ...]:
    return find_date_formats(dict.fromkeys(texts, 1))


@pytest.mark.parametrize(
    "date_format",
    [
        pytest.param(each, marks=[pytest.mark.slow] if ":" in each or "%I" in each else [])
        for each in CALENDAR
        if "%d" in each
    ],
)
def test_every_format_is_found_or_one_that_reads_the_same(date_format: str) -> None:
    texts = DAYS.strftime(date_format)
    formats = find(texts)

    assert as_dates(pd.Series(texts), formats).tolist() == list(DAYS)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m"])
def test_iso_dates(form: str) -> None:
    assert find(DAYS.strftime(form)) == (ISO,)


@pytest.mark.parametrize("form", ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p"])
def test_times_of_day(form: str) -> None:
    texts = TIMES.strftime(form)
    read = as_dates(pd.Series(texts), find(texts))

    assert (read.dt.hour.tolist(), read.dt.minute.tolist()) == (
        TIMES.hour.tolist(),
        TIMES.minute.tolist(),
    )


def test_the_value_beyond_12_is_the_day() -> None:
    assert find(["03/14/15", "05/02/23"]) == ("%m/%d/%y",)
    assert find(["14/03/2015", "02/05/2023"]) == ("%d/%m/%Y",)


@pytest.mark.parametrize("order", ["%m/%d/%Y", "%d/%m/%Y"])
def test_the_part_that_varies_less_is_the_day(order: str) -> None:
    """Only the first days of every month occur, so that both could be months."""
    days = [pd.Timestamp(2000 + n % 20, 1 + n % 12, 1 + n % 5) for n in range(120)]

    assert find([day.strftime(order) for day in days]) == (order,)


def test_days_and_months_that_cannot_be_told_apart_are_ambiguous() -> None:
    texts = ["03/04/2015", "05/02/2023"]

    assert find(texts) == ("%d/%m/%Y",)
    assert is_ambiguous(pd.Series(texts), ("%d/%m/%Y",))
    assert not is_ambiguous(pd.Series([*texts, "14/02/2023"]), ("%d/%m/%Y",))
    assert not is_ambiguous(pd.Series(texts), (ISO,))


def test_mixed_formats_are_read_each() -> None:
    texts = [day.strftime("%Y-%m-%d" if n % 3 else "%d/%m/%Y") for n, day in enumerate(DAYS)]

    assert as_dates(pd.Series(texts), find(texts)).tolist() == list(DAYS)


@pytest.mark.parametrize("texts", [["north"], [], ["route 66 b 7"], ["1.2.3"], ["S46"], ["3.14"]])
def test_other_texts_are_no_dates(texts: list[str]) -> None:
    assert find(texts) == ()


def test_time_zones_are_converted_to_utc() -> None:
    values = pd.Series(["2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00", "never"])
    dates = as_dates(values, (ISO,))

    assert dates.dtype == "datetime64[us]"
    assert dates.tolist()[:2] == [pd.Timestamp("2024-01-01 10:00")] * 2
    assert dates.isna()[2]


def test_whole_numbers_may_be_dates() -> None:
    assert is_compact(pd.Series([20240229, 20231231, None]))
    assert not is_compact(pd.Series([20230229, 20231231]))
    assert not is_compact(pd.Series([1, 2]))
    assert not is_compact(pd.Series([], dtype=float))
