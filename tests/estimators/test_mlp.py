"""The estimators, as someone uses them who knows scikit-learn."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor, Schedule
from lrtune.exceptions import DivergenceWarning
from lrtune.schedules.decays import DECAYS
from lrtune.training.optimizers import OPTIMIZERS


@pytest.fixture(scope="module")
def iris() -> tuple[Any, Any]:
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def diabetes() -> tuple[Any, Any]:
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def test_a_classifier_learns_iris(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(max_iter=60, random_state=0).fit(*iris)

    assert model.score(*iris) > 0.95
    assert model.loss_curve_[-1] < 0.2 * model.loss_curve_[0]


def test_probabilities_sum_to_one_and_agree_with_the_prediction(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPClassifier(random_state=0).fit(X, y)
    probabilities = model.predict_proba(X)

    assert probabilities.shape == (150, 3)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))


@pytest.mark.parametrize("labels", [["a", "b", "c"], [7, -1, 3], [2.0, 4.0, 8.0]])
def test_labels_may_be_any(iris: tuple[Any, Any], labels: list[Any]) -> None:
    X, y = iris
    model = MLPClassifier(random_state=0).fit(X, np.array(labels)[y])

    assert set(model.predict(X)) <= set(labels)
    assert sorted(labels) == list(model.classes_)


def test_a_regressor_predicts_in_the_targets_own_unit(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    model = MLPRegressor(learning_rate_init=0.02, random_state=0).fit(X, y)

    assert model.score(X, y) > 0.4
    assert abs(model.predict(X).mean() - y.mean()) < 15


def test_the_useful_rate_does_not_depend_on_the_targets_unit(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    options: dict[str, Any] = {"learning_rate_init": 0.02, "random_state": 0, "dtype": "float64"}
    models = [MLPRegressor(**options).fit(X, unit * y) for unit in (1.0, 1e6)]

    assert np.allclose(1e6 * models[0].predict(X), models[1].predict(X), rtol=1e-6)
    assert models[0].loss_curve_ == pytest.approx(models[1].loss_curve_)


def test_several_targets_at_once(diabetes: tuple[Any, Any]) -> None:
    X, y = diabetes
    targets = np.column_stack([y, -100 * y])
    model = MLPRegressor(learning_rate_init=0.02, random_state=0).fit(X, targets)

    assert model.predict(X).shape == (442, 2)
    assert model.score(X, targets) > 0.4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_model(
    iris: tuple[Any, Any], optimizer: str, dtype: Any
) -> None:
    first, second = (
        MLPClassifier(optimizer=optimizer, learning_rate_init=0.01, dtype=dtype, random_state=3)
        .fit(*iris)
        .coefs_
        for _ in range(2)
    )

    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].dtype == dtype


@pytest.mark.parametrize("decay", [name for name, decay in DECAYS.items() if not decay.feedback])
def test_the_rates_used_are_those_of_the_schedule(iris: tuple[Any, Any], decay: str) -> None:
    model = MLPClassifier(decay=decay, decay_rate=0.07, max_iter=6, random_state=0).fit(*iris)
    schedule = Schedule(learning_rate_init=0.1, decay=decay, decay_rate=0.07)

    assert model.schedule() == schedule
    assert model.learning_rate_curve_ == pytest.approx(schedule(np.arange(6)).tolist())


def test_plateau_watches_held_out_rows(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(
        decay="plateau", decay_rate=0.5, patience=0, learning_rate_init=1.0, max_iter=40,
        random_state=0,
    ).fit(*iris)  # fmt: skip
    best, expected = np.inf, [1.0]
    for loss in model.validation_loss_curve_[:-1]:
        expected.append(expected[-1] * (1 if loss < best else np.exp(-0.5)))
        best = min(best, loss)

    assert len(model.validation_loss_curve_) == 40
    assert model.learning_rate_curve_[-1] < 1.0
    assert model.learning_rate_curve_ == pytest.approx(expected)


def test_a_fit_that_diverges_names_rate_epoch_and_cure(iris: tuple[Any, Any]) -> None:
    with pytest.warns(DivergenceWarning, match=r"in epoch 1 .*learning_rate_init=500.*smaller"):
        model = MLPClassifier(learning_rate_init=500.0, random_state=0).fit(*iris)

    assert model.n_iter_ == 1
    assert np.isfinite(model.predict_proba(iris[0])).all()


def test_weights_of_two_equal_repeated_rows(iris: tuple[Any, Any]) -> None:
    X, y = iris
    weight = np.where(y == 1, 2.0, 1.0)
    repeated = np.repeat(np.arange(150), weight.astype(int))
    options: dict[str, Any] = {"batch_size": 1000, "dtype": "float64", "random_state": 0}
    weighted = MLPClassifier(**options).fit(X, y, sample_weight=weight)
    doubled = MLPClassifier(**options).fit(X[repeated], y[repeated])

    assert np.allclose(weighted.predict_proba(X), doubled.predict_proba(X), atol=1e-12)


def test_clone_pickle_and_cross_validation(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(random_state=0).fit(*iris)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301

    assert np.array_equal(model.predict_proba(iris[0]), again.predict_proba(iris[0]))
    assert clone(model).get_params() == model.get_params()
    assert cross_val_score(make_pipeline(StandardScaler(), clone(model)), *iris).mean() > 0.8


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("learning_rate_init", 0.0),
        ("learning_rate_init", -1.0),
        ("decay", "magic"),
        ("decay_rate", -0.1),
        ("batch_size", 0),
        ("max_iter", 0),
        ("optimizer", "lion"),
        ("activation", "gelu"),
        ("momentum", 1.0),
        ("dtype", "float16"),
        ("update", "step"),
        ("weights_init", "zeros"),
    ],
)
def test_bad_parameters_are_refused_at_fit(
    iris: tuple[Any, Any], parameter: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of MLPClassifier must be"):
        MLPClassifier(**{parameter: value}).fit(*iris)


def test_a_matrix_of_labels_is_refused(iris: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="one label per row, but got shape"):
        MLPClassifier().fit(iris[0], np.eye(3)[iris[1]])


def test_a_good_fit_warns_of_nothing(iris: tuple[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        assert MLPClassifier(random_state=0).fit(*iris)


@pytest.mark.parametrize("tail", [1.0, 2.0])
def test_a_heavy_tailed_target_is_no_divergence(tail: float) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = np.exp(tail * (X[:, 0] + 0.3 * rng.normal(size=2000)))

    assert MLPRegressor(learning_rate_init=0.01, random_state=0).fit(X, y).score(X, y) > 0.2


def test_negative_class_weights_and_targets_that_are_text_are_refused(
    iris: tuple[Any, Any],
) -> None:
    X, y = iris
    with pytest.raises(ValueError, match="class_weight must not be negative"):
        MLPClassifier(class_weight={0: -1.0, 1: 1.0, 2: 1.0}).fit(X, y)
    with pytest.raises(ValueError, match="y must be numeric in a regression"):
        MLPRegressor().fit(X, y.astype(str))
