"""Rows that are no data are left out, and said; rows that only look like them are kept."""

from pathlib import Path

import pytest

from lrtune.tables.reading import read_table

ROWS = ("N,1.5,3", "S,2.5,4", "E,0.5,1", "W,4.5,2")


def read(folder: Path, *lines: str, **options: bool) -> tuple[list[list[str]], str]:
    path = folder / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    table = read_table(str(path), **options)
    return table.frame.astype(str).to_numpy().tolist(), "\n".join(table.notes)


DATA = [["N", "1.5", "3"], ["S", "2.5", "4"], ["E", "0.5", "1"], ["W", "4.5", "2"]]


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        (["region,sales,staff"], [], "rows left out, as they repeat the header: 1"),
        ([], ["Total,9,10"], "as they are a total or a remark: 'Total'"),
        ([], ["Grand Total,9,10", ",,"], "'Grand Total'"),
        ([], ["Source: Office, 2020"], "'Source: Office'"),
        ([], ["", "(4 rows affected)"], "'(4 rows affected)'"),
        ([], ["# end", "\x1a"], "'# end'"),
        ([], ["Total,9,10", "Notes: none,,"], "'Total', 'Notes: none'"),
    ],
)
def test_rows_that_are_no_data_are_left_out(
    tmp_path: Path, before: list[str], after: list[str], note: str
) -> None:
    rows, notes = read(tmp_path, "region,sales,staff", ROWS[0], *before, *ROWS[1:], *after)

    assert rows == DATA
    assert note in notes


@pytest.mark.parametrize(
    "last",
    ["Total,9,10", "Norway: coast,1.5,3", "sales,staff,region", "Source: 7,8.5,1"],
)
def test_rows_that_only_look_so_are_kept(tmp_path: Path, last: str) -> None:
    lines = ROWS if last != "Total,9,10" else (last, *ROWS)
    rows, notes = read(tmp_path, "region,sales,staff", *lines, last)

    assert rows[-1] == last.split(",") or rows[-1] == ["Total", "9.0", "10"]
    assert "left out" not in notes


def test_a_remark_below_numbers_does_not_make_them_texts(tmp_path: Path) -> None:
    rows, notes = read(tmp_path, "a,b,c", "1,2,3", "4,5,6", "7,8,9", "footer 1")

    assert rows == [["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"]]
    assert "'footer 1'" in notes


def test_a_table_without_a_header_repeats_none(tmp_path: Path) -> None:
    rows, notes = read(tmp_path, *ROWS, ROWS[0], header=False)

    assert len(rows) == 5
    assert "repeat" not in notes
