"""Columns: stored as JSON, converted, joined and described."""

import json

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.columns import Column, gather, is_plain, notes_on


def test_a_column_is_read_as_it_was_stored() -> None:
    column = Column("a", "date", missing=2, done=(("filled", 2), ("read", 0)), date_formats=("%Y",))

    assert Column.from_dict(json.loads(json.dumps(column.to_dict()))) == column


def test_a_column_of_an_earlier_release_is_read() -> None:
    stored = {"name": "a", "kind": "date", "used": True, "missing": 0, "done": []}
    column = Column.from_dict({**stored, "date_format": "%Y", "thousands": "."})

    assert (column.date_formats, column.thousands) == (("%Y",), ".")
    assert Column.from_dict({**stored, "date_format": ""}).date_formats == ()


@pytest.mark.parametrize("thousands", ["", ".", ","])
@pytest.mark.parametrize(
    ("written", "number"),
    [("1.234,50", 1234.5), ("1,234.50", 1234.5), ("1234.50", 1234.5), ("1'234", 1234)],
)
def test_numbers_of_a_further_table_may_be_written_in_another_way(
    thousands: str, written: str, number: float
) -> None:
    column = Column("a", "number", missing=1, thousands=thousands)

    assert column.convert(pd.Series([written])).tolist() == [number]


@pytest.mark.parametrize(
    ("column", "plain"),
    [
        (Column("a", "number"), True),
        (Column("a", "boolean"), True),
        (Column("a", "number", missing=1), False),
        (Column("a", "category"), False),
        (Column("a", "category", used=False), True),
    ],
)
def test_plain_columns_are_numbers_without_gaps(column: Column, plain: bool) -> None:
    assert is_plain([Column("b", "number"), column]) is plain


def test_plain_columns_are_joined_to_a_contiguous_array() -> None:
    converted = {"a": pd.Series([1.0, 2.0]), "b": pd.Series([3.0, 4.0])}
    X = gather(converted, [Column("a", "number"), Column("b", "number")])

    assert isinstance(X, np.ndarray)
    assert X.flags.c_contiguous
    assert X.tolist() == [[1, 3], [2, 4]]


def test_other_columns_are_joined_to_a_frame_with_new_row_labels() -> None:
    converted = {"a": pd.Series([1.0, 2.0], index=[5, 7])}
    X = gather(converted, [Column("a", "number", missing=1)])

    assert isinstance(X, pd.DataFrame)
    assert X.to_dict("list") == {"a": [1, 2]}
    assert list(X.index) == [0, 1]


def test_a_note_names_eight_columns_at_most() -> None:
    columns = [
        Column(f"c{place}", "constant", False, done=(("dropped", 0),)) for place in range(20)
    ]

    assert notes_on(columns) == (
        "dropped: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' and 12 more",
    )
