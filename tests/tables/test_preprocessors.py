"""Preprocessing of a table: fitted on training rows alone, and the same in every process."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.tables.columns import Column
from lrtune.tables.inspection import (
    MANY_CATEGORIES,
    MAX_ONE_HOT,
    MAX_ONE_HOT_CELLS,
    MORE_CATEGORIES,
    describe_columns,
)
from lrtune.tables.preprocessors import PREPROCESSORS, make_preprocessing
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.preparation import prepare
from lrtune.tuning.trainers.replicates import Replicate

N = 60


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "n": np.where(rng.random(N) < 0.2, np.nan, rng.normal(3, 2, N)),
            "b": rng.choice(np.array([True, False, None], dtype=object), N),
            "c": rng.choice(np.array(["u", "v", "w", None], dtype=object), N),
            "d": pd.date_range("2021-03-01", periods=N, freq="25h").strftime("%d.%m.%Y %H:%M"),
            "t": [f"a note of {place} words" for place in range(N)],
        }
    )
    frame.loc[50, "c"] = "seen once"
    frame.loc[4, "d"] = None
    return frame


def test_numbers_without_gaps_are_only_standardised() -> None:
    for name in PREPROCESSORS:
        assert type(make_preprocessing([Column("a", "number")], name)) is StandardScaler


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_preprocessing_is_fitted_on_training_rows_alone(frame: pd.DataFrame, name: str) -> None:
    if name == "skrub":
        pytest.importorskip("skrub")
    columns, X = describe_columns(frame, encodes_texts=name == "skrub")
    other = X.copy()
    other.loc[40:, "n"] *= 100
    train, validation = np.arange(40), np.arange(40, N)
    model = make_pipeline(make_preprocessing(columns, name), MLPClassifier((4,), max_iter=1))
    y = np.arange(N) % 2
    first, second = (
        prepare(model, table, y, Replicate(train, validation, 0)) for table in (X, other)
    )

    assert np.array_equal(first.rows.X, second.rows.X)
    assert np.isfinite(first.rows.X).all()
    assert np.isfinite(first.validation.X).all()


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_it_can_be_cloned_and_pickled(frame: pd.DataFrame, name: str) -> None:
    if name == "skrub":
        pytest.importorskip("skrub")
    columns, X = describe_columns(frame, encodes_texts=name == "skrub")
    made = make_preprocessing(columns, name)
    fitted = clone(made).fit(X)
    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301

    assert np.array_equal(fitted.transform(X), again.transform(X))
    assert np.array_equal(fitted.transform(X), clone(made).fit_transform(X))


def test_an_unknown_preprocessor_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="`preprocessor` must be one of sklearn, skrub"):
        make_preprocessing([Column("a", "number")], "polars")


def test_gaps_are_filled_in_marked_and_standardised(frame: pd.DataFrame) -> None:
    columns, X = describe_columns(frame[["n"]])
    numbers = make_preprocessing(columns).fit_transform(X)

    assert numbers.shape == (N, 2)
    assert numbers.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert numbers.std(axis=0) == pytest.approx([1, 1])
    assert len(np.unique(numbers[frame["n"].isna(), 0])) == 1


def test_a_column_that_is_empty_in_training_gives_finite_numbers() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0] + [np.nan] * 10, "b": np.arange(12) / 7})
    columns, X = describe_columns(frame)
    fitted = make_preprocessing(columns).fit(X.iloc[2:])

    assert np.isfinite(fitted.transform(X)).all()


@pytest.mark.parametrize(
    ("n_categories", "rows", "width"),
    [
        (20, 60, 20),  # few categories get a column each
        (50, 500, 50),  # so do more, with ten rows for each
        (50, 300, 1),  # else their mean of the target
    ],
)
def test_categories_get_as_many_columns_as_the_rows_carry(
    n_categories: int, rows: int, width: int
) -> None:
    frame = pd.DataFrame({"c": [f"c{place % n_categories}" for place in range(rows)]})
    columns, X = describe_columns(frame)
    y = np.arange(rows) / rows

    assert make_preprocessing(columns).fit_transform(X, y).shape == (rows, width)


def test_a_long_table_gets_fewer_columns_of_0_and_1() -> None:
    rows = 2 * MAX_ONE_HOT_CELLS // MAX_ONE_HOT
    frame = pd.DataFrame({f"c{n}": np.arange(rows) % 200 for n in range(2)}).map("c{}".format)
    columns, _ = describe_columns(frame.assign(other=np.arange(rows) % 7 / 7))

    assert [column.encoding for column in columns] == [MORE_CATEGORIES, MANY_CATEGORIES, ""]


def test_columns_of_categories_share_the_columns_of_0_and_1() -> None:
    frame = pd.DataFrame({f"c{n}": [f"c{place % 25}" for place in range(300)] for n in range(40)})
    columns, X = describe_columns(frame)
    width = make_preprocessing(columns).fit_transform(X, np.arange(300) / 300).shape[1]
    n_one_hot = MAX_ONE_HOT // 25

    assert width == 25 * n_one_hot + 40 - n_one_hot


def hashed(frame: Any) -> str:
    columns, X = describe_columns(frame)
    model = make_pipeline(make_preprocessing(columns), MLPClassifier())
    y = np.array(["u", "v"] * (N // 2), dtype=object)
    trainer = NetworkTrainer.on_random_splits(model, X, y, 1, seed=0)
    steps = [step.to_json() for step in trainer.facts().steps]
    return f"{trainer.hashes()[0]} {joblib.hash(steps)}"


@pytest.mark.slow
def test_the_fingerprint_is_that_of_every_process() -> None:
    code = "from tests.tables.test_preprocessors import *; print(hashed(fixed()))"
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout

    assert printed.strip() == hashed(fixed())


FINGERPRINT = "9aebf6587630584d843c814abeafb94a"


def test_the_fingerprint_is_that_of_every_release() -> None:
    """pandas 2 and 3 store dates and texts differently, which must not change the record."""
    assert hashed(fixed()).split()[0] == FINGERPRINT


def fixed() -> pd.DataFrame:
    """Return a table whose values are the same in every release of pandas."""
    return pd.DataFrame(
        {
            "n": [None, 1.5, 2.25] * (N // 3),
            "c": ["u", None, "vö"] * (N // 3),
            "d": pd.date_range("2021-03-01", periods=N, freq="25h"),
            "b": [True, None, False] * (N // 3),
        }
    )
