"""Columns kept beside predictions: as the table has them, and each name once."""

import os
from pathlib import Path

import pandas as pd
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.kept import beside, read_kept


def test_columns_are_kept_as_they_are_in_the_order_asked_for(folder: Path) -> None:
    Path("new.csv").write_text("id,size,code\n7,1.50,007\n8,,1e3\n", encoding="utf-8")
    kept = read_kept("new.csv", ["code", "id", "size", "code"])

    assert kept.to_csv(index=False) == "code,id,size\n007,7,1.50\n1e3,8,\n"


def test_a_column_that_is_not_there_is_named(folder: Path) -> None:
    Path("new.csv").write_text("id,size\n7,1.5\n", encoding="utf-8")

    with pytest.raises(InvalidInputError, match="lacks 'name': it has 'id', 'size'"):
        read_kept("new.csv", ["id", "name"])


def test_what_can_be_read_only_once_is_refused(folder: Path) -> None:
    os.mkfifo("pipe")
    for source in ("-", "pipe"):
        with pytest.raises(InvalidInputError, match=f"needs a file.* but got '{source}': save"):
            read_kept(source, ["id"])


def test_the_target_of_a_bundled_data_set_can_be_kept() -> None:
    assert read_kept("iris", ["target"])["target"].value_counts().tolist() == [50, 50, 50]


def test_a_name_is_not_used_twice() -> None:
    kept = pd.DataFrame({"id": [1], "probability of a": [2]})

    assert beside(kept, pd.DataFrame({"y": ["b"]})).columns.tolist() == [*kept.columns, "y"]
    with pytest.raises(InvalidInputError, match="but got 'probability of a': rename it"):
        beside(kept, pd.DataFrame({"y": ["b"], "probability of a": [0.3]}))
