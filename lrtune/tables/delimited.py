"""Reading delimited text, and detecting its encoding, separator and decimal marks."""

from __future__ import annotations

import codecs
import csv
import math
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.kinds import SHARE_READ, find_thousands
from lrtune.tables.wording import one_line, shortened

MISSING = ("", "NaN", "nan")
"""Texts that are missing values in every column; "NA" and "None" may be classes."""

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": r"\s+"}
"""Separators to detect, by name."""

_NAMES = {separator: name for name, separator in SEPARATORS.items()}
_SNIFFED_LINES = 100
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DECIMAL = r"\s*[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?\s*"
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_SEPARATOR_LINE = re.compile(r'"?sep=([!-~\t])"?[,;\t]*\r?\n')
"""A line before the header that names the separator for spreadsheets."""
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Encodings to try in turn if there is no byte order mark."""


@dataclass(frozen=True)
class TextFormat:
    """Options of reading text; None means to detect."""

    separator: str | None = None
    """One character, or a name from `SEPARATORS`."""
    encoding: str | None = None
    texts: tuple[str, ...] = ()
    """Columns to keep as text."""

    def __post_init__(self) -> None:
        if self.separator is not None:
            object.__setattr__(self, "separator", _parse_separator(self.separator))
        try:
            "".encode("utf-8" if self.encoding is None else self.encoding)
        except (LookupError, ValueError) as error:
            raise InvalidInputError(
                "`encoding` must be one that Python knows, for example utf-8, latin-1 or cp1251, "
                f"but got {self.encoding!r}"
            ) from error


def _parse_separator(text: str) -> str:
    aliases = {" ": SEPARATORS["space"], "\\t": "\t"}
    separator = SEPARATORS.get(text.lower()) or aliases.get(text, text)
    one_character = len(separator) == 1 and separator.isascii() and separator not in '"\r\n\0'
    if separator not in SEPARATORS.values() and not one_character:
        raise InvalidInputError(
            f"`separator` must be one ASCII character or one of {', '.join(SEPARATORS)}, no quote "
            f"and no line end, but got {text!r}"
        )
    return separator


def read_delimited(
    stream: BinaryIO, head: bytes, text_format: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Read the table in a stream that begins with `head`; return it and notes on its format."""
    reason = ""
    marked = [encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if head.startswith(mark)]
    for encoding in [text_format.encoding] if text_format.encoding else marked[:1] or _ENCODINGS:
        stream.seek(0)
        try:
            text = head.decode(encoding, errors="replace")
            frame, notes = _parse(stream, text, text_format, encoding, source)
        except UnicodeError as error:
            reason = one_line(error)
            continue
        if encoding not in (text_format.encoding, "utf-8-sig"):
            notes.insert(0, f"encoding: {encoding} (choose with `encoding`)")
        return frame, notes
    raise InvalidInputError(
        f"`data` must be text in the named encoding, but reading {source!r} gave: "
        f"{reason}: name another `encoding`"
    )


def _parse(
    stream: BinaryIO, head: str, text_format: TextFormat, encoding: str, source: str
) -> tuple[pd.DataFrame, list[str]]:
    if "\0" in head:
        raise InvalidInputError(
            f"`data` must be a table as CSV, TSV or Parquet, but {source!r} is binary: export the "
            "table as CSV, or name its `encoding` if it is text"
        )
    separator_line = _SEPARATOR_LINE.match(head)
    detected = separator_line[1] if separator_line else find_separator(head)
    separator = text_format.separator or detected
    header, frame = _read_csv(
        stream,
        text_format.texts,
        source,
        sep=separator,
        skiprows=1 if separator_line else 0,
        encoding=encoding,
        skipinitialspace=True,
        keep_default_na=False,
        na_values=MISSING,
    )
    header_notes = _check_header(frame, source)
    notes = []
    if text_format.separator is None and separator != ",":
        name = _NAMES.get(separator, repr(separator))
        notes.append(f"separator: {name} (choose with `separator`)")
    notes += header_notes
    notes += _mend_names(frame, header)
    if separator != ",":
        notes += _mend_decimals(frame, text_format.texts)
    return frame, notes


