"""Finding the kind of each column, and the columns that can be learned from."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column, is_plain, notes_on
from lrtune.tables.inspection import (
    IDENTIFIER_NAME,
    LARGEST,
    MAX_CATEGORIES,
    describe_columns,
    list_treatments,
    refuse_huge_values,
)

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
        (["12:30", "13:45"] * 20, "date"),
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
        (["1,234.50", "12.5", "7"], ",", 1234.5),
        (["1\u2019234", "12", "7"], "'", 1234),
    ],
)
def test_thousands_are_read_and_noted(values: list[str], mark: str, first: float) -> None:
    (column,), X = describe_columns(pd.DataFrame({"a": values * 10}))

    assert (column.kind, column.thousands) == ("number", mark)
    assert "treated as thousands separators" in column.done[0][0]
    assert np.asarray(X)[0, 0] == first


@pytest.mark.parametrize(("n_texts", "kind"), [(MAX_CATEGORIES, "category"), (101, "text")])
def test_many_different_texts_are_no_categories(n_texts: int, kind: str) -> None:
    assert describe([f"some words {place % n_texts}" for place in range(300)]).kind == kind


@pytest.mark.parametrize(
    ("name", "is_identifier"),
    [
        ("id", True), ("ID", True), ("customer_id", True), ("PassengerId", True),
        ("customerID", True), ("Unnamed: 0", True), ("row", True), ("index", True),
        ("uuid", True), ("order no", True), ("paid", False), ("grid", False), ("valid", False),
        ("width", False), ("idle", False), ("arrow", False), ("volcano", False), ("DAVID", False),
    ],
)  # fmt: skip
def test_whole_numbers_named_as_identifiers_are_left_out(name: str, is_identifier: bool) -> None:
    assert bool(IDENTIFIER_NAME.search(name)) == is_identifier
    numbers = np.random.default_rng(0).permutation(N)
    assert describe(numbers, name).used != is_identifier
    assert describe(numbers // 2, name).used
    assert describe(numbers / 8, name).used


def test_the_only_column_is_no_identifier() -> None:
    columns, X = describe_columns(pd.DataFrame({"id": range(N)}))

    assert columns[0].used
    assert X.shape == (N, 1)


def test_treatments_are_counted() -> None:
    values = pd.Series(["1", "2", "inf", "oops", None, "NA", *map(str, range(94))])
    column = describe(values)

    assert (column.kind, column.missing) == ("number", 4)
    assert dict(column.done) == {
        "infinities treated as missing values": 1,
        "texts that are not a number treated as missing values": 2,
        "missing values filled in with the median": 4,
    }


def test_texts_are_used_if_the_preprocessor_encodes_them() -> None:
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
    """A table is converted to the same values from Parquet and from CSV."""
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


def test_a_table_without_a_usable_column_is_refused() -> None:
    frame = pd.DataFrame({"id": range(N), "constant": 1})
    with pytest.raises(InvalidInputError, match=r"t\.csv has none left; columns dropped"):
        describe_columns(frame, source="t.csv")


@pytest.mark.parametrize("value", [10 * LARGEST, -10 * LARGEST])
def test_values_too_large_for_single_precision_are_refused(value: float) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, value], "b": [1, 2, 3]})
    with pytest.raises(InvalidInputError, match=r"at most 1e\+30 .* 'a' of the table holds 1e\+31"):
        describe_columns(frame)

    refuse_huge_values(pd.Series([LARGEST, np.nan, -LARGEST]), "column 'a'")


@pytest.mark.parametrize(
    ("kind", "values", "converted", "treatments"),
    [
        ("number", [1, 2], [1.0, 2.0], {}),
        (
            "number",
            ["1", "inf", "x", None],
            [1.0, None, None, None],
            {
                "infinities treated as missing values": 1,
                "texts that are not a number treated as missing values": 1,
                "missing values filled in with the median": 3,
            },
        ),
        (
            "category",
            ["a", None],
            ["a", None],
            {"missing values made a category of their own": 1},
        ),
        ("text", ["a", None], ["a", None], {"missing values encoded as such": 1}),
    ],
)
def test_treatments_of_single_values(
    kind: str, values: list[Any], converted: list[Any], treatments: dict[str, int]
) -> None:
    listed = list_treatments(kind, pd.Series(values), pd.Series(converted))

    assert dict(listed) == treatments
