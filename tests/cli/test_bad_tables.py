"""Tables that cannot be learned from: one clear line, exit code 2, nothing written."""

import gzip
import io
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROWS = "1,2,u\n2,3,v\n" * 8
GOOD = "a,b,y\n" + ROWS
TABLES: dict[str, bytes | str] = {
    "good.csv": GOOD,
    "empty.csv": "",
    "blank.csv": "\n \n\n",
    "mark.csv": "\ufeff\r\n",
    "some.json": '[{"a": 1, "b": 2}, {"a": 2, "b": 3}]',
    "header.csv": "a,b,c\n",
    "one_column.csv": "a\n" + "1\n2\n" * 8,
    "few.csv": "a,y\n1,u\n2,v\n",
    "semicolons.csv": GOOD.replace(",", ";"),
    "ragged.csv": "a,y\n" + "1.5,1,0\n2.5,0,1\n" * 8,
    "torn.csv": "a,b,y\n1,2,u\n3,4,v,5\n" + ROWS,
    "open_quote.csv": 'a,b,y\n1,"2,u\n' + ROWS,
    "no_header.csv": "1,2,3\n4,5,6\n" * 8,
    "binary.csv": bytes(range(256)) * 8,
    "nul.csv": GOOD.replace("2", "\0"),
    "utf-16-bare.csv": GOOD.encode("utf-16-le"),
    "book.xlsx": b"PK\x03\x04" + bytes(60),
    "old.xls": b"\xd0\xcf\x11\xe0" + bytes(60),
    "page.csv": "<!DOCTYPE html>\n<html><body>Not found, sorry</body></html>\n",
    "paper.pdf": b"%PDF-1.7\n" + bytes(60),
    "image.png": b"\x89PNG\r\n" + bytes(60),
    "data.db": b"SQLite format 3\x00" + bytes(60),
    "torn.csv.gz": gzip.compress(GOOD.encode() * 9)[:40],
    "not.csv.gz": b"\x1f\x8b nothing of the kind",
    "torn.parquet": b"PAR1" + bytes(60),
    "latin.csv": GOOD.replace("u", "ü").encode("latin-1"),
    "all_missing.csv": "a,b,y\n" + "1,2,\n2,3,NaN\n" * 8,
    "mostly_missing.csv": GOOD + "1,2,\n" * 3 + "".join(f"{i},2,\n" for i in range(60)),
    "few_known.csv": "a,y\n" + "1,\n" * 20 + "1,u\n2,v\n3,u\n4,v\n",
    "one_class.csv": "a,y\n" + "1,x\n2,x\n" * 8,
    "two_classes_of_one.csv": "a,y\n" + "1,x\n" * 12 + "3,w\n",
    "names.csv": "a,y\n" + "".join(f"{i},name {i}\n" for i in range(20)),
    "many_classes.csv": "a,y\n" + "".join(f"{i},c{i % 10}\n" for i in range(20)),
    "huge.csv": "a,y\n" + "1e300,u\n2,v\n" * 8,
    "huge_target.csv": "a,y\n" + "1,1e300\n2,1.5\n" * 8,
    "constant_target.csv": "a,y\n" + "1,0.5\n2,0.5\n" * 8,
    "some_text.csv": "a,y\n" + "1,1.5\n2,2.5\n" * 20 + "3,cheap\n",
    "nothing_left.csv": "id,c,y\n" + "".join(f"{i},5,{'uv'[i % 2]}\n" for i in range(20)),
    "only_texts.csv": "t,y\n" + "".join(f"word {i} of many,{'uv'[i % 2]}\n" for i in range(20)),
    "hostile.csv": '"<img src=x>","b\x1b[2J",y\n' + "1e300,2,u\n2,3,v\n" * 8,
    "hostile_target.csv": '"<b>a</b>","y\x1b[2J"\n' + "1,x\n2,x\n" * 8,
    "mit leer & 表.csv": "a,y\n" + "1,x\n2,x\n" * 8,
}
CASES = {
    ("nowhere.csv",): "CSV, TSV, Parquet), but 'nowhere.csv'",
    ("nowhere/table.csv",): "'nowhere/table.csv' is neither",
    (".",): "'.' is a folder: name one in it",
    ("",): "'' is neither",
    ("x" * 5000,): "gave: [Errno 36] File name too long",
    ("with\nline.csv",): r"'with\nline.csv' is neither",
    ("dangling.csv",): "'dangling.csv' is neither",
    ("empty.csv",): "'empty.csv' is empty",
    ("blank.csv",): "'blank.csv' is empty",
    ("mark.csv",): "'mark.csv' is empty",
    ("some.json",): "'some.json' is JSON: export the table as CSV",
    ("header.csv",): "2 columns and 8 rows, but 'header.csv' has 3 and 0",
    ("one_column.csv",): "'one_column.csv' has 1 and 16",
    ("few.csv",): "'few.csv' has 2 and 2",
    ("ragged.csv",): "header",
    ("torn.csv",): "Expected 3 fields in line 3, saw 4",
    ("open_quote.csv",): "'open_quote.csv'",
    ("no_header.csv",): "'no_header.csv' is all numbers",
    ("binary.csv",): "'binary.csv' is binary",
    ("nul.csv",): "'nul.csv' is binary",
    ("utf-16-bare.csv",): "or name its --encoding",
    ("book.xlsx",): "'book.xlsx' is a zip archive or an Excel workbook: export the table as CSV",
    ("old.xls",): "an old Excel workbook",
    ("page.csv",): "'page.csv' is a web page",
    ("paper.pdf",): "is a PDF",
    ("image.png",): "is an image",
    ("data.db",): "is a database",
    ("torn.csv.gz",): "'torn.csv.gz'",
    ("not.csv.gz",): "'not.csv.gz'",
    ("torn.parquet",): "torn.parquet' gave: " if find_spec("pyarrow") else "lrtune[parquet]",
    ("good.csv", "--separator", ";"): "'good.csv' has 1 and 16",
    ("semicolons.csv", "--separator", "comma"): "'semicolons.csv' has 1 and 16",
    (
        "good.csv",
        "--separator",
        "dots",
    ): "separator must be one ASCII character",
    ("good.csv", "--separator", ""): "separator must be one ASCII character",
    ("good.csv", "--separator", "\n"): "separator must be",
    ("good.csv", "--separator", "§"): "separator must be",
    ("good.csv", "--separator", '"'): "separator must be",
    ("good.csv", "--encoding", "utf-99"): "utf-8, latin-1",
    ("good.csv", "--encoding", ""): "but got ''",
    ("good.csv", "--encoding", "hex"): "encoding must be one that Python knows",
    ("good.csv", "--encoding", "rot13"): "encoding must be one that Python knows",
    ("latin.csv", "--encoding", "utf-8"): "reading 'latin.csv' gave: 'utf-8' codec can't decode",
    ("good.csv", "--encoding", "utf-16"): "name another --encoding",
    ("good.csv", "--preprocessor", "magic"): "'magic' is not one of",
    ("good.csv", "--target", "z"): "a position from 0 to 2, but got 'z'; its columns are 'a', 'b'",
    ("good.csv", "--target", ""): "but got ''",
    ("good.csv", "--target", "3"): "but got '3'",
    ("good.csv", "--target", "-4"): "but got '-4'",
    ("good.csv", "--target", "1.0"): "but got '1.0'",
    ("all_missing.csv",): "column 'y' of all_missing.csv",
    ("few_known.csv",): "20 of 24 rows left out",
    ("one_class.csv",): "at least 2 classes, but got 1 in column 'y' of one_class.csv",
    ("two_classes_of_one.csv",): "2 rows each, but got 1",
    ("names.csv",): "2 rows each, but got 0",
    ("many_classes.csv",): "number of classes = 10: merge classes",
    ("huge.csv",): "1e+30 in size, but column 'a' of huge.csv holds 1e+300",
    ("huge_target.csv",): "column 'y' of huge_target.csv holds 1e+300",
    ("constant_target.csv",): "vary, but column 'y' of constant_target.csv holds 0.5",
    ("some_text.csv", "--task", "regression"): "column 'y' of some_text.csv holds 'cheap'",
    ("good.csv", "--task", "regression"): "numeric, but column 'y' of good.csv holds 'u'",
    ("nothing_left.csv",): "columns dropped, as they are named like identifiers",
    ("only_texts.csv",): "--preprocessor skrub",
    ("hostile.csv",): "column '<img src=x>' of hostile.csv holds 1e+300",
    ("hostile_target.csv",): r"but got 1 in column 'y\x1b[2J'",
    ("mit leer & 表.csv",): "of mit leer & 表.csv: name another --target",
    ("iris", "--target", "0"): "target must be left out",
    ("iris", "--separator", ";"): "separator must be left out",
    ("iris", "--encoding", "utf-8"): "encoding must be left out",
}


