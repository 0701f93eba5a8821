"""The columns of a table in a few lines."""

import pytest

from lrtune.cli.columns import print_table_facts
from lrtune.tables.columns import Column
from lrtune.tuning.record.schema import TableFacts


def test_columns_are_grouped_by_kind_and_notes_follow(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (
        Column("id", "identifier", used=False),
        Column("size", "number", missing=3),
        Column("colour", "category"),
        Column("age", "number"),
    )
    print_table_facts(TableFacts(("missing values filled in: 'size' (3)",), columns))

    assert capsys.readouterr().out.splitlines() == [
        "",
        "Columns: 2 number ('size', 'age'); 1 category ('colour'); 1 identifier, left out ('id')",
        "Table:   missing values filled in: 'size' (3)",
    ]


def test_of_arrays_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_table_facts(TableFacts())

    assert capsys.readouterr().out == ""
