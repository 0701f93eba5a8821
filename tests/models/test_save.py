"""Saving models: complete, without the training session, and only what can be loaded again."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lrtune import MLPClassifier, MLPRegressor, load_model, save_model
from lrtune.exceptions import InvalidInputError
from lrtune.models.format import ModelFacts
from lrtune.models.load import read_facts
from lrtune.tables.columns import Column
from lrtune.tables.preprocessors import make_preprocessing

NETWORK = MLPClassifier((5,), max_iter=2, random_state=0)


def mixed_table() -> tuple[pd.DataFrame, np.ndarray, list[Column]]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X.assign(
        city=np.where(X.iloc[:, 0] > 5, "Bern", "Rome"),
        day=pd.date_range("2020-01-01", periods=len(X)),
        tall=X.iloc[:, 1] > 3,
    )
    X.iloc[3, 0] = np.nan
    kinds = ["number"] * 4 + ["category", "date", "boolean"]
    columns = [Column(name, kind, missing=1) for name, kind in zip(X, kinds, strict=True)]
    return X, np.array(["u", "v", "w"], dtype=object)[y], columns


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_loaded_network_equals_the_saved_one(folder: Path, estimator: Any, dtype: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    y = y > 140 if estimator is MLPClassifier else y
    model = estimator((8, 3), activation="tanh", dtype=dtype, random_state=0).fit(X, y)
    save_model(model, folder / "model.skops")
    loaded = load_model(folder / "model.skops")

    assert np.array_equal(loaded.predict(X), model.predict(X))
    assert loaded.get_params() == model.get_params()
    assert loaded.loss_curve_ == model.loss_curve_
    for weights, expected in zip(loaded.coefs_, model.coefs_, strict=True):
        assert np.array_equal(weights, expected)
    assert (loaded.n_layers_, loaded.out_activation_) == (model.n_layers_, model.out_activation_)


def test_a_model_of_a_mixed_table_is_saved_with_its_facts(folder: Path) -> None:
    X, y, columns = mixed_table()
    model = make_pipeline(make_preprocessing(columns), clone(NETWORK)).fit(X, y)
    facts = ModelFacts(study="s", task="classification", target="t", columns=tuple(columns))
    save_model(model, "mixed.skops", facts=facts)
    read = read_facts("mixed.skops")
    unseen = X.assign(city="Oslo")

    for table in (X, unseen):
        assert np.array_equal(
            load_model("mixed.skops").predict_proba(table), model.predict_proba(table)
        )
    assert (read.study, read.target, read.columns) == ("s", "t", tuple(columns))
    assert read.versions is not None
    assert set(read.versions) == {"lrtune", "scikit-learn", "numpy", "skops"}


def test_columns_with_names_are_stored_by_default(saved: Path) -> None:
    columns = read_facts(saved).columns

    assert [column.name for column in columns] == list(load_iris().feature_names)
    assert {column.kind for column in columns} == {"number"}


def test_the_training_session_is_left_out(folder: Path) -> None:
    X, y = load_diabetes(return_X_y=True)
    network = MLPRegressor((200, 200), optimizer="adam", learning_rate_init=0.001, max_iter=1)
    model = network.fit(X, y)
    save_model(model, "model.skops")

    assert Path("model.skops").stat().st_size < 1.1 * model._parameters.nbytes
    assert hasattr(model, "_session")  # the model that was saved keeps its own
    assert not hasattr(load_model("model.skops"), "_session")
    model.partial_fit(X, y)


def test_a_model_is_written_whole_or_not_at_all(
    folder: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, model = saved.read_bytes(), load_model(saved)
    with pytest.raises(InvalidInputError, match=r"new file, but 'saved.skops' exists: name"):
        save_model(model, "saved.skops")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InvalidInputError, match=r"'new.skops' gave: No space left on device"):
        save_model(model, "new.skops")

    assert [path.name for path in folder.iterdir()] == ["saved.skops"]
    assert before == saved.read_bytes()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (clone(NETWORK), "must be fitted, but this MLPClassifier is not: call fit"),
        (LinearRegression(), "but got LinearRegression"),
        (make_pipeline(StandardScaler()), "but got StandardScaler"),
        (None, "but got NoneType"),
    ],
)
def test_other_models_are_refused(folder: Path, model: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        save_model(model, "model.skops")

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "step", [FunctionTransformer(np.abs), FunctionTransformer(lambda x: x)], ids=["ufunc", "lambda"]
)
def test_a_model_that_could_not_be_loaded_is_refused(folder: Path, step: Any) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(step, clone(NETWORK)).fit(X, y)
    with pytest.raises(InvalidInputError, match="a model to save must"):
        save_model(model, "model.skops")

    assert list(folder.iterdir()) == []


def test_other_numeric_preprocessing_may_be_saved(folder: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), PCA(2), clone(NETWORK)).fit(X, y)
    save_model(model, "model.skops")

    assert np.array_equal(load_model("model.skops").predict(X), model.predict(X))
