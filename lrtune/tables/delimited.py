"""Reading delimited text, and detecting its encoding, separator, header and plain columns."""

from __future__ import annotations

import codecs
import csv
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.asides import leave_out_asides
from lrtune.tables.number_format import (
    are_grouped,
    decimal_marks,
    is_missing,
    is_number,
    plain,
    why_names,
)
from lrtune.tables.plain_numbers import is_parsed, list_doubtful, list_parsed
from lrtune.tables.wording import listed, one_line, shortened

MISSING = ("", "NaN", "nan")
"""Texts that are missing values in every column; "NA" and "None" may be classes."""

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": r"\s+"}
"""Separators to detect, by name."""

_NAMES = {separator: name for name, separator in SEPARATORS.items()}
_SNIFFED_LINES = 100
_SAMPLED = 200
"""Texts of a column in which decimal marks are looked for."""
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATOR_LINE = re.compile(r'"?sep=([!-~\t])"?[,;\t]*\r?\n')
"""A line before the header that names the separator for spreadsheets."""
_ENCODINGS = ("utf-8-sig", "cp1252", "latin-1")
"""Encodings to try in turn if there is no byte order mark."""
_COMMENT = re.compile(r"\s*(#|//)")
_MOST_TITLES = 20
"""Most lines that may stand before the header."""
_TRUTHS = {"true": True, "false": False}
_IS_LESS_EXACT = int(pd.__version__.partition(".")[0]) < 3
"""True if pandas rounds numbers in files another way than those in texts, unless asked not to."""


@dataclass(frozen=True)
class TextFormat:
    """Options of reading text; None means to detect."""

    separator: str | None = None
    """One character, or a name from `SEPARATORS`."""
    encoding: str | None = None
    texts: tuple[str, ...] = ()
    """Columns to keep as text."""
    skip_lines: int | None = None
    """Lines before the header."""
    header: bool = True
    """False if the first line is a row; the columns are then named by their positions."""
    missing: tuple[str, ...] = ()
    """Further texts that are missing values."""

    def __post_init__(self) -> None:
        if self.separator is not None:
            object.__setattr__(self, "separator", _parse_separator(self.separator))
        if self.skip_lines is not None and self.skip_lines < 0:
            raise InvalidInputError(
                f"`skip_lines` must be at least 0, but got {self.skip_lines}: it counts the lines "
                "before the header"
            )
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
    if b"\r" in head and b"\n" not in head:  # as in files of old Macs, which pandas misreads
        stream = BytesIO(stream.read().replace(b"\r", b"\n"))
        head = head.replace(b"\r", b"\n")
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
            f"`data` must be a table as CSV, TSV, Parquet or a workbook, but {source!r} is binary: "
            "export the table as CSV, or name its `encoding` if it is text"
        )
    separator_line = _SEPARATOR_LINE.match(head)
    lines = head.splitlines(keepends=True)
    skipped = text_format.skip_lines
    given = 1 if separator_line else skipped or 0
    separator = text_format.separator or (
        separator_line[1] if separator_line else find_separator("".join(lines[given:]))
    )
    notes = []
    if text_format.separator is None and separator != ",":
        name = _NAMES.get(separator, repr(separator))
        notes.append(f"separator: {name} (choose with `separator`)")
    if skipped is None:
        before = _count_titles(lines[given:], separator) if text_format.header else 0
        skipped = given + before
        if before:
            titles = [line.strip()[:60] for line in lines[given:skipped] if line.strip(" \t\r\n,;")]
            notes.append(
                f"lines before the header skipped: {before}, {listed(titles)} (choose with "
                "`skip_lines`)"
            )
    options = {
        "sep": separator,
        "skiprows": skipped,
        "encoding": encoding,
        "skipinitialspace": True,
        "keep_default_na": False,
        "na_values": MISSING,
    }
    header, frame, left_out = _read_rows(stream, source, text_format, options)
    if text_format.header:
        notes += _check_header(frame, source)
        notes += _mend_names(frame, header)
    notes += left_out
    stripped, padded = {}, []
    for column, values in frame.items():
        name = str(column)
        if is_parsed(values):
            stripped[name] = values
            continue
        is_text = name in text_format.texts
        stripped[name], count = _stripped(values, text_format.missing, is_text=is_text)
        padded += [f"{name!r} ({count})"] if count else []
    stripped |= _grouped(frame, stripped, text_format.missing)
    if padded:
        notes.append(f"spaces around texts left out: {shortened(padded)}")
    return pd.DataFrame(stripped, index=frame.index), notes


