"""`LearningRateSearchCV` of estimators with `partial_fit`."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, Schedule, register_estimator
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.tunable import TUNABLES
from tests.iris import X, Y

TARGET = X @ [1.0, -2.0, 0.5, 1.0]
Search = partial(LearningRateSearchCV, n_trials=8, cv=2, confirm=False, random_state=0)
SGD = partial(SGDClassifier, max_iter=3)
ESTIMATORS = [
    SGD(),
    SGD(loss="log_loss"),
    Perceptron(max_iter=3),
    MLPClassifier((4,), max_iter=3),
    MLPClassifier((4,), solver="sgd", max_iter=3),
    SGDRegressor(max_iter=3),
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=3),
]


def losses(search: LearningRateSearchCV) -> list[Any]:
    return [(trial.params, trial.value, trial.state) for trial in search.study_.trials]


@pytest.mark.parametrize(
    ("estimator", "scales"),
    [*((estimator, False) for estimator in ESTIMATORS), (SGD(), True), (ESTIMATORS[-1], True)],
    ids=str,
)
def test_every_estimator_is_tuned_refitted_and_predicts(estimator: Any, scales: bool) -> None:
    y = Y if hasattr(estimator, "decision_function") or "Classifier" in str(estimator) else TARGET
    model = make_pipeline(StandardScaler(), estimator) if scales else estimator
    untuned = str(model.get_params())
    search = Search(model).fit(X, y)

    assert {"learning_rate_init", "decay"} <= search.best_params_.keys()
    assert search.best_schedule_(2) == Schedule(**search.best_params_)(2)
    assert search.result_.schedule == search.best_schedule_
    assert search.best_score_ == max(
        score for score in search.cv_results_["mean_test_score"] if np.isfinite(score)
    )
    assert search.predict(X).shape == y.shape
    assert np.isfinite(search.score(X, y))
    assert search.result_.score is not None
    assert str(model.get_params()) == untuned
    assert search.result_.facts.trainer.epochs == 3


def test_the_loss_of_a_trial_is_that_of_a_training_by_hand() -> None:
    search = Search(SGDRegressor(max_iter=2), cv=[(np.arange(100), np.arange(100, 150))])
    search.fit(X, TARGET)
    trial = search.study_.trials[search.best_index_]
    seed = int(np.random.SeedSequence(0, spawn_key=(0,)).generate_state(1)[0])
    by_hand = SGDRegressor(learning_rate="constant", random_state=seed)
    rng = np.random.default_rng(seed)
    for epoch in range(2):
        order = rng.permutation(100)
        by_hand.set_params(eta0=search.best_schedule_(epoch))
        by_hand.partial_fit(X[order], TARGET[order])

    assert trial.value == ((TARGET[100:] - by_hand.predict(X[100:])) ** 2).mean()


def test_transformers_see_the_training_rows_alone_and_once() -> None:
    seen = []

    class Noting(StandardScaler):
        def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
            seen.append(len(X))
            return super().fit(X, y, sample_weight)

    Search(make_pipeline(Noting(), SGD()), cv=3).fit(X, Y)

    assert seen == [100, 100, 100, 150]


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "neg_log_loss"]])
def test_metrics_are_those_of_the_last_epoch(scoring: Any) -> None:
    refit = True if isinstance(scoring, str) else "accuracy"
    model = make_pipeline(StandardScaler(), SGD(loss="log_loss"))
    search = Search(model, scoring=scoring, refit=refit).fit(X, Y)

    assert 0.6 < search.best_score_ <= 1
    assert search.multimetric_ == (not isinstance(scoring, str))


def test_further_parameters_of_estimator_and_schedule_are_searched() -> None:
    space = {"alpha": (1e-5, 1e-2), "penalty": ["l2", "l1"], "update": ["batch"]}
    search = Search(SGD(), space=space).fit(X, Y)

    assert search.best_schedule_.update == "batch"
    assert search.best_estimator_.alpha == search.best_params_["alpha"]
    assert search.best_estimator_.penalty == search.best_params_["penalty"]


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_processes() -> None:
    one, two = (Search(SGD(), n_jobs=n_jobs, confirm=True).fit(X, Y) for n_jobs in (None, 2))

    assert losses(one) == losses(two)
    assert one.result_.confirmed_loss == two.result_.confirmed_loss
    assert one.best_estimator_.coef_.tolist() == two.best_estimator_.coef_.tolist()


def test_a_search_is_continued_as_an_uninterrupted_one(tmp_path: Path) -> None:
    recorded = {"storage": tmp_path / "record.journal", "study_name": "sgd"}
    Search(SGD(), n_trials=5, **recorded).fit(X, Y)
    resumed = Search(SGD(), n_trials=12, **recorded).fit(X, Y)

    assert losses(resumed) == losses(Search(SGD(), n_trials=12).fit(X, Y))


def test_sample_weights_count() -> None:
    weight = np.where(Y == 2, 0.0, 1.0)
    model = Search(SGD(loss="log_loss")).fit(X, Y, sample_weight=weight)

    assert set(model.predict(X[Y != 2])) == {0, 1}


def test_a_search_can_be_cloned() -> None:
    search = Search(SGD())

    assert clone(search).get_params()["estimator"].get_params() == SGD().get_params()


class LeastSquares(RegressorMixin, BaseEstimator):
    """Gradient descent with a rate that a method sets."""

    def __init__(self, epochs: int = 4) -> None:
        self.epochs = epochs

    def set_rate(self, rate: float) -> None:
        self.rate_ = rate

    def fit(self, X: Any, y: Any) -> "LeastSquares":
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any) -> "LeastSquares":
        self.coef_ = getattr(self, "coef_", np.zeros(X.shape[1]))
        self.coef_ = self.coef_ - self.rate_ * X.T @ (X @ self.coef_ - y) / len(X)
        return self

    def predict(self, X: Any) -> Any:
        return X @ self.coef_


def test_a_users_estimator_is_tuned_by_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtune.tuning.trainers.tunable.TUNABLES", TUNABLES.copy())

    def absolute_error(model: Any, X: Any, y: Any, sample_weight: Any) -> float:
        return np.abs(y - model.predict(X)).mean()

    with pytest.raises(InvalidInputError, match="register_estimator"):
        Search(LeastSquares()).fit(X, TARGET)
    register_estimator(
        LeastSquares, set_rate=LeastSquares.set_rate, loss=absolute_error, epochs="epochs"
    )
    search = Search(LeastSquares()).fit(X, TARGET)

    assert search.result_.facts.trainer.loss == "absolute_error"
    assert 0.005 < search.best_schedule_(0) < 0.2  # the edge is at 2 / 64, of the Hessian


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (SGD(), {"space": {"eta0": (0.1, 1.0)}}, "'eta0', which is fixed or set by the search"),
        (SGD(), {"space": {"max_iter": [2, 3]}}, "'max_iter', which is fixed or set by the"),
        (SGD(), {"space": {"alhpa": (0.1, 1.0)}}, "'alhpa', which it does not have"),
        (SGD(), {"space": {"alpha": [-1.0]}}, "'alpha' parameter"),
        (SGD(), {"space": {"decay": ["plateau"]}}, "'plateau', which follows the loss: leave"),
        (SGD(), {"space": {"update": ["often"]}}, "`update` must be 'epoch' or 'batch'"),
    ],
)
def test_a_space_is_checked(estimator: Any, options: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Search(estimator, **options).fit(X, Y)


def test_several_columns_of_classes_are_refused() -> None:
    both = np.column_stack([Y == 0, Y == 1])

    with pytest.raises(InvalidInputError, match="one column of classes"):
        Search(MLPClassifier()).fit(X, both)


# --- skorch -----------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("scales", [False, True], ids=["alone", "scaled"])
def test_a_skorch_net_is_tuned(scales: bool) -> None:
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    from skorch.callbacks import EarlyStopping

    class Net(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, X: Any) -> Any:
            return torch.softmax(self.layer(X), dim=-1)

    net = skorch.NeuralNetClassifier(Net, max_epochs=3, batch_size=16)
    model = make_pipeline(StandardScaler(), net) if scales else net
    table = X.astype(np.float32)
    first, second = (Search(model, n_trials=2).fit(table, Y) for _ in range(2))
    history = first.best_estimator_[-1].history if scales else first.best_estimator_.history

    assert losses(first) == losses(second)
    assert len(history) == 3
    assert set(first.predict(table)) <= {0, 1, 2}
    with pytest.raises(InvalidInputError, match="callback EarlyStopping: leave it out"):
        Search(clone(net).set_params(callbacks=[EarlyStopping()])).fit(table, Y)
