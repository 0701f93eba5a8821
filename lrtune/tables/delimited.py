"""Tables as text: encoding and separator are found, or given."""

from __future__ import annotations

import codecs
import csv
import math
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.kinds import SHARE_READ, find_thousands

__all__ = ["MISSING", "SEPARATORS", "TextFormat", "read_delimited", "renamed"]

MISSING = ("", "NaN", "nan")
"""What stands for a missing value everywhere; "NA" and "None" may well be classes."""

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": r"\s+"}
"""Those that are looked for, and their names."""

_NAMES = {separator: name for name, separator in SEPARATORS.items()}
_SNIFFED_LINES = 100
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_DECIMAL = r"\s*[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?\s*"
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_SEPARATOR_LINE = re.compile(r'"?sep=([!-~\t])"?[,;\t]*\r?\n')
"""A first line that tells spreadsheets the separator, and is no header."""
_ASSUMED = ("utf-8-sig", "cp1252", "latin-1")


@dataclass(frozen=True)
class TextFormat:
    r"""How text is to be read; None where that is to be found.

    Attributes
    ----------
    separator : str, optional
        One character, or a name from `SEPARATORS`.
    encoding : str, optional
        A name that Python knows.
    texts : tuple of str
        Columns to keep as text, whatever they hold.

    Raises
    ------
    InvalidInputError
        If there is no such separator or encoding.

    Examples
    --------
    >>> TextFormat("tab").separator
    '\t'
    """

    separator: str | None = None
    encoding: str | None = None
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "separator", _parse_separator(self.separator))
        _check_encoding(self.encoding)


def _parse_separator(text: str | None) -> str | None:
    if text is None:
        return None
    named = SEPARATORS.get(text.lower()) or {" ": SEPARATORS["space"], "\\t": "\t"}.get(text, text)
    if named not in SEPARATORS.values() and not _may_separate(named):
        raise InvalidInputError(
            f"separator must be one ASCII character or one of {', '.join(SEPARATORS)}, no quote "
            f"and no line end, but got {text!r}"
        )
    return named


