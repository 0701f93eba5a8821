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
