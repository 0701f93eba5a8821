"""Bundled data sets by name; importing this module loads neither scikit-learn nor pandas."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["BUNDLED", "Bundled"]

Task = Literal["classification", "regression"]


class Bundled(NamedTuple):
    """A data set that comes with scikit-learn.

    Attributes
    ----------
    loader : str
        Name of the function in `sklearn.datasets`.
    task : {"classification", "regression"}
    """

    loader: str
    task: Task


BUNDLED: dict[str, Bundled] = {
    "breast_cancer": Bundled("load_breast_cancer", "classification"),
    "diabetes": Bundled("load_diabetes", "regression"),
    "digits": Bundled("load_digits", "classification"),
    "iris": Bundled("load_iris", "classification"),
    "wine": Bundled("load_wine", "classification"),
}