def _may_separate(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text not in '"\r\n\0'


def _check_encoding(encoding: str | None) -> None:
    try:
        "".encode("utf-8" if encoding is None else encoding)
    except (LookupError, ValueError) as error:
        raise InvalidInputError(
            "encoding must be one that Python knows, for example utf-8, latin-1 or cp1251, but "
            f"got {encoding!r}"
        ) from error


def read_delimited(
    stream: BinaryIO, head: bytes, given: TextFormat, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table from text with a header line.

    Parameters
    ----------
    stream : binary file
        From which one can go back to the start.
    head : bytes
        How it begins, to find encoding and separator from.
    given : TextFormat
    source : str
        As messages name it.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        What was found rather than given.

    Raises
    ------
    InvalidInputError
        If it is no table.
    """
    told = ""
    for encoding in [given.encoding] if given.encoding is not None else _encodings(head):
        stream.seek(0)
        try:
            frame, notes = _parse(stream, head, given, encoding, source)
        except UnicodeError as error:
            told = " ".join(str(error).split())
            continue
        if encoding not in (given.encoding, "utf-8-sig"):
            notes.insert(0, f"encoding: {encoding} (choose with --encoding)")
        return frame, notes
    raise InvalidInputError(
        f"DATA must be text in the encoding that is named, but reading {source!r} gave: {told}: "
        "name another --encoding"
    )


def _encodings(head: bytes) -> Iterator[str]:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            yield encoding
            return
    yield from _ASSUMED


def _parse(
    stream: BinaryIO, head: bytes, given: TextFormat, encoding: str, source: str
) -> tuple[pd.DataFrame, list[str]]:
    text = head.decode(encoding, errors="replace")
    if "\0" in text:
        raise InvalidInputError(
            f"DATA must be a table as CSV, TSV or Parquet, but {source!r} is binary: export the "
            "table as CSV, or name its --encoding if it is text"
        )
    said = _SEPARATOR_LINE.match(text)
    separator = given.separator or (said[1] if said else _find_separator(text))
    options: dict[str, Any] = {
        "sep": separator,
        "skiprows": 1 if said else 0,
        "encoding": encoding,
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": MISSING,
    }
    try:
        with warnings.catch_warnings():
            # a line with more fields than the header would lose them
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = pd.read_csv(stream, header=None, nrows=1, dtype=str, **options).iloc[0]
            stream.seek(0)
            dtype = dict.fromkeys(given.texts, str)
            options["skip_blank_lines"] = len(header) > 1  # else such a line is a missing value
            frame = pd.read_csv(stream, index_col=False, low_memory=False, dtype=dtype, **options)
    except pd.errors.ParserWarning as error:
        raise InvalidInputError(
            f"every line must have as many fields as the header, but lines of {source!r} have "
            "more: name the further columns in the header, take them out, or name another "
            "--separator"
        ) from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, csv.Error) as error:
        raise InvalidInputError(
            f"DATA must be a readable CSV file with a header line, but reading {source!r} gave: "
            f"{' '.join(str(error).split())}: mend that line, or name another --separator"
        ) from error
    _require_header(frame, source)
    notes = []
    if given.separator is None and separator != ",":
        named = _NAMES.get(separator, repr(separator))
        notes.append(f"separator: {named} (choose with --separator)")
    notes += _doubt_header(frame)
    notes += _mend_names(frame, header.tolist())
    if separator != ",":
        notes += _mend_decimals(frame, given.texts)
    return frame, notes


def _find_separator(text: str) -> str:
    """The separator that splits the header into most fields, as many as other lines have.

    Spaces are taken for one only if no other is, as they also stand in names and around separators.
    """
    lines = text.splitlines(keepends=True)[:_SNIFFED_LINES]
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        lines.pop()  # cut short, perhaps
    best, found = (False, 1), ","
    for separator in SEPARATORS.values():
        agreeing, fields = _fit(lines, separator)
        if separator == SEPARATORS["space"] and (best[0] or not agreeing):
            continue
        if (agreeing, fields) > best:
            best, found = (agreeing, fields), separator
    return found if best[1] > 1 else ","


def _fit(lines: list[str], separator: str) -> tuple[bool, int]:
    """Whether nearly all lines have as many fields as the first, and how many that are."""
    delimiter = " " if separator == SEPARATORS["space"] else separator
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return False, 0
    width = len(rows[0]) if rows else 0
    return width > 1 and sum(len(row) == width for row in rows) >= 0.9 * len(rows), width


def _mend_names(frame: pd.DataFrame, header: list[Any]) -> list[str]:
    """Make names plain, in place, and leave out columns that separators at line ends make."""
    pairs = list(zip(header, frame.columns, strict=False))
    notes = renamed([(old, new) for old, new in pairs if isinstance(old, str)])
    bare = {new for old, new in pairs if not isinstance(old, str)}
    empty = [name for name in frame.columns if name in bare and frame[name].isna().all()]
    for name in empty:
        del frame[name]
    if empty:
        notes.append(f"columns without a name or a value: {len(empty)} left out")
    stripped = [str(name).strip() for name in frame.columns]
    if len(set(stripped)) == len(stripped):
        frame.columns = pd.Index(stripped)
    return notes


def renamed(pairs: list[tuple[str, str]], most: int = 8) -> list[str]:
    """A note on names that were not unique, if any.

    Examples
    --------
    >>> renamed([("a", "a"), ("a", "a.1")])
    ["columns of the same name: 'a' renamed to 'a.1'"]
    """
    told = [f"{old!r} renamed to {new!r}" for old, new in pairs if old != new]
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return [f"columns of the same name: {', '.join(told[:most])}{more}"] if told else []


def _mend_decimals(frame: pd.DataFrame, texts: Collection[str], most: int = 8) -> list[str]:
    """Write points for commas, in place, in texts that are numbers with decimal commas."""
    mended = []
    for name, values in frame.items():
        told = values.dropna().astype(str)
        if pd.api.types.is_numeric_dtype(values) or told.empty or name in texts:
            continue
        if find_thousands(told, sure=True):
            continue  # for `lrtune.tables.inspection`, which remembers it for tables to predict for
        if told.str.fullmatch(_DECIMAL).mean() >= SHARE_READ and told.str.contains(",").any():
            pointed = values.astype(object).str.replace(_COMMA, ".", regex=True)
            numbers = pd.to_numeric(pointed, errors="coerce")
            frame[name] = numbers if numbers.count() == len(told) else pointed
            mended.append(repr(name))
    more = f" and {len(mended) - most} more" if len(mended) > most else ""
    return [f"commas taken for decimal points: {', '.join(mended[:most])}{more}"] if mended else []


def _require_header(frame: pd.DataFrame, source: str) -> None:
    if all(_is_number(name) for name in frame.columns):
        raise InvalidInputError(
            f"DATA must have a header line, but the first line of {source!r} is all numbers: "
            "name the columns there"
        )


def _doubt_header(frame: pd.DataFrame) -> list[str]:
    numbers = [repr(name) for name in frame.columns if _is_number(name)]
    if not numbers:
        return []
    return [
        f"the first line is taken for the header, though it holds numbers such as {numbers[0]}: "
        "put names there if it is a row"
    ]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