TESTED = (("nowhere.csv",), ("binary.csv",), ("one_class.csv",), ("good.csv", "--target", "3"))
"""Those that the range test meets too, which reads as the search does."""


@pytest.fixture
def tables(folder: Path) -> dict[str, bytes]:
    for name, content in TABLES.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "dangling.csv").symlink_to(folder / "gone.csv")
    return state(folder)


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("command", "words"),
    [("search", words) for words in CASES] + [("range-test", words) for words in TESTED],
    ids=lambda words: words if isinstance(words, str) else ascii(" ".join(words))[:60],
)
def test_a_table_that_cannot_be_used_is_one_clear_line(
    lrtune: Callable[..., Any],
    folder: Path,
    tables: dict[str, bytes],
    command: str,
    words: tuple[str, ...],
) -> None:
    run = lrtune(command, *words)
    lines = run.err.splitlines()
    message = lines[-1]

    assert (run.code, run.out) == (2, "")
    assert message.startswith("lrtune: ")
    assert CASES[words] in message
    assert message.isprintable()
    assert "Traceback" not in run.err
    assert state(folder) == tables


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="needs pyarrow")
@pytest.mark.parametrize("option", [("--separator", ","), ("--encoding", "utf-8")])
def test_parquet_has_neither_separator_nor_encoding(
    lrtune: Callable[..., Any], folder: Path, option: tuple[str, str]
) -> None:
    import pandas as pd

    pd.DataFrame({"a": range(9), "y": range(9)}).to_parquet("t.parquet")
    run = lrtune("search", "t.parquet", *option)

    assert run.code == 2
    assert "Parquet" in run.err


@pytest.mark.parametrize("content", [b"", b"\0\1\2", b"a,b\n1,2\n"], ids=ascii)
def test_bad_standard_input(
    lrtune: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    run = lrtune("search", "-")

    assert (run.code, run.out) == (2, "")
    assert "'standard input'" in run.err.splitlines()[-1]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["sklearn", "skrub"])
def test_what_is_not_installed_is_said(
    lrtune: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (folder / "t.csv").write_text("a,y\n" + "x,u\n,v\nz,u\n" * 8)
    monkeypatch.setitem(sys.modules, "skrub", None)
    run = lrtune("search", "t.csv", "--preprocessor", name, "--trials", "1", "--no-confirm")

    assert run.code == (2 if name == "skrub" else 0)
    assert ("pip install 'lrtune[skrub]'" in run.err) == (name == "skrub")