def _read_csv(
    stream: BinaryIO, texts: Collection[str], source: str, **options: Any
) -> tuple[list[Any], pd.DataFrame]:
    """Return the header as in the file, and the table with unique column names."""
    try:
        with warnings.catch_warnings():
            # pandas drops fields beyond the header's with no more than a warning
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = pd.read_csv(stream, header=None, nrows=1, dtype=str, **options).iloc[0]
            stream.seek(0)
            frame = pd.read_csv(
                stream,
                index_col=False,
                low_memory=False,
                dtype=dict.fromkeys(texts, str),
                # a blank line in a single column is a missing value
                skip_blank_lines=len(header) > 1,
                **options,
            )
    except pd.errors.ParserWarning as error:
        raise InvalidInputError(
            f"every line must have as many fields as the header, but lines of {source!r} have "
            "more: name the further columns in the header, take them out, or name another "
            "`separator`"
        ) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, csv.Error) as error:
        raise InvalidInputError(
            f"`data` must be a readable CSV file with a header line, but reading {source!r} gave: "
            f"{one_line(error)}: correct that line, or name another `separator`"
        ) from error
    return header.tolist(), frame


# Alternatives: DuckDB's sniffer (70 MB) detects neither encodings nor fixed-width columns,
# CleverCSV's may take a second for a long table, and neither handles decimal commas or "sep=;".
def find_separator(text: str) -> str:
    """Return the separator that splits the lines consistently into the most fields.

    Spaces count only if nothing else does, as they also occur in names and around separators.
    """
    lines = text.splitlines(keepends=True)[:_SNIFFED_LINES]
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        lines.pop()  # it may be cut off
    best_fit, best = (False, 1), ","
    for separator in SEPARATORS.values():
        fit = _fit(lines, separator)
        if separator == SEPARATORS["space"] and (best_fit[0] or not fit[0]):
            continue
        if fit > best_fit:
            best_fit, best = fit, separator
    return best


def _fit(lines: list[str], separator: str) -> tuple[bool, int]:
    """Return the number of fields in the first line, after True if 90 % of lines have as many."""
    delimiter = " " if separator == SEPARATORS["space"] else separator
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return False, 0
    width = len(rows[0]) if rows else 0
    return width > 1 and sum(len(row) == width for row in rows) >= 0.9 * len(rows), width


def _mend_names(frame: pd.DataFrame, header: list[Any]) -> list[str]:
    """Strip names and drop empty nameless columns, in place; return notes on the names."""
    pairs = list(zip(header, frame.columns, strict=False))
    notes = note_renamed([(old, new) for old, new in pairs if isinstance(old, str)])
    nameless = [new for old, new in pairs if not isinstance(old, str)]
    empty = [name for name in nameless if frame[name].isna().all()]
    for name in empty:  # a separator at the end of every line makes one
        del frame[name]
    if empty:
        notes.append(f"columns without a name or a value: {len(empty)} left out")
    stripped = [str(name).strip() for name in frame.columns]
    if len(set(stripped)) == len(stripped):
        frame.columns = pd.Index(stripped)
    return notes


def note_renamed(pairs: list[tuple[str, str]]) -> list[str]:
    """Return a note on the (old, new) names that were made unique, if there are any."""
    renamed = [f"{old!r} renamed to {new!r}" for old, new in pairs if old != new]
    return [f"columns of the same name: {shortened(renamed)}"] if renamed else []


def _mend_decimals(frame: pd.DataFrame, texts: Collection[str]) -> list[str]:
    """Replace decimal commas by points in numeric columns, in place; return a note on them."""
    mended = []
    for name, values in frame.items():
        present = values.dropna().astype(str)
        if pd.api.types.is_numeric_dtype(values) or present.empty or name in texts:
            continue
        if find_thousands(present, unambiguous=True):
            continue  # `lrtune.tables.inspection` converts it and records the separator
        numeric = present.str.fullmatch(_DECIMAL).mean() >= SHARE_READ
        if numeric and present.str.contains(",").any():
            pointed = values.astype(object).str.replace(_DECIMAL_COMMA, ".", regex=True)
            numbers = pd.to_numeric(pointed, errors="coerce")
            frame[name] = numbers if numbers.count() == len(present) else pointed
            mended.append(repr(name))
    return [f"commas treated as decimal points: {shortened(mended)}"] if mended else []


def _check_header(frame: pd.DataFrame, source: str) -> list[str]:
    """Raise if all names are numbers; return a note if some are."""
    numbers = [repr(name) for name in frame.columns if _is_number(name)]
    if len(numbers) == frame.shape[1]:
        raise InvalidInputError(
            f"`data` must have a header line, but the first line of {source!r} is all numbers: "
            "name the columns there"
        )
    if not numbers:
        return []
    return [
        f"the first line is treated as the header, though it holds numbers such as {numbers[0]}: "
        "put names there if it is a row"
    ]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
