"""Reading a table from a file or from standard input."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.delimited import TextFormat, note_renamed, read_delimited
from lrtune.tables.wording import one_line

_COMPRESSIONS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""First bytes of compressed files, and the function that opens each."""

_FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
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


def read_table(
    source: str,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    texts: Collection[str] = (),
) -> Table:
    """Read delimited text with a header line, compressed or not, or Parquet; ``-`` is stdin.

    A separator is one character or a name from `lrtune.tables.delimited.SEPARATORS`. Separator and
    encoding are detected by default. Columns named in `texts` are read as text.
    """
    text_format = TextFormat(separator, encoding, tuple(texts))
    label = "standard input" if source == "-" else source
    try:
        with _open(source) as stream:
            head = stream.read(_HEAD)
            stream.seek(0)
            _require_table(head, label)
            read = _read_parquet if head.startswith(b"PAR1") else read_delimited
            frame, notes = read(stream, head, text_format, label)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InvalidInputError(
            f"`data` must be a readable table, but reading {label!r} gave: {one_line(error)}: "
            "download or copy it again, or export it as CSV"
        ) from error
    return Table(_name(source), _printable(label), frame, tuple(notes))


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
    for ending in (".gz", ".bz2", ".xz"):
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
                f"`data` must be a table as CSV, TSV or Parquet, but {source!r} is {kind}: export "
                "the table as CSV"
            )


def _read_parquet(
    stream: BinaryIO, head: bytes, text_format: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    del head
    if text_format.separator or text_format.encoding:
        raise InvalidInputError(
            f"a Parquet file has neither separator nor encoding, but {source!r} is one: leave out "
            "`separator` and `encoding`"
        )
    try:
        frame = pd.read_parquet(stream, engine="pyarrow")
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
        if isinstance(values.dtype, pd.CategoricalDtype):
            frame[name] = values.astype(object).infer_objects()
    pairs = list(zip(names, frame.columns, strict=True))
    return frame.reset_index(drop=True), note_renamed(pairs)


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
