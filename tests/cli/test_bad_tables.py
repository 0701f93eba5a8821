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
    "some_text.csv": "a,y\n" + "1,1.5\n2,2.5\n3,cheap\n" * 20,
    "nothing_left.csv": "id,c,y\n" + "".join(f"{i},5,{'uv'[i % 2]}\n" for i in range(20)),
    "only_texts.csv": "t,y\n" + "".join(f"word {i} of many,{'uv'[i % 2]}\n" for i in range(20)),
    "hostile.csv": '"<img src=x>","b\x1b[2J",y\n' + "1e300,2,u\n2,3,v\n" * 8,
    "hostile_target.csv": '"<b>a</b>","y\x1b[2J"\n' + "1,x\n2,x\n" * 8,
    "mit leer & 表.csv": "a,y\n" + "1,x\n2,x\n" * 8,
}
DATA = ("bundled data set", "spelling")
EMPTY = ("header line", "is empty", "another file")
SHAPE = ("at least 2 columns and 8 rows", "add rows", "--separator")
CSV = ("CSV file with a header line", "correct that line", "--separator")
TABLE = ("CSV, TSV, Parquet or a workbook", "export")
BINARY = (*TABLE, "is binary", "--encoding")
READABLE = ("readable table", "export it as CSV")
SEPARATOR = ("--separator must be one ASCII character", "comma, semicolon, tab")
ENCODING = ("--encoding must be one that Python knows", "utf-8, latin-1")
DECODED = ("text in the named encoding", "another --encoding")
TARGET = ("--target must be a column", "from 0 to 2", "'a', 'b', 'y'")
CLASSES = ("at least 2 classes", "another --target")
ROWS_EACH = (*CLASSES, "2 rows each", "merge classes")
LARGE = ("at most 1e+30", "larger unit")
NUMERIC = ("must be numeric", "another --target", "--task classification")
LEFT = ("must have a column to train on", "none left")
PARQUET = ("'t.parquet'", "neither separator nor encoding", "leave out")
PYARROW = find_spec("pyarrow")
CASES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("nowhere.csv",): ("'nowhere.csv'", *DATA),
    ("nowhere/table.csv",): ("'nowhere/table.csv'", *DATA),
    (".",): ("'.' is a folder", "must be a file", "name one in it"),
    ("",): ("''", *DATA),
    ("x" * 5000,): ("'xxx", "File name too long", *READABLE),
    ("with\nline.csv",): (r"'with\nline.csv'", *DATA),
    ("dangling.csv",): ("'dangling.csv'", *DATA),
    ("empty.csv",): ("'empty.csv'", *EMPTY),
    ("blank.csv",): ("'blank.csv'", *EMPTY),
    ("mark.csv",): ("'mark.csv'", *EMPTY),
    ("some.json",): ("'some.json' is JSON", *TABLE),
    ("header.csv",): ("'header.csv' has 3 and 0", *SHAPE),
    ("one_column.csv",): ("'one_column.csv' has 1 and 16", *SHAPE),
    ("few.csv",): ("'few.csv' has 2 and 2", *SHAPE),
    ("ragged.csv",): ("'ragged.csv'", "as many fields as the header", "--separator"),
    ("torn.csv",): ("'torn.csv'", "line 3", *CSV),
    ("open_quote.csv",): ("'open_quote.csv'", "row 1", *CSV),
    ("no_header.csv",): ("'no_header.csv'", "header line", "all numbers", "name the columns"),
    ("binary.csv",): ("'binary.csv'", *BINARY),
    ("nul.csv",): ("'nul.csv'", *BINARY),
    ("utf-16-bare.csv",): ("'utf-16-bare.csv'", *BINARY),
    ("book.xlsx",): ("'book.xlsx'", "zip", *READABLE),
    ("old.xls",): ("'old.xls'", *READABLE),
    ("page.csv",): ("'page.csv' is a web page", *TABLE),
    ("paper.pdf",): ("'paper.pdf' is a PDF", *TABLE),
    ("image.png",): ("'image.png' is an image", *TABLE),
    ("data.db",): ("'data.db' is a database", *TABLE),
    ("torn.csv.gz",): ("'torn.csv.gz'", *READABLE),
    ("not.csv.gz",): ("'not.csv.gz'", *READABLE),
    ("torn.parquet",): ("'torn.parquet'", *(READABLE[:1] if PYARROW else ["lrtune[parquet]"])),
    ("good.csv", "--separator", ";"): ("'good.csv' has 1 and 16", *SHAPE),
    ("semicolons.csv", "--separator", "comma"): ("'semicolons.csv' has 1 and 16", *SHAPE),
    ("good.csv", "--separator", "dots"): ("'dots'", *SEPARATOR),
    ("good.csv", "--separator", ""): ("''", *SEPARATOR),
    ("good.csv", "--separator", "\n"): (r"'\n'", *SEPARATOR),
    ("good.csv", "--separator", "§"): ("'§'", *SEPARATOR),
    ("good.csv", "--separator", '"'): ("""'"'""", *SEPARATOR),
    ("good.csv", "--encoding", "utf-99"): ("'utf-99'", *ENCODING),
    ("good.csv", "--encoding", ""): ("''", *ENCODING),
    ("good.csv", "--encoding", "hex"): ("'hex'", *ENCODING),
    ("good.csv", "--encoding", "rot13"): ("'rot13'", *ENCODING),
    ("latin.csv", "--encoding", "utf-8"): ("'latin.csv'", "0xfc", *DECODED),
    ("good.csv", "--encoding", "utf-16"): ("'good.csv'", "UTF-16", *DECODED),
    ("good.csv", "--preprocessor", "magic"): ("'magic'", "--preprocessor", "'sklearn', 'skrub'"),
    ("good.csv", "--target", "z"): ("'z'", *TARGET),
    ("good.csv", "--target", ""): ("''", *TARGET),
    ("good.csv", "--target", "3"): ("'3'", *TARGET),
    ("good.csv", "--target", "-4"): ("'-4'", *TARGET),
    ("good.csv", "--target", "1.0"): ("'1.0'", *TARGET),
    ("all_missing.csv",): ("'y' of all_missing.csv", "must have values", "another --target"),
    ("few_known.csv",): ("'few_known.csv' 4", "at least 8 rows", "20 of 24 rows", "add rows"),
    ("one_class.csv",): ("got 1", "'y' of one_class.csv", *CLASSES),
    ("two_classes_of_one.csv",): ("got 1", "'y' of two_classes_of_one.csv", *ROWS_EACH),
    ("names.csv",): ("got 0", "'y' of names.csv", *ROWS_EACH),
    ("many_classes.csv",): ("20 rows", "classes = 10", "hold out 25%", "merge classes", "add rows"),
    ("huge.csv",): ("'a' of huge.csv", "1e+300", *LARGE),
    ("huge_target.csv",): ("'y' of huge_target.csv", "1e+300", *LARGE),
    ("constant_target.csv",): ("'y' of constant_target.csv", "0.5", "vary", "another --target"),
    ("some_text.csv", "--task", "regression"): ("'y' of some_text.csv", "'cheap'", *NUMERIC),
    ("good.csv", "--task", "regression"): ("'y' of good.csv", "'u'", *NUMERIC),
    ("nothing_left.csv",): ("nothing_left.csv", "'id'", "'c'", "keep one with --column", *LEFT),
    ("only_texts.csv",): ("only_texts.csv", "'t'", "--preprocessor skrub", *LEFT),
    ("hostile.csv",): ("'<img src=x>' of hostile.csv", "1e+300", *LARGE),
    ("hostile_target.csv",): ("got 1", r"'y\x1b[2J'", *CLASSES),
    ("mit leer & 表.csv",): ("got 1", "of mit leer & 表.csv", *CLASSES),
    ("iris", "--target", "0"): ("'0'", "--target must be left out", "'iris'"),
    ("iris", "--separator", ";"): ("';'", "--separator must be left out", "'iris'"),
    ("good.csv", "--column", "z=drop"): ("'z'", "--column must name columns", "'a', 'b', 'y'"),
    ("good.csv", "--column", "a=zip"): ("'a=zip'", "NAME=KIND", "number, category, date"),
    ("good.csv", "--column", "a"): ("'a'", "NAME=KIND", "number, category, date"),
    ("good.csv", "--column", "y=drop"): ("'y'", "cannot drop the target", "another --target"),
    ("good.csv", "--column", "a=date"): ("'a' as date", "holds none", "date:%d/%m/%Y"),
    ("good.csv", "--skip-lines", "-1"): ("-1", "--skip-lines"),
    ("good.csv", "--skip-lines", "99"): ("'good.csv'", "header line", "--skip-lines"),
    ("good.csv", "--missing", "u,v"): ("'y' of good.csv", "must have values", "another --target"),
    ("iris", "--no-header"): ("--no-header must be left out", "'iris'"),
    ("iris", "--column", "a=drop"): ("--column must be left out", "'iris'"),
    ("iris", "--missing", ".."): ("--missing must be left out", "'iris'"),
    ("iris", "--encoding", "utf-8"): ("'utf-8'", "--encoding must be left out", "'iris'"),
}
"""The value, the rule and the cure that each message names."""


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
    assert [part for part in CASES[words] if part not in message] == []
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

    message = run.err.splitlines()[-1]

    assert run.code == 2
    assert [part for part in PARQUET if part not in message] == []


@pytest.mark.parametrize(
    ("content", "rule"), [(b"", EMPTY), (b"\0\1\2", BINARY), (b"a,b\n1,2\n", SHAPE)], ids=ascii
)
def test_bad_standard_input(
    lrtune: Callable[..., Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    rule: tuple[str, ...],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
    run = lrtune("search", "-")

    assert (run.code, run.out) == (2, "")
    message = run.err.splitlines()[-1]
    assert [part for part in ("'standard input'", *rule) if part not in message] == []
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
