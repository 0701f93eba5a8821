"""What can be tuned by `partial_fit`, and what is refused."""

from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor

from lrtune import register_estimator
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.tunable import TUNABLES, require_tunable
from tests.partial_fit_training import Recorder


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.tuning.trainers.tunable.TUNABLES", TUNABLES.copy())
    register_estimator(Recorder, set_rate="rate")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RandomForestClassifier(), "RandomForestClassifier: tune one of these"),
        (GaussianNB(), "GaussianNB: if it has one, say how it is set by lrtune.register_estimator"),
        (SGDClassifier(early_stopping=True), "early_stopping=True: leave it out"),
        (SGDClassifier(average=True), "average=True: leave it out"),
        (SGDRegressor(learning_rate="adaptive"), "learning_rate='adaptive': leave it out"),
        (SGDClassifier(class_weight="balanced"), "class_weight='balanced': give a dict"),
        (Perceptron(class_weight="balanced"), "class_weight='balanced': give a dict"),
        (MLPClassifier(solver="lbfgs"), "solver='lbfgs', .* set solver='sgd' or 'adam'"),
        (MLPClassifier(early_stopping=True), "early_stopping=True: leave it out"),
        (MLPRegressor(learning_rate="invscaling"), "learning_rate='invscaling': leave it out"),
        (Recorder(max_iter=0), "`max_iter`, its epochs, .* but got 0: set it"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_a_cure(model: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^`estimator` must .*{message}"):
        require_tunable(model)


@pytest.mark.parametrize(
    ("model", "rate"),
    [
        (SGDClassifier(), None),
        (SGDRegressor(), None),
        (SGDClassifier(learning_rate="constant", eta0=0.05), 0.05),
        (Perceptron(), 1.0),
        (MLPClassifier(), 0.001),
        (MLPClassifier(solver="sgd"), 0.001),
        (MLPRegressor(learning_rate_init=0.02), 0.02),
        (Recorder(rate=0.3), 0.3),
        (Recorder(rate=None), None),  # type: ignore[arg-type]
        (Recorder(rate="auto"), None),  # type: ignore[arg-type]
    ],
)
def test_the_untuned_rate_is_the_estimators_own_if_it_holds_one(
    model: Any, rate: float | None
) -> None:
    tunable, _ = require_tunable(model)

    assert tunable.default_rate(model) == rate


def test_the_untuned_rate_may_be_that_of_a_part_of_the_estimator() -> None:
    class Wrapper(Recorder):
        def __init__(self, inner: Any = None, max_iter: int = 4) -> None:
            self.inner, self.max_iter = inner, max_iter

    register_estimator(Wrapper, set_rate="inner__rate")
    model = Wrapper(Recorder(rate=0.3))
    tunable, _ = require_tunable(model)

    assert tunable.default_rate(model) == 0.3


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (Recorder(), {"set_rate": "rate"}, "`cls` must be a class"),
        (RandomForestClassifier, {"set_rate": "rate"}, "`cls` must have `partial_fit`"),
        (Recorder, {"set_rate": 3}, "`set_rate` must be a parameter's name or a function"),
        (Recorder, {"set_rate": "rate", "loss": "log"}, "`loss` must be a function"),
    ],
)
def test_a_registration_is_checked(cls: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        register_estimator(cls, **options)
