"""Loading bundled data sets and tables."""

from pathlib import Path

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import MIN_ROWS, load_dataset


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_data_are_numeric_and_complete(name: str) -> None:
    dataset = load_dataset(name)

    assert len(dataset.X) == len(dataset.y) > 100
    assert np.isfinite(dataset.X).all()
    assert dataset.task == BUNDLED[name]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["u", "v"], "classification"),
        (["True", "False"], "classification"),
        ([0, 1], "classification"),
        ([5, 7], "classification"),
        ([0.5, 1.5], "regression"),
        (list(range(40)), "regression"),
        ([1.0, 2.0], "classification"),
    ],
)
def test_the_task_is_inferred_and_noted(folder: Path, values: list[object], task: str) -> None:
    rows = [f"{i},{values[i % len(values)]}" for i in range(80)]
    Path("table.csv").write_text("\n".join(["a,y", *rows]), encoding="utf-8")
    dataset = load_dataset("table.csv")

    assert dataset.task == task
    assert any(f"task: {task}" in note for note in dataset.notes)
    assert dataset.name == "table"


def test_the_target_may_be_any_column(folder: Path) -> None:
    Path("t.csv").write_text("y,a,b\n" + "u,1,2\nv,3,4\n" * 4, encoding="utf-8")
    dataset = load_dataset("t.csv", target="y")

    assert dataset.X[:2].tolist() == [[1, 2], [3, 4]]
    assert dataset.y[:2].tolist() == ["u", "v"]


def write_table(rows: int, row: str = "{i},{i}.5,{c}") -> str:
    lines = [row.format(i=place, c="uv"[place % 2]) for place in range(rows)]
    Path("t.csv").write_text("\n".join(["a,b,y", *lines]), encoding="utf-8")
    return "t.csv"


@pytest.mark.parametrize(
    ("option", "value"), [("target", "0"), ("separator", ","), ("encoding", "utf-8")]
)
def test_options_of_files_are_refused_for_bundled_data(option: str, value: str) -> None:
    message = f"`{option}` must be left out for the bundled data 'iris', but got '{value}'"
    with pytest.raises(InvalidInputError, match=message):
        load_dataset("iris", **{option: value})


def test_another_task_is_refused_for_bundled_data() -> None:
    with pytest.raises(InvalidInputError, match=r"`task` must be classification .* got regression"):
        load_dataset("iris", task="regression")


def test_small_tables_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"but 't\.csv' has 3 and 7: add rows"):
        load_dataset(write_table(MIN_ROWS - 1))
    Path("one.csv").write_text("y\n" + "u\nv\n" * 9, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="name the `separator` if columns were not found"):
        load_dataset("one.csv")

    assert len(load_dataset(write_table(MIN_ROWS)).y) == MIN_ROWS


def test_rows_without_a_target_do_not_count(folder: Path) -> None:
    Path("t.csv").write_text("a,y\n" + "1,\n" * 9 + "1,u\n2,v\n" * 3, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="6 are left; target: 9 of 15 rows left out"):
        load_dataset("t.csv")


def test_notes_say_all_that_was_inferred(folder: Path) -> None:
    write_table(20, "{i},{i}.5,{c}")
    Path("t.csv").write_text(
        Path("t.csv").read_text(encoding="utf-8").replace("a,b", ",b"), encoding="utf-8"
    )

    assert load_dataset("t.csv", preprocessor="skrub").notes == (
        "target: column 'y', the last (choose with `target`)",
        "task: classification, as column 'y' holds 2 different texts (choose with `task`)",
        "target: classes 'u' (10), 'v' (10)",
        "columns dropped, as they are named like identifiers, and differ in every row (keep one "
        "with `columns`): 'Unnamed: 0'",
        "the columns are numbers without gaps, for which skrub is not needed",
    )
