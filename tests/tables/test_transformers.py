"""Transformers of each kind of column."""

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.kinds import KINDS
from lrtune.tables.transformers import (
    PARTS,
    TRANSFORMERS,
    DateParts,
    SoftClip,
    fill_and_standardise,
)


def test_every_kind_but_free_text_has_a_transformer() -> None:
    assert set(KINDS) - set(TRANSFORMERS) == {"text"}


def test_dates_are_split_into_the_parts_that_vary() -> None:
    days = pd.DataFrame({"d": pd.to_datetime(["2024-01-01", "2024-01-15", None, "2024-01-08"])})
    parts = DateParts().fit(days)

    assert parts.get_feature_names_out().tolist() == ["d_day_number", "d_day"]
    assert parts.transform(days)[:2].tolist() == [[8766, 1], [8780, 15]]
    assert np.isnan(parts.transform(days)[2]).all()
    assert parts.transform(days.astype(str)).tolist()[0] == [8766, 1]


@pytest.mark.parametrize(
    ("part", "number"),
    [("day_number", 8827.5), ("month", 3), ("day", 2), ("weekday", 5), ("hour", 12)],
)
def test_parts_of_a_date(part: str, number: float) -> None:
    saturday = pd.Series([pd.Timestamp("2024-03-02 12:00")])

    assert PARTS[part](saturday).tolist() == [number]


def test_gaps_are_filled_with_the_median_and_marked() -> None:
    imputer, scaler = fill_and_standardise()
    numbers = imputer.fit_transform(np.array([[1.0], [2.0], [6.0], [np.nan]]))

    assert numbers.tolist() == [[1, 0], [2, 0], [6, 0], [2, 1]]
    assert scaler.fit_transform(numbers).mean(axis=0) == pytest.approx([0, 0])


def test_values_far_outside_the_training_rows_are_compressed() -> None:
    rows = np.array([[0.0, 5], [1, 5], [2, 5], [3, 5], [4, np.nan]])
    clip = SoftClip().fit(rows)
    numbers = clip.transform(np.array([[1e9, 5], [-1e300, 6], [2, np.nan], [3, 5]]))

    assert numbers[:, 0] == pytest.approx([3, -3, 0, 0.5 / np.hypot(1, 0.5 / 3)])
    assert np.isnan(numbers[2, 1])
    assert (numbers[:2, 1] == [0, 1 / np.hypot(1, 1 / 3)]).all()
