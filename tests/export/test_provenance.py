"""Recommendations: read from a study's result, and named in what is exported."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor, Schedule, export_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.export.provenance import Recommendation, recommend
from lrtune.export.tuned_for import NETWORK
from lrtune.tuning.result import read_result
from tests.iris import X, Y

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
    ).fit(X, Y)


def test_the_recommended_setting_has_every_parameter_that_was_searched(
    search: Any, tmp_path: Path
) -> None:
    origin = recommend(read_result("wide", str(tmp_path / "r.journal")))
    best = search.best_estimator_[-1]

    assert origin.schedule == best.schedule()
    assert origin.schedule.warmup_epochs == 1.0
    assert origin.trial == search.result_.best_trial
    assert origin.loss == pytest.approx(search.result_.confirmed_loss or search.result_.search_loss)
    assert dict(origin.parameters) == {
        name: getattr(best, name) for name in (*NETWORK, "alpha", "activation")
    }


def test_changed_parameters_and_transformers_are_exported(search: Any, tmp_path: Path) -> None:
    origin = recommend(read_result("wide", str(tmp_path / "r.journal")))

    assert dict(origin.parameters)["activation"] == "tanh"
    for to in ("torch", "keras", "sklearn"):
        source = export_schedule(origin.schedule, to, steps_per_epoch=4, origin=origin)
        assert "activation='tanh'" in source
        assert "# Tuned behind PowerTransformer(): prepare the columns in the same way.\n" in source


def test_the_parameters_that_a_rate_depends_on_are_exported(
    tmp_path: Path,
) -> None:
    rows, target = load_diabetes(return_X_y=True)
    options: dict[str, Any] = {"activation": "tanh", "optimizer": "momentum", "momentum": 0.5}
    options |= {"alpha": 0.01, "batch_size": np.int64(64), "warmup_epochs": np.int64(1)}
    model = make_pipeline(StandardScaler(), MLPRegressor([8, 4], max_iter=3, **options))
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        model, n_trials=4, confirm=False, storage=record, study_name="own", random_state=0
    ).fit(rows, target)
    origin = recommend(read_result("own", record))
    namespace: dict[str, Any] = {}
    exec(export_schedule(origin.schedule, "sklearn", origin=origin), namespace)  # noqa: S102
    exported = namespace["model"]
    source = export_schedule(origin.schedule, "torch", steps_per_epoch=7, origin=origin)

    network = exported[-1]
    assert isinstance(exported[0], StandardScaler)
    assert isinstance(network, MLPRegressor)
    assert {name: getattr(network, name) for name in options} == options
    assert network.hidden_layer_sizes == (8, 4)
    assert network.warmup_epochs == origin.schedule.warmup_epochs == 1
    assert "momentum=0.5" in source
    assert "# The target was standardised as well.\n" in source


def test_a_scaler_with_options_is_not_taken_for_a_plain_one(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(with_mean=False), MLPClassifier(8, max_iter=2))
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        model, n_trials=2, confirm=False, storage=record, study_name="own", random_state=0
    ).fit(X, Y)
    origin = recommend(read_result("own", record))

    assert origin.preparation.source == "StandardScaler(with_mean=False)"
    source = export_schedule(origin.schedule, "sklearn", origin=origin)
    assert "# Tuned behind StandardScaler(with_mean=False): prepare" in source
    assert "make_pipeline" not in source


def test_class_weights_are_read_back(tmp_path: Path) -> None:
    weights = {np.int64(0): np.float64(2.0), np.int64(1): 1.0, np.int64(2): 1.0}
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        MLPClassifier(8, max_iter=2, class_weight=weights),
        n_trials=2, confirm=False, storage=record, study_name="own", random_state=0,
    ).fit(X / 8, Y)  # fmt: skip
    origin = recommend(read_result("own", record))

    assert dict(origin.parameters)["class_weight"] == {0: 2.0, 1: 1.0, 2: 1.0}
    assert origin.preparation.steps == ()


def recommended(**values: Any) -> Recommendation:
    schedule = Schedule(learning_rate_init=0.1)
    basics: dict[str, Any] = {"loss": 0.5, "se": 0.01, "replicates": 6, "study": "iris"}
    basics |= {"task": "classification", "estimator": "MLPClassifier", "trial": 3}
    basics |= {"parameters": (("optimizer", "sgd"),), "own_parameters": (), "schedule": schedule}
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

    with pytest.raises(InvalidInputError, match="learning rate"):
        export_schedule(origin.schedule, to, steps_per_epoch=4, origin=origin)


def test_a_regression_exports_a_regressor() -> None:
    origin = recommended(task="regression", estimator="MLPRegressor")

    assert "model = MLPRegressor(" in export_schedule(origin.schedule, "sklearn", origin=origin)
