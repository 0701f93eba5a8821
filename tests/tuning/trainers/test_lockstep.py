"""Lockstep training: groups of replicates, merged, give what all of them give together."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.lockstep import Lockstep, LockstepResult, merge
from lrtune.tuning.trainers.preparation import Prepared, prepare
from lrtune.tuning.trainers.replicates import make_replicates

# around the edge, some diverge on some replicates, early or late
SETTINGS = [Setting(float(rate), "constant", 0.1) for rate in np.geomspace(0.1, 3, 40)]


@pytest.fixture(scope="module")
def prepared() -> list[Prepared]:
    X, y = load_iris(return_X_y=True)
    estimator = make_pipeline(
        StandardScaler(), MLPClassifier((20,), max_iter=8, optimizer="momentum")
    )
    replicates = make_replicates(y, 6, task="classification", seed=3)
    return [prepare(estimator, X, y, replicate) for replicate in replicates]


def accuracy(fitted: Any, X: Any, y: Any) -> dict[str, float]:
    return {"accuracy": float(fitted.score(X, y))}


def trained(replicates: list[Prepared]) -> LockstepResult:
    return Lockstep(replicates, SETTINGS, range(len(SETTINGS)), accuracy, None).run()


@pytest.fixture(scope="module")
def whole(prepared: list[Prepared]) -> LockstepResult:
    return trained(prepared)


@pytest.mark.parametrize(
    "n_parts", [2, *(pytest.param(each, marks=pytest.mark.slow) for each in (1, 3, 6))]
)
def test_groups_of_replicates_give_what_all_give_together(
    prepared: list[Prepared], whole: LockstepResult, n_parts: int
) -> None:
    size = len(prepared) // n_parts
    merged = merge([trained(prepared[size * part : size * (part + 1)]) for part in range(n_parts)])

    assert np.array_equal(merged.losses, whole.losses, equal_nan=True)
    assert np.array_equal(merged.epochs, whole.epochs)
    assert merged.diverged == whole.diverged
    assert len({(at.replicate, at.epoch) for at in whole.diverged.values()}) > 4
    assert merged.scores.keys() == whole.scores.keys() == merged.metrics.keys()
    for setting, scores in whole.scores.items():
        assert np.array_equal(merged.scores[setting], scores)
        assert np.array_equal(merged.metrics[setting]["accuracy"], scores)
