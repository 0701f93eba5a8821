"""Columns that are the target in other words are in doubt, and close ones are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.dataset import Dataset, make_dataset
from lrtune.tables.reading import Table

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=60)


def made(written: Any, y: Any) -> Dataset:
    frame = pd.DataFrame({"noise": NOISE, "written": written, "y": y})
    return make_dataset(Table("t", "t.csv", frame))


@pytest.mark.parametrize(
    ("written", "y"),
    [(np.arange(60.0) ** 2 * 60 + 5, np.arange(60.0) ** 2), (["won", "lost"] * 30, [1, 0] * 30)],
)
def test_a_column_that_tells_the_target_exactly_is_in_doubt(written: Any, y: Any) -> None:
    dataset = made(written, y)

    assert [column.name for column in dataset.columns if column.doubt] == ["written"]
    assert "it tells the target exactly" in "\n".join(dataset.notes)


@pytest.mark.parametrize(
    ("written", "y"),
    [
        (NOISE + 1e-4 * RNG.normal(size=60), NOISE**3 + NOISE),
        (["won", "lost"] * 30, [1, 0] * 29 + [1, 1]),
        (["won", "lost", "drawn"] * 20, [1, 0, 0] * 20),
    ],
)
def test_a_close_column_is_in_no_doubt(written: Any, y: Any) -> None:
    assert not any(column.doubt for column in made(written, y).columns)
