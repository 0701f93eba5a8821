"""What a study recommends, read from the record."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor, Schedule, export_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.export.provenance import Recommendation, read_recommendation
from lrtune.export.tuned_for import NETWORK, tuned_for
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
        name: getattr(best, name) for name in (*NETWORK, "alpha", "activation")
    }


def test_what_else_makes_the_network_is_exported(search: Any, tmp_path: Path) -> None:
    found = read_recommendation("wide", str(tmp_path / "r.journal"))

    assert dict(found.parameters)["activation"] == "tanh"
    for to in ("torch", "keras", "sklearn"):
        source = export_schedule(found.schedule, to, steps_per_epoch=4, origin=found)
        assert "activation='tanh'" in source
        assert "# Tuned behind PowerTransformer(): prepare the columns so as well.\n" in source


def test_what_the_rate_depends_on_is_told_and_the_estimator_is_whole(tmp_path: Path) -> None:
    rows, target = load_diabetes(return_X_y=True)
    options: dict[str, Any] = {"activation": "tanh", "optimizer": "momentum", "momentum": 0.5}
    options |= {"alpha": 0.01, "batch_size": np.int64(64), "warmup_epochs": np.int64(1)}
    model = make_pipeline(StandardScaler(), MLPRegressor([8, 4], max_iter=3, **options))
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        model, n_trials=4, confirm=False, storage=record, study_name="own", random_state=0
    ).fit(rows, target)
    found = read_recommendation("own", record)
    namespace: dict[str, Any] = {}
    exec(export_schedule(found.schedule, "sklearn", origin=found), namespace)  # noqa: S102
    exported = namespace["model"]
    source = export_schedule(found.schedule, "torch", steps_per_epoch=7, origin=found)

    network = exported[-1]
    assert isinstance(exported[0], StandardScaler)
    assert isinstance(network, MLPRegressor)
    assert {name: getattr(network, name) for name in options} == options
    assert network.hidden_layer_sizes == (8, 4)
    assert network.warmup_epochs == found.schedule.warmup_epochs == 1
    assert "momentum=0.5" in source
    assert "# The target was standardised as well.\n" in source


def test_a_scaler_with_options_is_not_taken_for_a_plain_one(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(with_mean=False), MLPClassifier(8, max_iter=2))
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        model, n_trials=2, confirm=False, storage=record, study_name="own", random_state=0
    ).fit(X, Y)
    found = read_recommendation("own", record)

    assert found.preprocessing.source == "StandardScaler(with_mean=False)"
    source = export_schedule(found.schedule, "sklearn", origin=found)
    assert "# Tuned behind StandardScaler(with_mean=False): prepare" in source
    assert "make_pipeline" not in source


def test_an_optimizers_own_options_are_told_even_if_they_are_as_usual() -> None:
    told = tuned_for(MLPClassifier(optimizer="rmsprop").get_params())

    assert list(told) == [*NETWORK, "epsilon", "rho"]


def test_class_weights_are_read_back(tmp_path: Path) -> None:
    weights = {np.int64(0): np.float64(2.0), np.int64(1): 1.0, np.int64(2): 1.0}
    record = str(tmp_path / "r.journal")
    LearningRateSearchCV(
        MLPClassifier(8, max_iter=2, class_weight=weights),
        n_trials=2, confirm=False, storage=record, study_name="own", random_state=0,
    ).fit(X / 8, Y)  # fmt: skip
    found = read_recommendation("own", record)

    assert dict(found.parameters)["class_weight"] == {0: 2.0, 1: 1.0, 2: 1.0}
    assert found.preprocessing.steps == ()


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

    with pytest.raises(InvalidInputError, match="learning rate"):
        export_schedule(origin.schedule, to, steps_per_epoch=4, origin=origin)


def test_a_regression_exports_a_regressor() -> None:
    origin = recommended(task="regression")

    assert "model = MLPRegressor(" in export_schedule(origin.schedule, "sklearn", origin=origin)
