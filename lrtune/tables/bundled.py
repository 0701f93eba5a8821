"""Bundled data sets by name; importing this module loads neither scikit-learn nor pandas."""

from __future__ import annotations

from typing import Literal

Task = Literal["classification", "regression"]

BUNDLED: dict[str, Task] = {
    "breast_cancer": "classification",
    "diabetes": "regression",
    "digits": "classification",
    "iris": "classification",
    "wine": "classification",
}
"""Task of each data set that ``load_<name>`` in `sklearn.datasets` returns."""
