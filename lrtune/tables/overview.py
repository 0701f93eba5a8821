"""An overview of a table: each column's kind and preparation, for ``lrtune inspect``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from lrtune.tables.columns import Column
from lrtune.tables.dataset import Dataset
from lrtune.tables.inspection import EXTREME_NUMBER, MANY_CATEGORIES
from lrtune.tables.wording import shortened

EXAMPLES = 3
"""Values of a column that are shown."""
_LONGEST = 20
_BECOMES: Mapping[str, str] = {
    "number": "a number",
    EXTREME_NUMBER: "a number, compressed far outside",
    "boolean": "0 or 1",
    "date": "numbers: its day and what else varies",
    MANY_CATEGORIES: "the mean of the target",
    "text": "numbers, by skrub",
}
_PLURALS = {"category": "categories"}


@dataclass(frozen=True)
class ColumnOverview:
    """A column's values, and its preparation for training."""

    name: str
    kind: str
    gaps: int
    """Missing and unreadable values."""
    different: int
    """Different values."""
    examples: tuple[str, ...]
    becomes: str
    why: str
    doubt: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self) | {"examples": list(self.examples)}


def overview(dataset: Dataset, frame: pd.DataFrame) -> list[ColumnOverview]:
    """Return what is made of each column of the table that a data set was made of.

    The columns with a doubt come first, then those left out; the target is the last.

    >>> from lrtune.tables.dataset import make_dataset
    >>> from lrtune.tables.reading import Table
    >>> frame = pd.DataFrame({"zip": ["01234", "98765"] * 10, "y": [0.5, 1.5] * 10})
    >>> first, target = overview(make_dataset(Table("t", "t.csv", frame)), frame)
    >>> first.name, first.kind, first.becomes, first.why
    ('zip', 'category', '2 columns of 0 and 1', 'numbers with leading zeros are names')
    >>> target.becomes
    'the target of a regression'
    """
    columns = sorted(dataset.columns, key=lambda column: (not column.doubt, column.used))
    rows = [_describe(column, frame[column.name]) for column in columns]
    target = Column(dataset.target, dataset.task, missing=len(frame) - len(dataset.y))
    described = _describe(target, frame[dataset.target])
    return [*rows, ColumnOverview(**{**vars(described), "becomes": _becomes_target(dataset)})]


def _describe(column: Column, values: pd.Series[Any]) -> ColumnOverview:
    present = values.dropna()
    texts = present.astype(str)
    different = texts.unique()
    examples = tuple(_shortened(text) for text in different[:EXAMPLES])
    becomes = _BECOMES.get(column.encoder, f"{len(different)} columns of 0 and 1")
    reasons = [treatment for treatment, _ in column.done]
    if not column.used:
        becomes = "left out"
        reasons = [reason.removeprefix("columns dropped, as ") for reason in reasons]
    said = tuple(filter(None, (column.why, "categories", "dates", "texts encoded")))
    if column.used:
        reasons = [column.why, *(reason for reason in reasons if not reason.startswith(said))]
    why = "; ".join(filter(None, reasons))
    return ColumnOverview(
        column.name,
        column.kind,
        column.missing,
        len(different),
        examples,
        becomes,
        why,
        column.doubt,
    )


def _becomes_target(dataset: Dataset) -> str:
    return f"the target of a {dataset.task}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def summary_line(columns: Sequence[Column]) -> str:
    """Return the number of columns of each kind, and those in doubt, on one line.

    >>> summary_line([Column("a", "number"), Column("b", "category", doubt="numbers?")])
    "columns: 1 number, 1 category; in doubt: 'b' (numbers?)"
    """
    used = Counter(column.kind for column in columns if column.used)
    parts = [
        f"{n} {kind if n == 1 else _PLURALS.get(kind, f'{kind}s')}" for kind, n in used.items()
    ]
    left_out = sum(not column.used for column in columns)
    if left_out:
        parts.append(f"{left_out} left out")
    doubts = [f"{column.name!r} ({column.doubt})" for column in columns if column.doubt]
    in_doubt = f"; in doubt: {shortened(doubts)}" if doubts else ""
    return f"columns: {', '.join(parts)}{in_doubt}"
