"""Replicates in groups give what they give together."""

from typing import Any

import numpy as np
import pytest
from lrtune.tuning.trainers.judging import judge
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.lockstep import Lockstep, Trained, join
from lrtune.tuning.trainers.network import Prepared, prepare
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


def trained(replicates: list[Prepared]) -> Trained:
    return Lockstep(replicates, SETTINGS, range(len(SETTINGS)), accuracy, None).run()


@pytest.mark.parametrize("n_parts", [1, 2, 3, 6])
def test_groups_of_replicates_give_what_all_give_together(
    prepared: list[Prepared], n_parts: int
) -> None:
    whole = trained(prepared)
    size = len(prepared) // n_parts
    joined = join([trained(prepared[size * part : size * (part + 1)]) for part in range(n_parts)])

    assert np.array_equal(joined.losses, whole.losses, equal_nan=True)
    assert np.array_equal(joined.epochs, whole.epochs)
    assert joined.diverged == whole.diverged
    assert len({(at.replicate, at.epoch) for at in whole.diverged.values()}) > 4
    assert joined.scores.keys() == whole.scores.keys() == joined.metrics.keys()
    for setting, scores in whole.scores.items():
        assert np.array_equal(joined.scores[setting], scores)
        assert np.array_equal(joined.metrics[setting]["accuracy"], scores)


@pytest.mark.parametrize("n_jobs", [2, 4])
def test_outcomes_do_not_depend_on_the_number_of_processes(
    prepared: list[Prepared], n_jobs: int
) -> None:
    alone, shared = (judge(prepared, SETTINGS, n_jobs=number) for number in (1, n_jobs))
    for left, right in zip(alone, shared, strict=True):
        assert np.array_equal(left.validation_curves, right.validation_curves)
        assert (left.setting, left.diverged, left.epochs) == (
            right.setting, right.diverged, right.epochs
        )  # fmt: skip
        assert np.array_equal(left.scores, right.scores) or left.scores is right.scores is None