def _read_rows(
    stream: BinaryIO, source: str, text_format: TextFormat, options: dict[str, Any]
) -> tuple[list[Any], pd.DataFrame, list[str]]:
    """Return the header, the rows that are data, and notes on the others.

    Columns are numbers where their texts can say nothing else, or else texts.
    """
    has_header = text_format.header
    header, frame = _read_csv(stream, source, has_header=has_header, **options)
    kept, left_out = leave_out_asides(frame, header if has_header else None)
    # rows left out may make numbers of texts, and which numbers are gaps their texts say
    if len(kept) < len(frame) or text_format.missing:
        doubtful = list_parsed(frame)
    else:
        doubtful = list_doubtful(
            frame, header, text_format.texts, stream, options["sep"], options["encoding"]
        )
    if doubtful:
        texts = _read_csv(
            stream, source, has_header=has_header, usecols=doubtful, dtype=str, **options
        )[1]
        frame = _exchanged(frame, doubtful, texts)
        kept, left_out = leave_out_asides(frame, header if has_header else None)
    return header, kept, left_out


def _read_csv(
    stream: BinaryIO, source: str, *, has_header: bool, **options: Any
) -> tuple[list[Any], pd.DataFrame]:
    """Return the header as in the file, and the table with unique column names."""
    options.setdefault("dtype", None)
    if _IS_LESS_EXACT:
        options["float_precision"] = "high"
    try:
        with warnings.catch_warnings():
            # pandas drops fields beyond the header's with no more than a warning
            warnings.simplefilter("error", pd.errors.ParserWarning)
            stream.seek(0)
            first = {**options, "dtype": str, "usecols": None}
            header = pd.read_csv(stream, header=None, nrows=1, **first).iloc[0]
            if not has_header:
                options["names"] = [f"column {place}" for place in range(len(header))]
            stream.seek(0)
            frame: pd.DataFrame = pd.read_csv(
                stream,
                index_col=False,
                low_memory=False,
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
            f"{one_line(error)}: correct that line, or name another `separator`, or `skip_lines` "
            "before the header"
        ) from error
    # pandas is faster with Python's texts than with Arrow's, above all where columns are many
    arrow = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.StringDtype)]
    return header.tolist(), frame.astype(dict.fromkeys(arrow, object))


