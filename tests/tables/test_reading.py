"""Reading tables: formats, compression, separators, encodings and names."""

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.exceptions import InvalidInputError
from lrtune.tables.dataset import load_dataset
from lrtune.tables.delimited import SEPARATORS
from lrtune.tables.kinds import convert, find_kind
from lrtune.tables.reading import read_table

PLAIN = pd.DataFrame({"size": [1.5, 2.0, -3.25], "city": ["Bern", "Zürich", "São Paulo"]}).astype(
    {"city": object}
)


def text(separator: str = ",") -> str:
    return PLAIN.to_csv(index=False, sep=separator)


def write(content: bytes | str, name: str = "t.csv") -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(folder: Path, separator: str) -> None:
    table = read_table(write(text(separator)))

    pd.testing.assert_frame_equal(table.frame, PLAIN)
    assert bool(table.notes) == (separator != ",")


def test_columns_of_a_fixed_width_are_found(folder: Path) -> None:
    table = read_table(write("size   age\n 1.5    2\n10.25  30\n"))

    assert table.frame.to_dict("list") == {"size": [1.5, 10.25], "age": [2, 30]}
    assert table.notes == ("separator: space (choose with `separator`)",)


@pytest.mark.parametrize(
    "header",
    ["full name,age", "a b c,d e f", '"last; first",age', "x|y,z", "tab\there,b"],
)
def test_other_separators_inside_names_do_not_count(folder: Path, header: str) -> None:
    table = read_table(write(header + "\n" + "1,2\n3,4\n" * 9))

    assert table.frame.shape == (18, 2)


@pytest.mark.parametrize("name", [*SEPARATORS, ";", "\\t", " ", "~"])
def test_separators_are_given_by_name_or_character(folder: Path, name: str) -> None:
    character = {"\\t": "\t", "space": " "}.get(name, SEPARATORS.get(name, name))
    table = read_table(write(f"a{character}b\n1{character}2\n"), separator=name)

    assert table.frame.to_dict("list") == {"a": [1], "b": [2]}
    assert table.notes == ()


@pytest.mark.parametrize(
    ("encoding", "notes"),
    [
        ("utf-8", ()),
        ("utf-8-sig", ()),
        ("utf-16", ("encoding: utf-16 (choose with `encoding`)",)),
        ("utf-32", ("encoding: utf-32 (choose with `encoding`)",)),
        ("cp1252", ("encoding: cp1252 (choose with `encoding`)",)),
    ],
)
def test_encodings_are_found(folder: Path, encoding: str, notes: tuple[str, ...]) -> None:
    table = read_table(write(text().encode(encoding)))

    pd.testing.assert_frame_equal(table.frame, PLAIN)
    assert table.notes == notes


def test_a_letter_beyond_the_first_bytes_decides_the_encoding(folder: Path) -> None:
    rows = "a,b\n" + "1,x\n" * 100_000
    table = read_table(write(rows.encode() + "2,ü\n".encode("latin-1")))

    assert table.frame["b"].iloc[-1] == "ü"
    assert table.notes == ("encoding: cp1252 (choose with `encoding`)",)


def test_an_encoding_is_given(folder: Path) -> None:
    table = read_table(write("город,б\nКазань,1\n".encode("cp1251")), encoding="cp1251")

    assert table.frame.to_dict("list") == {"город": ["Казань"], "б": [1]}
    assert table.notes == ()


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_found_by_the_content(
    folder: Path, compress: Callable[[bytes], bytes]
) -> None:
    table = read_table(write(compress(text().encode()), "of no such ending.csv"))

    pd.testing.assert_frame_equal(table.frame, PLAIN)


@pytest.mark.parametrize("make", [str.encode, lambda content: gzip.compress(content.encode())])
def test_standard_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(make(text())), encoding="utf-8"))
    table = read_table("-")

    pd.testing.assert_frame_equal(table.frame, PLAIN)
    assert (table.name, table.source) == ("stdin", "standard input")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_pipe_with_a_name(folder: Path) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_text(text(), encoding="utf-8"))
    writer.start()
    table = read_table("pipe")
    writer.join()

    pd.testing.assert_frame_equal(table.frame, PLAIN)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.csv", "a"),
        ("a.b.tsv.gz", "a.b"),
        ("noending", "noending"),
        ("mit leer & 表.csv", "mit leer & 表"),
        ("two\nlines\x1b.csv", "two_lines_"),
        (".csv", ".csv"),
    ],
)
def test_the_name_is_that_of_the_file(folder: Path, file: str, name: str) -> None:
    table = read_table(write(text(), file))

    assert table.name == name
    assert table.source.isprintable()


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "sep=;;;\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_first_line_for_spreadsheets_names_the_separator(
    folder: Path, line: str, encoding: str
) -> None:
    table = read_table(write(f"{line}a;b,c;d\n1;2;x\n3;4;y\n".encode(encoding)))

    assert table.frame.to_dict("list") == {"a": [1, 3], "b,c": [2, 4], "d": ["x", "y"]}
    assert "separator: semicolon (choose with `separator`)" in table.notes


@pytest.mark.parametrize("separator", [" | ", " ; ", " , "])
def test_spaces_around_a_separator_do_not_count(folder: Path, separator: str) -> None:
    lines = [["a", "b", "c"], ["1", "2", "x"], ["3", "4", "y"]]
    table = read_table(write("".join(separator.join(line) + "\n" for line in lines)))

    assert table.frame.to_dict("list") == {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}


