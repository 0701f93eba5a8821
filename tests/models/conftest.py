"""A saved model to change, and to load or refuse."""

from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, save_model


@pytest.fixture
def saved(folder: Path) -> Path:
    """The path of a small model of the iris flowers."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    network = MLPClassifier((5,), max_iter=2, random_state=0)
    save_model(make_pipeline(StandardScaler(), network).fit(X, y), "saved.skops")
    return folder / "saved.skops"