def _exchanged(frame: pd.DataFrame, places: list[int], texts: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns at some places exchanged for those of another."""
    columns = [values for _, values in frame.items()]
    for place, (_, values) in zip(places, texts.items(), strict=True):
        columns[place] = values
    exchanged = pd.concat(columns, axis=1)
    exchanged.columns = frame.columns
    return exchanged


def _stripped(
    values: pd.Series[Any], missing: tuple[str, ...], *, is_text: bool
) -> tuple[pd.Series[Any], int]:
    """Return a column of texts without outer spaces, and the number of those that had some.

    They are numbers or truth values if all are plain.

    >>> _stripped(pd.Series(["1", " 2 "]), (), is_text=False)[0].tolist()
    [1, 2]
    >>> _stripped(pd.Series(["01", "2 "]), (), is_text=False)[1]
    1
    """
    codes, different = pd.factorize(values)
    texts = np.asarray([plain(text) for text in different], dtype=object)
    absent = np.asarray(
        [text in MISSING or is_missing(text, missing) for text in texts], dtype=bool
    )
    results: Any = texts
    present = texts[~absent]
    if len(present) and not is_text:
        if all(text.lower() in _TRUTHS for text in present):
            results = np.asarray([_TRUTHS.get(text.lower()) for text in texts], dtype=object)
        else:
            numbers = pd.to_numeric(pd.Series(present, dtype=object), errors="coerce")
            listed_texts = present.tolist()
            are_names = why_names(listed_texts, len(values)) or are_grouped(listed_texts)
            if numbers.notna().all() and not are_names:
                results = _spread(numbers.to_numpy(), ~absent)
    if (len(absent) and absent.any()) or (codes < 0).any():
        results = np.append(
            np.where(absent, np.nan, results),
            np.asarray([np.nan], results.dtype if results.dtype.kind == "f" else object),
        )
        codes = np.where(codes < 0, len(absent), codes)
    padded = 0
    if results is texts or results.dtype == object:
        odd = np.append((texts != np.asarray(different, dtype=object)) & ~absent, False)
        padded = int(odd[codes].sum()) if odd.any() else 0
    column = pd.Series(results[codes], values.index, dtype=results.dtype)
    return (column if results is texts or padded else column.infer_objects()), padded


def _grouped(
    frame: pd.DataFrame, stripped: dict[str, pd.Series[Any]], missing: tuple[str, ...]
) -> dict[str, pd.Series[Any]]:
    """Return as texts the columns whose points are no decimal points if others have commas."""
    commas = any(
        "," in decimal_marks(map(str, values.dropna().unique()[:_SAMPLED]))
        for values in stripped.values()
        if not pd.api.types.is_numeric_dtype(values)
    )
    kept = {}
    for (_, values), name in zip(frame.items(), stripped, strict=True):
        if commas and pd.api.types.is_float_dtype(stripped[name]) and not is_parsed(values):
            texts = _stripped(values, missing, is_text=True)[0]
            if are_grouped(texts.dropna().unique(), fewest=1, fewest_whole=0):
                kept[name] = texts
    return kept


def _spread(numbers: Any, places: Any) -> Any:
    """Return numbers at the places that are True, and 0 elsewhere."""
    spread = np.zeros(len(places), numbers.dtype)
    spread[places] = numbers
    return spread


def _count_titles(lines: list[str], separator: str) -> int:
    """Return how many lines stand before the header: comments, titles and blank lines."""
    lines = lines[:_SNIFFED_LINES]
    comments = 0
    while comments < len(lines) and _COMMENT.match(lines[comments]):
        comments += 1
    if comments and len(lines) - comments > 1:
        width = len(_fields(lines[comments - 1], separator))
        # R and others write a header that begins with "#"
        if width > 1 and width == len(_fields(lines[comments], separator)):
            comments -= 1
    rows = [_fields(line, separator) for line in lines[comments:]]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    if len(rows) > 2 and _is_above_names(rows, width):
        return comments + 1
    for count, row in enumerate(rows[:_MOST_TITLES]):
        filled = [field for field in row if field.strip()]
        if len(filled) == len(row) == width and not any(map(is_number, filled)):
            return comments + count
        is_title = not filled or (row[0].strip() and len(filled) <= width / 2)
        if not is_title or width < 2:
            break
    return comments


def _is_above_names(rows: list[list[str]], width: int) -> bool:
    """Return True if the first line has merged cells over the names in the second."""
    first, second, third = rows[:3]
    gaps = sum(not field.strip() for field in first)
    is_header = len(second) == width and all(f.strip() and not is_number(f) for f in second)
    values = sum(map(is_number, third))
    return len(first) == width and 1 < gaps < width and is_header and 2 * values >= width


def _fields(line: str, separator: str) -> list[str]:
    delimiter = " " if separator == SEPARATORS["space"] else separator
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return [line]


# Alternatives: DuckDB's sniffer (70 MB) detects neither encodings nor fixed-width columns,
# CleverCSV's may take a second for a long table, and neither handles decimal commas or "sep=;".
def find_separator(text: str) -> str:
    """Return the separator that splits the lines consistently into the most fields.

    Spaces count only if nothing else does, as they also occur in names and around separators.
    """
    lines = text.splitlines(keepends=True)[:_SNIFFED_LINES]
    if len(lines) > 1 and not lines[-1].endswith(("\n", "\r")):
        lines.pop()  # it may be cut off
    best_fit, best = (False, 0, 1), ","
    for separator in SEPARATORS.values():
        fit = _fit(lines, separator)
        if separator == SEPARATORS["space"] and (best_fit[0] or not fit[0]):
            continue
        if fit > best_fit:
            best_fit, best = fit, separator
    return best


def _fit(lines: list[str], separator: str) -> tuple[bool, int, int]:
    """Return how well a separator fits: the best has the greatest tuple.

    That is whether 90 % of the lines have the usual number of fields, without those before the
    header; minus the number of those; and the usual number of fields.
    """
    delimiter = " " if separator == SEPARATORS["space"] else separator
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:
        return False, 0, 0
    widths = [len(row) for row in rows]
    width = Counter(widths).most_common(1)[0][0] if rows else 0
    before = 0
    while before < min(len(widths), _MOST_TITLES) and widths[before] < width:
        before += 1
    rest = widths[before:]
    return width > 1 and rest.count(width) >= 0.9 * len(rest), -before, width


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


def _check_header(frame: pd.DataFrame, source: str) -> list[str]:
    """Raise if all names are numbers; return a note if some are."""
    numbers = [repr(name) for name in frame.columns if is_number(name)]
    if len(numbers) == frame.shape[1]:
        raise InvalidInputError(
            f"`data` must have a header line, but the first line of {source!r} is all numbers: "
            "name the columns there, or read it as a row with `header=False`"
        )
    if not numbers:
        return []
    return [
        f"the first line is treated as the header, though it holds numbers such as {numbers[0]}: "
        "put names there if it is a row"
    ]
