"""What a study recommends, read from the record."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from lrtune import LearningRateSearchCV, MLPClassifier, Schedule, export_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.review.recommendation import USUAL, Recommendation, read_recommendation

FIXED = {"warmup_epochs": 1.0, "min_learning_rate": 0.001, "update": "batch"}
SPACE = {
    "learning_rate_init": (0.05, 0.2),
    "decay": ["polynomial", "cosine"],
    "power": (1.0, 3.0),
    "batch_size": [16, 32],
    "hidden_layer_sizes": [(8,), (6, 4)],
    "alpha": (1e-6, 1e-3),
}


@pytest.fixture(params=[True, False], ids=["confirmed", "not confirmed"])
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A search over further parameters, at the end of a pipeline with a like-named step."""
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(PowerTransformer(), MLPClassifier(max_iter=3, activation="tanh", **FIXED))
    return LearningRateSearchCV(
        model,
        space=SPACE,
        n_trials=6,
        cv=2,
        confirm=request.param,
        storage=str(tmp_path / "r.journal"),
        study_name="wide",
        random_state=0,
    ).fit(X, y)


def test_the_recommended_setting_is_read_with_all_that_was_searched(
    search: Any, tmp_path: Path
) -> None:
    found = read_recommendation("wide", str(tmp_path / "r.journal"))
    best = search.best_estimator_[-1]

    assert found.schedule == best.schedule()
    assert found.schedule.warmup_epochs == 1.0
    assert found.trial == search.result_.best_trial
    assert found.loss == pytest.approx(search.result_.confirmed_loss or search.result_.search_loss)
    assert dict(found.parameters) == {
        name: getattr(best, name)
        for name in ("hidden_layer_sizes", "optimizer", "batch_size", "max_iter", "alpha")
    }


def test_what_is_usual_are_the_defaults() -> None:
    assert USUAL.items() <= MLPClassifier().get_params().items()


def test_what_else_makes_the_network_is_exported(search: Any, tmp_path: Path) -> None:
    found = read_recommendation("wide", str(tmp_path / "r.journal"))

    assert found.fixed == (("activation", "tanh"),)
    for to in ("torch", "keras", "sklearn"):
        source = export_schedule(found.schedule, to, steps_per_epoch=4, origin=found)
        assert "activation='tanh'" in source
        assert "# Tuned behind PowerTransformer: prepare the columns so as well.\n" in source


def recommended(**values: Any) -> Recommendation:
    schedule = Schedule(learning_rate_init=0.1)
    basics: dict[str, Any] = {"loss": 0.5, "se": 0.01, "replicates": 6, "study": "iris"}
    basics |= {"task": "classification", "trial": 3}
    basics |= {"parameters": (("optimizer", "sgd"),), "schedule": schedule}
    return Recommendation(**basics | values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "confirmed loss 0.5 ± 0.01 on 6 fresh replicates"),
        ({"se": None}, "confirmed loss 0.5 on 6 fresh replicates"),
        ({"loss": None, "se": None}, "NOT SAFE: diverged on 6 fresh replicates"),
        ({"se": None, "replicates": None}, "not confirmed: loss 0.5 of the best trial, 3"),
    ],
)
def test_how_sure_it_is_stands_in_the_source(values: dict[str, Any], words: str) -> None:
    origin = recommended(**values)

    assert f"# {words}.\n" in export_schedule(origin.schedule, "torch", origin=origin)


@pytest.mark.parametrize("to", ["torch", "keras", "sklearn"])
def test_a_study_cannot_write_code_by_its_name(to: str) -> None:
    origin = recommended(study="iris\nimport os\r\u2028\x0cimport sys")
    source = export_schedule(origin.schedule, to, origin=origin)

    assert not [line for line in source.splitlines() if line.strip() in ("import os", "import sys")]


@pytest.mark.parametrize("to", ["torch", "keras", "optax"])
def test_a_rate_that_is_none_elsewhere_is_refused(to: str) -> None:
    origin = recommended(parameters=(("optimizer", "dog"),))

    with pytest.raises(InvalidInputError, match="is no learning rate in"):
        export_schedule(origin.schedule, to, steps_per_epoch=4, origin=origin)


def test_a_regression_exports_a_regressor() -> None:
    origin = recommended(task="regression")

    assert "model = MLPRegressor(" in export_schedule(origin.schedule, "sklearn", origin=origin)
