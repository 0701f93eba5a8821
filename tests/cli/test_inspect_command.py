"""``lrtune inspect``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def table(folder: Path) -> str:
    rows = "".join(f"{n:05d},{n % 7}.5,1,{'uv'[n % 2]}\n" for n in range(40))
    (folder / "t.csv").write_text("zip,size,one,kind\n" + rows)
    return "t.csv"


def test_every_column_is_shown_with_what_is_made_of_it(
    lrtune: Callable[..., Any], table: str
) -> None:
    run = lrtune("inspect", table)
    lines = run.out.splitlines()

    assert run.code == 0
    assert [name for name in ("zip", "size", "one", "kind") if name not in run.out] == []
    assert "left out" in next(line for line in lines if line.strip().startswith("one"))
    assert "target of a classification" in run.out
    assert "40 rows; columns: 1 number, 2 left out" in run.out
    assert "(choose with --target)" in run.out


def test_it_is_printed_as_json(lrtune: Callable[..., Any], table: str) -> None:
    result = lrtune("inspect", table, "--column", "zip=number", "--json").json
    columns = {column["name"]: column for column in result["columns"]}

    assert (result["rows"], result["target"], result["task"]) == (40, "kind", "classification")
    assert (
        columns["zip"]["why"] == "as given; it counts the rows, which may give the target "
        "away: leave it out with `columns` if so"
    )
    assert columns["size"]["examples"] == ["0.5", "1.5", "2.5"]
    assert columns["size"]["becomes"] == "a number"


def test_bundled_data_are_shown_too(lrtune: Callable[..., Any]) -> None:
    assert "150 rows; columns: 4 numbers" in lrtune("inspect", "iris").out


def test_nothing_is_written(lrtune: Callable[..., Any], table: str, folder: Path) -> None:
    lrtune("inspect", table)

    assert [path.name for path in folder.iterdir()] == ["t.csv"]


def test_a_search_says_it_in_one_line(lrtune: Callable[..., Any], table: str) -> None:
    run = lrtune("search", table, "--trials", "2", "--epochs", "1", "--no-confirm")

    assert "columns: 1 number, 2 left out" in run.err
