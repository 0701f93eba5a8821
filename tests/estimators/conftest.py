"""Fixtures that the tests of the estimators share."""

from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="session")
def iris() -> tuple[Any, Any]:
    """Return standardised columns and labels 0, 1 and 2."""
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y
