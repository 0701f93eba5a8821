"""Rows of a table are read as NumPy reads an array of them, standardised."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.training.rows import Rows, TableRows

TABLE = np.random.default_rng(0).normal(5, 3, size=(20, 4)).astype(np.float32)
INDEX = np.array([3, 1, 19, 1, 0, 7])
MEAN, SCALE = TABLE.mean(axis=0), TABLE.std(axis=0)

selections = st.one_of(
    st.lists(st.integers(-6, 5), min_size=1, max_size=9).map(np.array),
    st.lists(st.booleans(), min_size=6, max_size=6).map(np.array),
    st.builds(slice, st.none() | st.integers(-7, 7), st.none() | st.integers(-7, 7)),
)


@pytest.mark.parametrize("mean", [None, MEAN])
@pytest.mark.parametrize("scale", [None, SCALE])
def test_rows_are_standardised_when_they_are_read(mean: Any, scale: Any) -> None:
    expected = TABLE[INDEX]
    expected = expected if mean is None else expected - mean
    expected = expected if scale is None else expected / scale

    assert np.array_equal(expected, np.asarray(TableRows(TABLE, INDEX, mean, scale)))


@given(selection=selections)
@settings(deadline=None, max_examples=60)
def test_a_selection_of_rows_reads_as_that_of_an_array(selection: Any) -> None:
    rows = TableRows(TABLE, INDEX, MEAN, SCALE)
    selected = rows[selection]
    expected = np.asarray(rows)[selection]

    assert np.array_equal(expected, np.asarray(selected))
    assert (len(selected), selected.shape) == (len(expected), expected.shape)


def test_taking_rows_reads_them() -> None:
    rows = TableRows(TABLE, INDEX)

    assert np.array_equal(TABLE[INDEX[[4, 0]]], rows.take([4, 0], axis=0))


def test_reading_leaves_the_table_unchanged() -> None:
    before = TABLE.copy()
    rows = TableRows(TABLE, INDEX, MEAN, SCALE)
    np.asarray(rows)
    rows.take(np.arange(3))

    assert np.array_equal(before, TABLE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_are_read_in_the_precision_to_train_in(dtype: str) -> None:
    assert np.asarray(TableRows(TABLE, INDEX, dtype=np.dtype(dtype))).dtype == dtype


@pytest.mark.parametrize("weight", [None, np.arange(6.0)])
@given(selection=selections)
@settings(deadline=None, max_examples=30)
def test_batches_select_columns_target_and_weights_alike(weight: Any, selection: Any) -> None:
    rows = Rows(TABLE[INDEX], np.arange(6)[:, np.newaxis], weight)
    selected = rows.take(selection)

    assert np.array_equal(rows.X[selection], selected.X)
    assert np.array_equal(rows.y[selection], selected.y)
    if weight is None:
        assert selected.sample_weight is None
    else:
        assert np.array_equal(weight[selection], selected.sample_weight)
