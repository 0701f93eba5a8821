"""What is made of each column, and why."""

from pathlib import Path

from lrtune.tables.columns import Column
from lrtune.tables.dataset import load_table
from lrtune.tables.overview import overview, summary_line


def test_columns_in_doubt_come_first_and_the_target_last(folder: Path) -> None:
    rows = "".join(f"{n % 7}.5,{n:05d},x,{n}\n" for n in range(60))
    Path("t.csv").write_text("size,zip,one,y\n" + rows.replace("3.5,", ",", 5), encoding="utf-8")
    dataset, frame = load_table("t.csv", columns={"zip": "category"})
    rows_ = overview(dataset, frame)

    assert [row.name for row in rows_] == ["one", "size", "zip", "y"]
    assert [row.becomes for row in rows_[:2]] == ["left out", "a number"]
    assert rows_[1].gaps == 5
    assert rows_[2].becomes == "the mean of the target"
    assert rows_[3].becomes == "the target of a regression"
    assert rows_[0].to_dict()["examples"] == ["x"]


def test_kinds_are_counted_on_one_line() -> None:
    columns = [
        Column("a", "number"),
        Column("b", "number", doubt="it counts the rows"),
        Column("c", "category"),
        Column("d", "category"),
        Column("e", "text", used=False),
    ]

    assert summary_line(columns) == (
        "columns: 2 numbers, 2 categories, 1 left out; in doubt: 'b' (it counts the rows)"
    )
