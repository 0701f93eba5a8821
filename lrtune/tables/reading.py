"""Reading a table from a file or from standard input."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.delimited import TextFormat, note_renamed, read_delimited
from lrtune.tables.kinds import as_texts, without_gaps
from lrtune.tables.number_format import decimal_marks
from lrtune.tables.wording import listed, one_line

_COMPRESSIONS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""First bytes of compressed files, and the function that opens each."""

_FOREIGN = {
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"SQLite format 3": "a database",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b'[{"': "JSON",
    b'{"': "JSON",
}
"""First bytes of files that are often mistaken for tables, and their type."""

_HEAD = 1 << 18
"""Number of bytes from which encoding and separator are detected."""
_SAMPLED = 200
"""Texts of a column in which decimal marks are looked for."""


@dataclass(frozen=True)
class Table:
    """A table as read from a file, with unique column names."""

    name: str
    """The file's name without its extensions; "stdin" for standard input."""
    source: str
    """The file's name in messages."""
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    """A sentence on each thing that was detected."""
    decimal: str = ""
    """The decimal mark that its numbers show; "" if none or both do."""
    missing: tuple[str, ...] = ()
    """Further texts that stood for missing values."""


def read_table(
    source: str,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    skip_lines: int | None = None,
    header: bool = True,
    missing: Collection[str] = (),
    texts: Collection[str] = (),
) -> Table:
    """Read delimited text, compressed or not, Parquet or a workbook; ``-`` is standard input.

    A separator is one character or a name from `lrtune.tables.delimited.SEPARATORS`. Separator,
    encoding and lines before the header are detected by default. Texts in `missing` are missing
    values. Columns named in `texts` are read as text.
    """
    text_format = TextFormat(separator, encoding, tuple(texts), skip_lines, header, tuple(missing))
    label = "standard input" if source == "-" else source
    try:
        with _open(source) as stream:
            head = stream.read(_HEAD)
            stream.seek(0)
            _require_table(head, label)
            readers = (read for magic, read in _READERS.items() if head.startswith(magic))
            read = next(readers, read_delimited)
            frame, notes = read(stream, head, text_format, label)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise InvalidInputError(
            f"`data` must be a readable table, but reading {label!r} gave: {one_line(error)}: "
            "download or copy it again, or export it as CSV"
        ) from error
    return Table(
        _name(source),
        _printable(label),
        frame,
        tuple(notes),
        _find_decimal(frame),
        tuple(missing),
    )


def _find_decimal(frame: pd.DataFrame) -> str:
    """Return the decimal mark of a table's numbers; "" if none or both show."""
    votes = Counter[str]()
    for _, values in frame.items():
        if pd.api.types.is_float_dtype(values):
            if (values.dropna().head(_SAMPLED) % 1 != 0).any():
                votes["."] += 1
        elif not pd.api.types.is_numeric_dtype(values):
            votes.update(decimal_marks(map(str, values.dropna().unique()[:_SAMPLED])).keys())
    return next(iter(votes)) if len(votes) == 1 else ""


