"""Rows of a table of texts that are no data: units, headers again, totals, and sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lrtune.tables.number_format import is_number, is_placeholder
from lrtune.tables.wording import listed, shortened

_HEAD_ROWS = 100
_MOST_LAST = 20
"""Most rows at the end that may be no data, apart from empty ones."""
_UNIT = re.compile(r"[\[(].*[\])]|[^\d\s]{1,8}")
_TOTAL = re.compile(
    r"(?i)(grand\s+)?totals?:?|sum:?|gesamt(summe)?|insgesamt|summe|somme|suma|totale|totaal|итого"
    r"|всего|合计|总计|合計"
)
_SOURCE = re.compile(
    r"(?i)([(*]*(data )?(sources?|notes?|quellen?|fuentes?|fonte|anmerkung(en)?|remarks?|legend)"
    r"\s*:|last (updated|modified)\b|end of (file|report|data)|(c)|©|\(?\d+ rows?\b.*|#|\x1a)"
)


def leave_out_asides(
    frame: pd.DataFrame, header: Sequence[Any] | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table of texts without the rows that are no data, and notes on these.

    `header` has the names as the file writes them, None if it has none.
    """
    notes = []
    repeated = _repeats(frame, header) if header is not None else np.zeros(len(frame), dtype=bool)
    if repeated.any():
        frame = frame[~repeated].reset_index(drop=True)
        notes.append(f"rows left out, as they repeat the header: {int(repeated.sum())}")
    end, labels = _find_end(frame)
    if labels:
        frame = frame.iloc[:end].reset_index(drop=True)
        notes.append(
            f"last rows left out, as they are a total or a remark: {shortened(labels)} (write "
            "another word there to keep them)"
        )
    units = _find_units(frame)
    if units:
        frame = frame.iloc[1:].reset_index(drop=True)
        notes.append(f"first row left out, as it holds units: {listed(units)}")
    return frame, notes


def _repeats(frame: pd.DataFrame, header: Sequence[Any]) -> Any:
    """Return a mask of the rows that hold the name of every column."""
    repeated = np.full(len(frame), frame.shape[1] > 1)
    for place, name in enumerate(header[: frame.shape[1]]):
        rows = np.flatnonzero(repeated)
        if not len(rows):
            break
        values = frame.iloc[rows, place]
        same = values == name if isinstance(name, str) else values.isna()
        repeated[rows] = same.to_numpy(dtype=bool)
    return repeated


def _find_end(frame: pd.DataFrame) -> tuple[int, list[str]]:
    """Return how many rows stand before the totals and remarks at the end, and their first texts.

    >>> _find_end(pd.DataFrame({"a": ["x", "y", "Total"], "b": ["1", "2", "3"]}))
    (2, ["'Total'"])
    """
    labels: list[str] = []
    end = place = len(frame)
    while place > 1 and len(labels) < _MOST_LAST:
        place -= 1
        row = frame.iloc[place]
        filled = row.dropna()
        if filled.empty:
            continue
        if not _is_aside(frame.iloc[:place], row, str(filled.iloc[0]).strip()):
            break
        labels.insert(0, repr(str(filled.iloc[0])[:60]))
        end = place
    return end, labels


def _is_aside(above: pd.DataFrame, row: pd.Series[Any], label: str) -> bool:
    """Return True if a row at the end holds a total or a remark and no data."""
    place = int(np.flatnonzero(row.notna())[0])
    first = above.iloc[:, place]
    if _TOTAL.fullmatch(label):
        return not (first.str.strip() == label).any()
    others = [str(text) for text in row.iloc[place + 1 :].dropna()]
    if _SOURCE.match(label):
        return bool(row.isna().any()) or not any(map(is_number, others))
    is_alone = not others and place == 0 and len(row) > 2 and not is_number(label)
    heads = [str(text) for text in first.dropna().iloc[:_HEAD_ROWS]]
    return is_alone and not is_placeholder(label) and bool(heads) and all(map(is_number, heads))


def _find_units(frame: pd.DataFrame) -> list[str]:
    """Return the units in the first row of columns of numbers; [] if it is a row like others."""
    if len(frame) < 3:
        return []
    first = {place: str(text).strip() for place, text in enumerate(frame.iloc[0].tolist())}
    if any(map(is_number, first.values())):
        return []
    rest = frame.iloc[1:_HEAD_ROWS]
    units = [
        text
        for place, text in first.items()
        if _UNIT.fullmatch(text)
        and not is_placeholder(text)
        and text.lower() != "nan"
        and _are_numbers(rest.iloc[:, place])
    ]
    are_bracketed = bool(units) and all(unit[0] in "[(" for unit in units)
    return units if len(units) >= (1 if are_bracketed else 2) else []


def _are_numbers(texts: pd.Series[Any]) -> bool:
    present = texts.dropna()
    return len(present) > 0 and bool(pd.to_numeric(present, errors="coerce").notna().all())