def test_a_header_without_decimal_commas_tells_the_separator(folder: Path) -> None:
    content = "a;b;c;d\n1,5;2;x,y;1,5\n-2,25e-3;3,5;z;NA\n" + "0,5;1;u,v;2,5\n" * 9
    table = read_table(write(content))

    assert table.frame["a"].tolist()[:2] == ["1,5", "-2,25e-3"]
    assert table.frame["c"][0] == "x,y"
    assert table.decimal == ","


def test_separators_at_line_ends_make_no_column(folder: Path) -> None:
    table = read_table(write("a,b,\n1,2,\n3,4,\n"))

    assert list(table.frame.columns) == ["a", "b"]
    assert table.notes == ("columns without a name or a value: 1 left out",)


def test_spaces_around_names_and_values_do_not_count(folder: Path) -> None:
    table = read_table(write("a, b , c\n1, 2, x\n3, 4, y\n"))

    assert table.frame.to_dict("list") == {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}


def test_numbers_in_the_header_are_noted(folder: Path) -> None:
    table = read_table(write("country,2019,inf\nCH,1,2\n"))

    assert list(table.frame.columns) == ["country", "2019", "inf"]
    assert "though it holds numbers such as '2019'" in table.notes[0]


def test_names_that_are_not_unique_are_renamed_and_noted(folder: Path) -> None:
    table = read_table(write("a,a,a.1,b,a\n1,2,3,4,5\n"))

    assert len(set(table.frame.columns)) == 5
    assert "columns of the same name: 'a' renamed to" in table.notes[0]


def test_columns_are_kept_as_text(folder: Path) -> None:
    table = read_table(write("zip,flag\n01,true\n,false\n"), texts=("zip", "flag", "none"))

    assert table.frame["zip"][0] == "01"
    assert table.frame["zip"].isna().tolist() == [False, True]
    assert table.frame["flag"].tolist() == ["true", "false"]


def test_parquet(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = PLAIN.assign(kind=pd.Categorical([1, 2, None]))
    frame.index = pd.Index([7, 8, 9], name="key")
    frame.to_parquet("t.parquet")
    table = read_table("t.parquet")

    assert list(table.frame.columns) == ["key", "size", "city", "kind"]
    assert table.frame["kind"].dropna().tolist() == ["1", "2"]
    assert table.frame.index.tolist() == [0, 1, 2]


def test_parquet_without_pyarrow_names_the_cure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'lrtune\[parquet\]'"):
        read_table(write(b"PAR1 and so on", "t.parquet"))


LOCALES = {"us": (".", ","), "de": (",", "."), "fr": (",", "\u202f"), "ch": (".", "'")}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    locale=st.sampled_from(list(LOCALES)),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    gap=st.sampled_from(["", "NA", "-", "\\N"]),
    title=st.booleans(),
)
def test_numbers_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    locale: str,
    separator: str,
    line_end: str,
    encoding: str,
    gap: str,
    title: bool,
) -> None:
    rng = np.random.default_rng(seed)
    numbers = {f"c{size}": (rng.normal(size=30) * 10.0**size).round(2) for size in (0, 3, 6)}
    marks = str.maketrans(",.", "".join(reversed(LOCALES[locale])))
    written = {n: [f"{x:,.2f}".translate(marks) for x in values] for n, values in numbers.items()}
    written["c3"][5] = gap
    frame = pd.DataFrame(written)
    text = frame.to_csv(index=False, sep=separator, lineterminator=line_end)
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes((title * f"Report{line_end}{line_end}" + text).encode(encoding))
    table = read_table(str(path))

    for name, values in numbers.items():
        column = table.frame[name]
        read = convert(column, find_kind(column, decimal=table.decimal)).to_numpy()
        expected = np.where(np.arange(30) == 5, np.nan, values) if name == "c3" else values
        assert read == pytest.approx(expected, nan_ok=True)


def test_the_only_table_in_a_zip_file_is_read(folder: Path) -> None:
    with zipfile.ZipFile("t.zip", "w") as archive:
        archive.writestr("folder/t.csv", text(";"))
        archive.writestr("__MACOSX/._t.csv", "x")
    table = read_table("t.zip")

    pd.testing.assert_frame_equal(table.frame, PLAIN)
    assert table.name == "t"


def test_a_zip_file_of_several_tables_is_refused(folder: Path) -> None:
    with zipfile.ZipFile("t.zip", "w") as archive:
        archive.writestr("a.csv", text())
        archive.writestr("b.csv", text())
    with pytest.raises(InvalidInputError, match=r"holds 2 files, 'a\.csv', 'b\.csv': unpack it"):
        read_table("t.zip")


def test_a_workbook_is_read_as_text_would_be(folder: Path) -> None:
    pytest.importorskip("openpyxl")
    days = pd.to_datetime(["2024-02-29", "2024-03-01", None])
    with pd.ExcelWriter("book.xlsx") as book:
        PLAIN.assign(code=["007", "011", None], day=days).to_excel(book, index=False)
        PLAIN.to_excel(book, sheet_name="more", index=False)
    table = read_table("book.xlsx")

    pd.testing.assert_frame_equal(table.frame[["size", "city"]], PLAIN)
    assert table.frame["code"].tolist()[:2] == ["007", "011"]
    assert table.frame["day"].tolist()[:2] == ["2024-02-29", "2024-03-01"]
    assert "sheet 'Sheet1' read, and not 'more'" in table.notes


def test_a_declared_category_stays_one(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"kind": pd.Categorical([1, 2] * 20), "y": range(40)})
    frame.to_parquet("t.parquet")

    assert load_dataset("t.parquet").columns[0].kind == "category"
