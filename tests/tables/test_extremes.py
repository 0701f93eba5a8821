"""Outliers, and codes that stand for gaps."""

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.extremes import BOUND, find_gap_code, has_extremes, quartiles

NORMAL = np.random.default_rng(0).normal(size=200)


@pytest.mark.parametrize("value", [1e9, -1e9, np.inf])
def test_one_value_far_outside_hides_the_others(value: float) -> None:
    assert has_extremes(pd.Series([*NORMAL, value]))


@pytest.mark.parametrize(
    "values",
    [NORMAL, np.exp(NORMAL), NORMAL**3, np.arange(40), [0] * 39 + [1], [5] * 40, [1, 2, 1e9]],
)
def test_usual_tails_hide_nothing(values: list[float]) -> None:
    assert not has_extremes(pd.Series(values))


@pytest.mark.parametrize("code", [-9999, -999, 9999, 99999.0, -99])
def test_a_code_that_repeats_far_outside_stands_for_gaps(code: float) -> None:
    assert find_gap_code(pd.Series([*NORMAL, code, code, code])) == code


@pytest.mark.parametrize(
    "values",
    [
        [*NORMAL, -9999],  # once
        [*NORMAL * 5000, -9999, -9999, -9999],  # among the others
        [*NORMAL, -1234, -1234, -1234],  # no usual code
        [-9999] * 40,
        [1, 2, -99, -99, -99],  # too few rows
        [*range(100), 99, 99, 99],
    ],
)
def test_other_values_stand_for_themselves(values: list[float]) -> None:
    assert find_gap_code(pd.Series(values)) is None


def test_the_range_of_mostly_equal_values_is_a_wider_one() -> None:
    low, high, spread = quartiles(np.array([0.0] * 80 + [1.0] * 20))

    assert (low, high, spread) == (0, 0, 1)
    assert BOUND > 1
