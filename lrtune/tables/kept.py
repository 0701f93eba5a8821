"""Columns of a table that are carried over beside predictions for its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tables.reading import read_table
from lrtune.tables.wording import listed


def read_kept(
    source: str,
    names: Sequence[str],
    **reading: Any,
) -> pd.DataFrame:
    """Read some columns of a table, as the texts that they hold; `reading` is for `read_table`.

    Raises
    ------
    InvalidInputError
        If there is no such column, or the table is no file, which can be read more than once.

    Examples
    --------
    >>> read_kept("iris", ["petal width (cm)"]).iloc[0].tolist()
    [0.2]
    """
    if source not in BUNDLED and (source == "-" or Path(source).is_fifo()):
        raise InvalidInputError(
            f"`keep` needs a file, as it reads the table once more, but got {source!r}: save the "
            "table to a file"
        )
    if source in BUNDLED:
        dataset = load_dataset(source)
        frame = pd.DataFrame(dataset.X, columns=[column.name for column in dataset.columns])
        frame[dataset.target] = dataset.y
    else:
        frame = read_table(source, texts=names, **reading).frame
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise InvalidInputError(
            f"`keep` must name columns of {source}, but it lacks {listed(absent)}: it has "
            f"{listed(list(frame.columns))}"
        )
    return frame[list(dict.fromkeys(names))].reset_index(drop=True)


def beside(kept: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return kept columns and predictions in one table."""
    twice = [name for name in kept.columns if name in predictions.columns]
    if twice:
        raise InvalidInputError(
            f"`keep` must name columns unlike those of the predictions, but got {listed(twice)}: "
            "rename it in the table"
        )
    return pd.concat([kept, predictions], axis=1)
