"""Estimators as source: pasted, they are the tuned model."""

from typing import Any

import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor, Schedule
from lrtune.export.estimator import estimator_line, estimator_source
from lrtune.export.preparation import Preparation
from lrtune.export.provenance import Recommendation
from lrtune.tuning.record.schema import Step

SCHEDULE = Schedule(learning_rate_init=0.123456, decay="cosine", decay_rate=0.05)
SCALED = Preparation((Step("StandardScaler", "StandardScaler()"),))


def recommendation(**values: Any) -> Recommendation:
    basics: dict[str, Any] = {
        "study": "iris", "estimator": "MLPClassifier", "task": "classification",
        "schedule": SCHEDULE, "parameters": (("optimizer", "adam"), ("beta_1", 0.8)),
        "own_parameters": (("optimizer", "adam"),), "trial": 3, "loss": 0.5, "se": 0.01,
        "replicates": 6,
    }  # fmt: skip
    return Recommendation(**basics | values)


def pasted(source: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102
    return namespace["model"]


def test_without_a_study_it_is_a_classifier_with_the_schedule() -> None:
    model = pasted(estimator_source(SCHEDULE, None))

    assert isinstance(model, MLPClassifier)
    assert model.schedule() == SCHEDULE


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_studys_network_has_its_class_parameters_and_scaler(estimator: type) -> None:
    origin = recommendation(estimator=estimator.__name__, preparation=SCALED)
    model = pasted(estimator_source(SCHEDULE, origin))

    assert isinstance(model, Pipeline)
    assert isinstance(model[0], StandardScaler)
    assert isinstance(model[-1], estimator)
    assert (model[-1].optimizer, model[-1].beta_1) == ("adam", 0.8)


def test_the_line_has_rounded_numbers_and_no_options_at_their_defaults() -> None:
    line = estimator_line(recommendation(preparation=SCALED))

    assert line == (
        "make_pipeline(StandardScaler(), MLPClassifier(optimizer='adam', "
        "learning_rate_init=0.1235, decay='cosine', decay_rate=0.05))"
    )
    assert estimator_line(recommendation()).startswith("MLPClassifier(")
