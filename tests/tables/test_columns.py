"""What columns are taken for, and what is done with them."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.apply import conform, text_columns
from lrtune.tables.columns import Column, is_plain, notes_on
from lrtune.tables.inspection import IDENTIFIER_NAME, describe_columns
from lrtune.tables.kinds import DATE_FORMATS, find_date_format

N = 40
DAYS = pd.date_range("2020-01-30", periods=N, freq="11D")


def describe(values: Any, name: str = "a", **options: Any) -> Column:
    frame = pd.DataFrame({name: values, "other": np.arange(len(values)) / 7})
    return describe_columns(frame, **options)[0][0]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(N), "number"),
        (np.arange(N) * 0.5, "number"),
        (["1", "2", "NA", "?"] * 10, "number"),
        ([Decimal("1.5"), None] * 20, "number"),
        (pd.array([1, None] * 20, dtype="Int64"), "number"),
        (pd.to_timedelta(np.arange(N), unit="h"), "number"),
        ([True, False] * 20, "boolean"),
        ([True, None, False, None] * 10, "boolean"),
        (pd.array([True, None, False, None] * 10, dtype="boolean"), "boolean"),
        (["yes", "no"] * 20, "category"),
        (["1", "2", "3+", "4"] * 10, "category"),
        (["12:30", "13:45"] * 20, "category"),
        (["1.2.3", "1.2.4"] * 20, "category"),
        (["x", None] * 20, "category"),
        (pd.Categorical(["u", "v"] * 20), "category"),
        ([["a"], ["b"]] * 20, "category"),
        (list(DAYS), "date"),
        (DAYS.tz_localize("Asia/Tokyo"), "date"),
        ([datetime.date(2020, 1, 1 + day % 28) for day in range(N)], "date"),
        ([f"words {place} and more" for place in range(N)], "text"),
        ([f"key{place}" for place in range(N)], "identifier"),
        (["x"] * N, "constant"),
        ([3] * N, "constant"),
        ([None] * N, "empty"),
        (["", "x", "y", "z"] * 10, "category"),
    ],
)
def test_kinds_are_found(values: Any, kind: str) -> None:
    assert describe(values).kind == kind


@pytest.mark.parametrize(
    ("values", "mark", "first"),
    [
        (["1.234,50", "12,5", "7"], ".", 1234.5),
        (["-1.234.567", "12", "NA"], ".", -1234567),
        (["1,234.50", "12.5", "7"], ",", 1234.5),
        (["12,345", "1,234", "7"], ",", 12345),
        (["1'234.50", "12.5", "7"], "'", 1234.5),
        (["1\u2019234", "12", "7"], "'", 1234),
        (["1 234,50", "12,5", "7"], " ", 1234.5),
        (["+1\u202f234", "12", "7"], " ", 1234),
    ],
)
def test_thousands_are_read_and_remembered_for_rows_to_predict_for(
    values: list[str], mark: str, first: float
) -> None:
    column = describe(values * 10)
    _, kept = describe_columns(pd.DataFrame({"a": values * 10}))

    assert (column.kind, column.thousands) == ("number", mark)
    assert "taken for thousands separators" in column.done[-1][0]
    assert np.asarray(kept)[0, 0] == first
    assert column.name in text_columns([column])
    assert np.asarray(conform(pd.DataFrame({"a": values[:1]}), [column]))[0, 0] == first


@pytest.mark.parametrize("learned", ["", ".", ","])
@pytest.mark.parametrize(
    ("written", "number"),
    [("1.234,50", 1234.5), ("1,234.50", 1234.5), ("1234.50", 1234.5), ("1'234", 1234)],
)
def test_rows_to_predict_for_may_be_written_in_another_way(
    learned: str, written: str, number: float
) -> None:
    column = Column("a", "number", missing=1, thousands=learned)

    assert column.convert(pd.Series([written])).tolist() == [number]


@pytest.mark.parametrize(
    "values",
    [
        ["12,5", "1,75", "0,125"],
        ["0,123", "0,456", "0,789"],
        ["12.05.2020", "13.05.2020", "14.05.2020"],
        ["1.2.345", "1.2.346", "1.3.347"],
        ["044 123 45 67", "044 123 45 68", "044 123 45 69"],
        ["in 1,234 words", "x", "y"],
    ],
)
def test_what_only_looks_like_thousands_is_none(values: list[str]) -> None:
    assert describe(values * 10).thousands == ""


@pytest.mark.parametrize("date_format", [f for f in DATE_FORMATS if f != "ISO8601"])
def test_every_date_format_is_found_or_one_that_reads_the_same(date_format: str) -> None:
    values = pd.Series(DAYS.strftime(date_format))
    found = find_date_format(values)
    column = Column("a", "date", date_format=found)

    assert found is not None
    assert column.convert(values).tolist() == list(DAYS)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m"])
def test_iso_dates(form: str) -> None:
    assert find_date_format(pd.Series(DAYS.strftime(form))) == "ISO8601"


def test_zones_are_taken_into_account() -> None:
    column = Column("a", "date", date_format="ISO8601")
    values = pd.Series(["2024-01-01T10:00:00Z", "2024-01-01T12:00:00+02:00"])

    assert len(set(column.convert(values))) == 1


@pytest.mark.parametrize(
    ("name", "named_so"),
    [
        ("id", True), ("ID", True), ("customer_id", True), ("PassengerId", True),
        ("customerID", True), ("Unnamed: 0", True), ("row", True), ("index", True),
        ("uuid", True), ("order no", True), ("paid", False), ("grid", False), ("valid", False),
        ("width", False), ("idle", False), ("arrow", False), ("volcano", False), ("DAVID", False),
    ],
)  # fmt: skip
def test_names_of_identifiers(name: str, named_so: bool) -> None:
    assert bool(IDENTIFIER_NAME.search(name)) == named_so
    numbers = np.random.default_rng(0).permutation(N)
    assert describe(numbers, name).used != named_so
    assert describe(numbers // 2, name).used
    assert describe(numbers / 8, name).used


def test_a_column_that_is_alone_is_no_identifier() -> None:
    columns, X = describe_columns(pd.DataFrame({"id": range(N)}))

    assert columns[0].used
    assert X.shape == (N, 1)


def test_what_was_done_is_counted() -> None:
    values = pd.Series(["1", "2", "inf", "oops", None, "NA", *map(str, range(94))])
    column = describe(values)

    assert (column.kind, column.missing) == ("number", 4)
    assert dict(column.done) == {
        "infinities taken for missing values": 1,
        "texts that are no number taken for missing values": 2,
        "missing values filled in with the median": 4,
    }


def test_texts_are_used_by_who_takes_them() -> None:
    texts = [f"words {place} and more" for place in range(N)]

    assert not describe(texts).used
    assert describe(texts, encodes_texts=True).used
    assert "`preprocessor='skrub'`" in notes_on([describe(texts)])[0]


def test_whole_numbers_stay_an_array_and_gaps_make_a_frame() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]})
    columns, X = describe_columns(frame)

    assert is_plain(columns)
    assert isinstance(X, np.ndarray)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    frame["a"] = [1, None, 3]
    assert isinstance(describe_columns(frame)[1], pd.DataFrame)


def test_the_form_does_not_depend_on_how_a_value_is_stored() -> None:
    """A table from Parquet and the same from CSV are one."""
    stored = pd.DataFrame(
        {
            "n": pd.array([1, None, 3] * 9, dtype="Int64"),
            "b": pd.array([True, None, False] * 9, dtype="boolean"),
            "c": pd.Categorical(["u", "v", None] * 9),
            "d": pd.date_range("2020-01-01", periods=27, freq="D"),
        }
    )
    texts = pd.DataFrame(
        {
            "n": [1.0, np.nan, 3.0] * 9,
            "b": [True, None, False] * 9,
            "c": ["u", "v", None] * 9,
            "d": stored["d"].dt.strftime("%Y-%m-%d"),
        }
    )

    pd.testing.assert_frame_equal(describe_columns(stored)[1], describe_columns(texts)[1])


def test_rows_to_predict_for_need_the_columns_that_were_learned_from() -> None:
    columns = (Column("a", "number"), Column("b", "number"), Column("c", "text", used=False))
    with pytest.raises(InvalidInputError, match=r"file\.csv lacks 'b': it has 'a', 'x'"):
        conform(pd.DataFrame({"a": [1], "x": [1]}), columns, source="file.csv")
    with pytest.raises(InvalidInputError, match="column 'b' of the table lacks 1 of 2 numbers"):
        conform(pd.DataFrame({"a": [1, 2], "b": ["4", "x"]}), columns)


def test_many_columns_are_told_in_a_line() -> None:
    columns = [
        Column(f"c{place}", "constant", False, done=(("dropped", 0),)) for place in range(20)
    ]

    assert notes_on(columns) == (
        "dropped: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' and 12 more",
    )
