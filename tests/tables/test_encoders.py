"""Encoders of categories, against those of scikit-learn."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from lrtune.tables.encoders import FOLDS, OneHot, TargetMean


def _texts(n: int, n_columns: int, n_categories: int) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    names = np.asarray([*(f"c{number}" for number in range(n_categories)), np.nan], dtype=object)
    frame = pd.DataFrame({f"x{place}": rng.choice(names, n) for place in range(n_columns)})
    frame.iloc[:, -1] = "é"
    return frame


@pytest.mark.parametrize("shape", [(40, 3, 5), (60, 2, 50), (11, 4, 1)])
def test_columns_of_0_and_1_are_those_of_scikit_learn(shape: tuple[int, int, int]) -> None:
    rows = _texts(*shape)
    others = rows.copy()
    others.iloc[::3, 0] = "unseen"
    theirs = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(rows)
    ours = OneHot()

    assert np.array_equal(ours.fit_transform(rows), theirs.transform(rows))
    assert np.array_equal(ours.transform(others), theirs.transform(others))
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()


def _target(task: str, n: int) -> tuple[str, Any]:
    rng = np.random.default_rng(1)
    targets = {
        "continuous": rng.normal(1e3, 1e-3, n),
        "constant": np.full(n, 0.1),
        "binary": rng.choice(["no", "yes"], n),
        "multiclass": rng.choice([1, 2, 5], n),
    }
    return task.replace("constant", "continuous"), targets[task]


@pytest.mark.parametrize("shape", [(40, 3, 5), (60, 2, 50)])
@pytest.mark.parametrize("task", ["continuous", "constant", "binary", "multiclass"])
def test_means_of_the_target_are_those_of_scikit_learn(
    shape: tuple[int, int, int], task: str
) -> None:
    rows = _texts(*shape)
    others = rows.copy()
    others.iloc[::3, 0] = "unseen"
    target_type, y = _target(task, len(rows))
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    theirs = TargetEncoder(target_type=target_type, cv=folds)
    if theirs.random_state is None:  # before scikit-learn 1.9, which takes no folds
        pytest.skip("scikit-learn draws its own folds")
    ours = TargetMean(target_type)

    assert ours.fit_transform(rows, y) == pytest.approx(theirs.fit_transform(rows, y), abs=1e-9)
    assert ours.transform(others) == pytest.approx(theirs.transform(others), abs=1e-9)
    assert len(ours.get_feature_names_out()) == len(theirs.get_feature_names_out())


def test_a_rows_own_target_is_no_part_of_its_code() -> None:
    rows = _texts(60, 2, 10)
    y = np.arange(60.0)
    codes = TargetMean().fit_transform(rows, y)
    changed = y.copy()
    changed[7] = 1e6

    assert np.array_equal(TargetMean().fit_transform(rows, changed)[7], codes[7])
