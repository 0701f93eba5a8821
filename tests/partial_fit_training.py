"""Trainings by `partial_fit` for several tests."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from lrtune import Schedule
from lrtune.tuning.trainers.partial_fit import RowSet, seeded_copy, train_epochs
from lrtune.tuning.trainers.tunable import require_tunable
from tests.iris import X

LINEAR = Schedule(learning_rate_init=0.1, decay="linear", decay_rate=0.25)
TARGET = X @ [1.0, -2.0, 0.5, 1.0]


class Recorder(RegressorMixin, BaseEstimator):
    """Notes the rate and the rows of each call."""

    def __init__(self, rate: float = 0.1, max_iter: int = 4) -> None:
        self.rate = rate
        self.max_iter = max_iter

    def partial_fit(self, X: Any, y: Any) -> "Recorder":  # noqa: ARG002
        self.calls = [*getattr(self, "calls", []), (self.rate, len(X))]
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


def trained(model: Any, schedule: Schedule, epochs: int, **options: Any) -> Any:
    tunable, _ = require_tunable(model)
    model = seeded_copy(model, 3).set_params(**tunable.fixed)
    rows = RowSet(X, options.pop("y", TARGET))
    for _ in train_epochs(model, tunable, rows, schedule, epochs, 3, **options):
        pass
    return model
