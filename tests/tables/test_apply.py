"""Applying a model to the rows of another table."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError
from lrtune.tables.apply import (
    UNSEEN,
    conform,
    predict,
    read_rows,
    require_applicable,
    text_columns,
)
from lrtune.tables.columns import Column
from lrtune.tables.dataset import Dataset, load_dataset


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    """A table with a gap, categories and a column that is left out."""
    lines = [f"{'' if i == 3 else i},{'ABC'[i % 3]},7,{'yn'[i % 2]}" for i in range(40)]
    Path("train.csv").write_text("\n".join(["size,city,seven,sold", *lines]), encoding="utf-8")
    return load_dataset("train.csv")


def fitted(dataset: Dataset) -> Any:
    network = MLPClassifier((4,), max_iter=2, random_state=0)
    return make_pipeline(dataset.preprocessing, network).fit(dataset.X, dataset.y)


def test_rows_are_found_by_name_and_noted(dataset: Dataset) -> None:
    Path("new.csv").write_text("note;city;size\nx;Z;tall\ny;A;5\n", encoding="utf-8")
    X, notes = read_rows("new.csv", dataset.columns, fitted(dataset))

    assert isinstance(X, pd.DataFrame)
    assert X["city"].tolist() == ["Z", "A"]
    assert X["size"].fillna(-1).tolist() == [-1, 5]
    assert notes == (
        "separator: semicolon (choose with `separator`)",
        "columns ignored: 'note'",
        "texts that are not a number treated as missing values: 'size' (1)",
        "missing values filled in with the median: 'size' (1)",
        f"{UNSEEN}: 'city' (1)",
    )


def test_rows_read_anew_are_those_learned_from(dataset: Dataset) -> None:
    X, notes = read_rows("train.csv", dataset.columns, fitted(dataset))

    assert isinstance(dataset.X, pd.DataFrame)
    pd.testing.assert_frame_equal(X, dataset.X)
    assert "columns ignored: 'seven', 'sold'" in notes


def test_bundled_data_are_rows_too() -> None:
    iris = load_dataset("iris")
    X, notes = read_rows("iris", iris.columns, fitted(iris))

    assert np.array_equal(X, iris.X)
    assert notes == ()


def test_a_table_without_rows_is_refused(dataset: Dataset) -> None:
    Path("empty.csv").write_text("size,city\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="must have rows to predict for"):
        read_rows("empty.csv", dataset.columns, fitted(dataset))


def test_huge_numbers_are_refused(dataset: Dataset) -> None:
    Path("huge.csv").write_text("size,city\n1e300,A\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"column 'size' of huge\.csv holds 1e\+300"):
        read_rows("huge.csv", dataset.columns, fitted(dataset))


def test_predictions_are_named_by_the_target_and_the_classes(dataset: Dataset) -> None:
    model = fitted(dataset)
    frame = predict(model, dataset.X, target="sold", proba=True)

    assert list(frame.columns) == ["sold", "probability of n", "probability of y"]
    assert frame["sold"].tolist() == model.predict(dataset.X).tolist()
    assert np.array_equal(frame.iloc[:, 1:], model.predict_proba(dataset.X))
    assert list(predict(model, dataset.X).columns) == ["prediction"]


def test_a_model_that_cannot_take_the_rows_is_one_clear_error(dataset: Dataset) -> None:
    with pytest.raises(InvalidInputError, match=r"`data` must be .* 'other\.csv' gave: "):
        predict(fitted(dataset), pd.DataFrame({"z": [1]}), source="other.csv")


def test_a_model_without_probabilities_or_names_is_refused() -> None:
    column = Column("a", "number")
    with pytest.raises(InvalidInputError, match=r"`proba` needs .* 'm' is a regressor"):
        require_applicable(MLPRegressor(), [column], "m", proba=True)
    with pytest.raises(InvalidInputError, match="'m' was trained on an array without names"):
        require_applicable(MLPClassifier(), [], "m")

    require_applicable(MLPClassifier(), [column], "m", proba=True)


def test_columns_that_were_learned_from_must_be_there_and_complete() -> None:
    columns = (Column("a", "number"), Column("b", "number"), Column("c", "text", used=False))
    with pytest.raises(InvalidInputError, match=r"file\.csv lacks 'b': it has 'a', 'x'"):
        conform(pd.DataFrame({"a": [1], "x": [1]}), columns, source="file.csv")
    with pytest.raises(InvalidInputError, match="column 'b' of the table lacks 1 of 2 numbers"):
        conform(pd.DataFrame({"a": [1, 2], "b": ["4", "x"]}), columns)


def test_thousands_are_read_as_in_the_table_that_was_learned_from() -> None:
    column = Column("a", "number", thousands=".")

    assert np.asarray(conform(pd.DataFrame({"a": ["1.234"]}), [column])).tolist() == [[1234]]


def test_columns_of_text_are_read_as_text() -> None:
    columns = [
        Column("city", "category"),
        Column("note", "text"),
        Column("price", "number", thousands=","),
        Column("age", "number"),
        Column("key", "text", used=False),
    ]

    assert text_columns(columns) == ("city", "note")