def _printable(text: str) -> str:
    """Escape control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _open(source: str) -> BinaryIO:
    """Open a source for reading, decompressed and seekable."""
    path = Path(source)
    origin: Path | BytesIO = path
    if path.is_file() and source != "-":
        with path.open("rb") as file:
            start = file.read(8)
    elif source == "-" or path.is_fifo():  # as in: lrtune search <(command)
        origin = BytesIO(sys.stdin.buffer.read() if source == "-" else path.read_bytes())
        start = origin.getvalue()[:8]
    elif source and path.is_dir():
        raise InvalidInputError(
            f"`data` must be a file, but {source!r} is a folder: name one in it"
        )
    else:
        raise InvalidInputError(
            f"`data` must be a bundled data set or a file (CSV, TSV, Parquet), but {source!r} is "
            "neither: check its spelling"
        )
    for magic, opener in _COMPRESSIONS.items():
        if start.startswith(magic):
            opened: BinaryIO = opener(origin)
            return opened
    return origin.open("rb") if isinstance(origin, Path) else origin


def _name(source: str) -> str:
    if source == "-":
        return "stdin"
    name = Path(source).name
    for ending in (".gz", ".bz2", ".xz", ".zip"):
        name = name.removesuffix(ending)
    stem = Path(name).stem
    return "".join(letter if letter.isprintable() else "_" for letter in stem).strip() or "table"


def _require_table(head: bytes, source: str) -> None:
    if not head.strip(b" \t\r\n\v\f\xef\xbb\xbf"):
        raise InvalidInputError(
            f"`data` must be a table with a header line, but {source!r} is empty: name another file"
        )
    for magic, kind in _FOREIGN.items():
        if head.lstrip().startswith(magic):
            raise InvalidInputError(
                f"`data` must be a table as CSV, TSV, Parquet or a workbook, but {source!r} is "
                f"{kind}: export the table as CSV"
            )


def _read_parquet(
    stream: BinaryIO, head: bytes, text_format: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    del head
    _require_no_text_options(text_format, source, "a Parquet file")
    try:
        frame = pd.read_parquet(stream, engine="pyarrow")
        stream.seek(0)
        declared = _declared_categories(stream)
    except ImportError as error:
        raise InvalidInputError(
            f"reading Parquet, as in {source!r}, needs pyarrow: pip install 'lrtune[parquet]'"
        ) from error
    except ValueError as error:  # pyarrow's own errors derive from it
        raise OSError(one_line(error)) from error
    if isinstance(frame.index, pd.MultiIndex) or frame.index.name is not None:
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    frame.columns = _unique(names)
    for name, values in frame.items():
        if isinstance(values.dtype, pd.CategoricalDtype) or name in declared:
            texts = as_texts(values.convert_dtypes())  # whole numbers beside a gap are floats
            frame[name] = pd.Series(pd.Categorical(texts), values.index)
        frame[name] = without_gaps(frame[name], text_format.missing)
    pairs = list(zip(names, frame.columns, strict=True))
    return frame.reset_index(drop=True), note_renamed(pairs)


def _declared_categories(stream: BinaryIO) -> set[str]:
    """Return the columns that pandas wrote as categories; of numbers it reads them as numbers."""
    from pyarrow.parquet import read_schema

    metadata = read_schema(stream).pandas_metadata or {}
    columns = metadata.get("columns", ())
    return {str(each["name"]) for each in columns if each.get("pandas_type") == "categorical"}


def _read_workbook(
    stream: BinaryIO, head: bytes, text_format: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Read the first sheet of an Excel or OpenDocument workbook as if it were text."""
    del head
    _require_no_text_options(text_format, source, "a workbook")
    try:
        book = pd.ExcelFile(stream)
        sheets = [str(name) for name in book.sheet_names]
        rows = pd.read_excel(
            book, sheet_name=sheets[0], header=None, dtype=object, keep_default_na=False
        )
    except ImportError as error:
        library = error.name or "openpyxl"
        raise InvalidInputError(
            f"reading a workbook, as in {source!r}, needs {library}: pip install {library}, or "
            "export the sheet as CSV"
        ) from error
    except (ValueError, LookupError) as error:
        raise OSError(one_line(error)) from error
    content = rows.map(_cell_text).to_csv(index=False, header=False).encode()
    text_format = replace(text_format, separator=",", encoding="utf-8")
    frame, notes = read_delimited(BytesIO(content), content[:_HEAD], text_format, source)
    if len(sheets) > 1:
        notes.insert(0, f"sheet {sheets[0]!r} read, and not {listed(sheets[1:])}")
    return frame, notes


def _cell_text(value: Any) -> str:
    """Return a cell of a workbook as CSV would hold it."""
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date().isoformat()
    return "" if value is None else str(value)


def _read_archive(
    stream: BinaryIO, head: bytes, text_format: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Read the only file in a zip archive, or a workbook, which is one too."""
    with zipfile.ZipFile(stream) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if "[Content_Types].xml" in names or "content.xml" in names:
            stream.seek(0)
            return _read_workbook(stream, head, text_format, source)
        tables = [name for name in names if not name.startswith(("__MACOSX/", "."))]
        if len(tables) != 1:
            raise InvalidInputError(
                f"a zip archive must hold one table, but {source!r} holds {len(tables)} files, "
                f"{listed(tables)}: unpack it, and name one of them"
            )
        content = archive.read(tables[0])
    _require_table(content[:_HEAD], f"{source}:{tables[0]}")
    read = _read_parquet if content.startswith(b"PAR1") else read_delimited
    return read(BytesIO(content), content[:_HEAD], text_format, source)


_READERS: dict[bytes, Callable[..., tuple[pd.DataFrame, list[str]]]] = {
    b"PAR1": _read_parquet,
    b"PK\x03\x04": _read_archive,
    b"\xd0\xcf\x11\xe0": _read_workbook,
}
"""First bytes of files other than text, and the function that reads each."""


def _require_no_text_options(text_format: TextFormat, source: str, what: str) -> None:
    if text_format.separator or text_format.encoding:
        raise InvalidInputError(
            f"{what} has neither separator nor encoding, but {source!r} is one: leave out "
            "`separator` and `encoding`"
        )


def _unique(names: list[str]) -> pd.Index[Any]:
    """Make names unique as pandas does for CSV files."""
    taken: list[str] = []
    for name in names:
        new, number = name, 0
        while new in taken or (number and new in names):
            number += 1
            new = f"{name}.{number}"
        taken.append(new)
    return pd.Index(taken)
