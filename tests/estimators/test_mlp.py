"""Classifier and regressor as scikit-learn estimators: targets, weights, model selection."""

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_sample_weight, get_tags

from lrtune import InvalidInputError, LearningRateSearchCV, MLPClassifier, MLPRegressor
from lrtune.training.network import ACTIVATIONS
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.random_streams import RandomStreams

NETWORKS = [MLPClassifier, MLPRegressor]


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


def test_logarithms_of_probabilities_are_those_of_predict_proba(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPClassifier(dtype="float32", random_state=0).fit(X, y)
    far = model.predict_log_proba(1e4 * X)

    assert np.array_equal(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    assert np.isneginf(far).any()
    assert not np.isnan(far).any()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("target", ["float32", "float64", "int64"])
def test_a_regressor_predicts_in_the_precision_of_the_rows(
    iris: tuple[Any, Any], columns: int, target: str
) -> None:
    X, y = iris[0].astype("float32"), np.tile(iris[1].astype(target)[:, np.newaxis], columns)
    y = y if columns > 1 else y[:, 0]
    single = MLPRegressor(max_iter=2, random_state=0).fit(X, y)
    double = MLPRegressor(max_iter=2, dtype="float64", random_state=0).fit(X, y)

    assert single.predict(X).dtype == np.float32
    assert single.predict(X.astype("float64")).dtype == np.float64  # as in scikit-learn
    assert double.predict(X).dtype == np.float64


def test_float32_that_cannot_tell_the_targets_apart_is_not_predicted_in(
    iris: tuple[Any, Any],
) -> None:
    X = iris[0].astype("float32")
    for target in (iris[1] + 1.7e9, iris[1] * 1e39):  # 1.7e9 is a time in seconds since 1970
        model = MLPRegressor(random_state=0).fit(X, target)

        assert model.predict(X).dtype == np.float64
        assert model.score(X, target) > 0.8


@pytest.mark.parametrize("size", [1e155, 1e300, 1e-155, 1e-170, 1e-300])
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_target_whose_squares_are_no_numbers_is_refused(
    iris: tuple[Any, Any], size: float, columns: int, dtype: str
) -> None:
    X, y = iris[0].astype(dtype), iris[1] - 1.0
    target = np.column_stack([y, y * size]) if columns == 2 else y * size
    model = MLPRegressor(random_state=0)

    with pytest.raises(InvalidInputError, match=r"standard deviation between .*: divide y"):
        model.fit(X, target)
    with pytest.raises(InvalidInputError, match=r"standard deviation between .*: divide y"):
        LearningRateSearchCV(model, n_trials=2).fit(X, target)


@pytest.mark.parametrize("size", [1e140, 1.0, 1e-140])
def test_targets_of_any_other_size_are_learned_alike(iris: tuple[Any, Any], size: float) -> None:
    X, y = iris
    expected = MLPRegressor(random_state=0).fit(X, y).predict(X)

    assert MLPRegressor(random_state=0).fit(X, y * size).predict(X) == pytest.approx(
        expected * size, rel=1e-6
    )


@pytest.mark.parametrize("value", [0.0, 1e200, 1e-200, 0.1])
def test_a_constant_target_of_any_size_is_predicted(iris: tuple[Any, Any], value: float) -> None:
    X, _ = iris
    constant = np.full(len(X), value)
    one_counts = np.where(np.arange(len(X)) == 7, 1.0, 0.0)
    model = MLPRegressor(max_iter=1, learning_rate_init=1e-9, random_state=0)

    assert np.isfinite(model.fit(X, constant).predict(X)).all()
    assert np.isfinite(model.fit(X, 1e-200 * X[:, 0], sample_weight=one_counts).predict(X)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_classifier_predicts_in_the_precision_of_the_training(
    iris: tuple[Any, Any], dtype: str
) -> None:
    X = iris[0].astype(dtype)
    model = MLPClassifier(max_iter=2, random_state=0).fit(X, iris[1])

    assert model.predict_proba(X).dtype == dtype
    assert model.predict_log_proba(X).dtype == dtype


@pytest.mark.parametrize("labels", [["a", "b", "c"], [7, -1, 3], [2.0, 4.0, 8.0]])
def test_labels_may_be_of_any_type(iris: tuple[Any, Any], labels: list[Any]) -> None:
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
    with pytest.raises(ValueError, match="`class_weight` must not be negative"):
        MLPClassifier(class_weight={0: -1.0, 1: 1.0, 2: 1.0}).fit(X, y)
    with pytest.raises(ValueError, match=r"`y` must be numeric in a regression.*use MLPClassifier"):
        MLPRegressor().fit(X, y.astype(str))


@pytest.fixture(scope="module")
def tiny() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 15)), np.arange(12) % 3


# --- learning --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_tiny_set_can_be_learned_by_heart(
    tiny: tuple[Any, Any], network: type[Any], activation: str
) -> None:
    model = network(
        activation=activation, optimizer="adam", learning_rate_init=0.01, max_iter=1000,
        random_state=0,
    ).fit(*tiny)  # fmt: skip

    assert model.loss_curve_[-1] < 1e-3
    assert model.score(*tiny) > 0.999


# --- targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[False, True], ["no", "yes"], [-1, 1], [0.0, 1.0]])
def test_two_classes_under_any_name(iris: tuple[Any, Any], labels: list[Any]) -> None:
    X, y = iris[0][:100], np.array(labels)[iris[1][:100]]
    model = MLPClassifier(random_state=0).fit(X, y)

    assert model.predict_proba(X).shape == (100, 2)
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) == 1


def test_labels_may_be_strings_as_objects(iris: tuple[Any, Any]) -> None:
    y = np.array(["setosa", "versicolor", "virginica"], dtype=object)[iris[1]]
    model = MLPClassifier(early_stopping=True, max_iter=99, random_state=0)

    assert model.fit(iris[0], y).score(iris[0], y) > 0.8


def test_one_class_is_predicted_always(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(random_state=0).fit(iris[0], np.full(150, "only"))

    assert np.array_equal(model.predict_proba(iris[0]), np.ones((150, 1)))
    assert set(model.predict(iris[0])) == {"only"}


def test_continuous_labels_are_refused(iris: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier().fit(iris[0], iris[0][:, 0])


def test_several_classes_per_row_are_refused(iris: tuple[Any, Any]) -> None:
    several = np.c_[iris[1], iris[1] > 1].astype(int)

    for y in (several, np.minimum(several, 1) + 1):
        with pytest.raises(ValueError, match=r"got shape \(150, 2\) .* fit one classifier per"):
            MLPClassifier().fit(iris[0], y)
    assert get_tags(MLPClassifier()).classifier_tags.multi_label
    assert not get_tags(MLPClassifier()).target_tags.multi_output


def test_a_target_may_be_a_column(iris: tuple[Any, Any]) -> None:
    X, y = iris
    flat = MLPRegressor(random_state=0).fit(X, y)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        column = MLPRegressor(random_state=0).fit(X, y[:, np.newaxis])

    assert np.array_equal(flat.predict(X), column.predict(X))
    assert get_tags(flat).target_tags.multi_output


def test_a_constant_target_among_several(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPRegressor(learning_rate_init=0.05, max_iter=60, random_state=0)
    predicted = model.fit(X, np.c_[y, np.full(150, 7.0)]).predict(X)

    assert np.abs(predicted[:, 1] - 7).mean() < 0.2
    assert np.abs(predicted[:, 0] - y).mean() < 0.2


# --- scikit-learn's networks ------------------------------------------------------------------


def trained_as_by_scikit_learn(ours: Any, theirs: Any, X: Any, y: Any) -> list[Any]:
    """Return the weights of scikit-learn's network after an epoch from our initial weights."""
    rows = clone(ours).learn_encoding(X, y)
    population = ours.make_population(rows, 1, RandomStreams(ours.random_state).weights)
    theirs.partial_fit(X, y)
    for index, layer in enumerate(population.network.layers(population.parameters)):
        theirs.coefs_[index] = layer.weights[0].copy()
        theirs.intercepts_[index] = layer.biases[0, 0].copy()
    coefs: list[Any] = theirs.partial_fit(X, y).coefs_
    return coefs


OPTIONS: dict[str, Any] = {
    "hidden_layer_sizes": (7,), "activation": "tanh", "batch_size": 50, "max_iter": 1,
    "shuffle": False, "random_state": 3,
}  # fmt: skip
SGD: dict[str, Any] = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_a_rate_is_scikit_learns_times_two_over_the_outputs(
    iris: tuple[Any, Any], n_outputs: int
) -> None:
    X = iris[0]
    y = StandardScaler().fit_transform(np.random.default_rng(0).normal(size=(150, 3)) + X[:, :3])
    y = y[:, 0] if n_outputs == 1 else y[:, :n_outputs]
    ours = MLPRegressor(learning_rate_init=0.05, alpha=3.0, **OPTIONS)
    theirs = SklearnRegressor(
        learning_rate_init=0.05 * 2 / n_outputs, alpha=3.0 * n_outputs / 2, **SGD, **OPTIONS
    )
    expected = trained_as_by_scikit_learn(ours, theirs, X, y)

    for weights, coefs in zip(ours.fit(X, y).coefs_, expected, strict=True):
        assert weights == pytest.approx(coefs, rel=1e-9)


def test_a_classifiers_rate_and_penalty_are_scikit_learns(iris: tuple[Any, Any]) -> None:
    X, y = iris
    ours = MLPClassifier(learning_rate_init=0.05, alpha=3.0, **OPTIONS)
    theirs = SklearnClassifier(learning_rate_init=0.05, alpha=3.0, **SGD, **OPTIONS)
    theirs.partial_fit(X, y, classes=[0, 1, 2])
    expected = trained_as_by_scikit_learn(ours, theirs, X, y)

    for weights, coefs in zip(ours.fit(X, y).coefs_, expected, strict=True):
        assert weights == pytest.approx(coefs, rel=1e-9)


# --- several labels per row -------------------------------------------------------------------


LABELS = np.random.default_rng(0).integers(0, 2, (150, 3))
TWO_LABELS = LABELS[:, :2]


def test_labels_are_trained_as_by_scikit_learn(iris: tuple[Any, Any]) -> None:
    X = iris[0]
    ours = MLPClassifier(learning_rate_init=0.05, alpha=3.0, **OPTIONS)
    theirs = SklearnClassifier(learning_rate_init=0.05, alpha=3.0, **SGD, **OPTIONS)
    theirs.partial_fit(X, LABELS, classes=[0, 1, 2])
    expected = trained_as_by_scikit_learn(ours, theirs, X, LABELS)
    ours.fit(X, LABELS)

    for weights, coefs in zip(ours.coefs_, expected, strict=True):
        assert weights == pytest.approx(coefs, rel=1e-9)
    assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X))
    assert np.array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, LABELS) == theirs.score(X, LABELS)
    assert (ours.out_activation_, ours.classes_.tolist()) == ("logistic", [0, 1, 2])


def test_the_loss_of_labels_is_scikit_learns(iris: tuple[Any, Any]) -> None:
    X = iris[0]
    model = MLPClassifier(max_iter=1, learning_rate_init=1e-12, random_state=0).fit(X, LABELS)
    expected = sum(
        log_loss(LABELS[:, index], model.predict_proba(X)[:, index]) for index in range(3)
    )

    assert model.loss_ == pytest.approx(expected)


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"decay": "plateau"}, {}])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix, lambda y: y.astype(bool)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_labels_are_learned(options: dict[str, Any], kind: Any) -> None:
    X, y = make_multilabel_classification(300, 10, n_classes=4, random_state=0)
    X = StandardScaler().fit_transform(X)
    model = MLPClassifier(learning_rate_init=0.3, random_state=0, **options).fit(X, kind(y))

    assert (model.predict(X) == y).mean() > 0.75
    assert pickle.loads(pickle.dumps(model)).score(X, y) == model.score(X, y)  # noqa: S301


def test_labels_are_searched() -> None:
    X, y = make_multilabel_classification(200, 10, n_classes=3, random_state=0)
    model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5))
    search = LearningRateSearchCV(model, n_trials=16, random_state=0).fit(X, y)

    assert np.isfinite(search.best_score_)
    assert search.result_.confirmed_loss is not None
    assert search.result_.confirmed_loss < 3 * np.log(2)  # that of guessing
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.column_stack([np.arange(150) % 3] * 2), "a 0 or 1 for each label.*MultiOutput"),
        (np.arange(150) % 3, "3 columns of labels"),
        (TWO_LABELS, "3 columns of labels"),
    ],
)
def test_other_labels_than_those_of_the_first_call_are_refused(
    iris: tuple[Any, Any], y: Any, message: str
) -> None:
    model = MLPClassifier(random_state=0).partial_fit(iris[0], LABELS)

    with pytest.raises(ValueError, match=message):
        model.partial_fit(iris[0], y)


def test_class_weights_do_not_go_with_several_labels(iris: tuple[Any, Any]) -> None:
    with pytest.raises(InvalidInputError, match="`class_weight` must be left out with several"):
        MLPClassifier(class_weight={0: 2.0}).fit(iris[0], LABELS)


# --- weights ---------------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 3.0, 2: 0.5}, {1: 4.0}])
def test_class_weights_are_sample_weights(iris: tuple[Any, Any], class_weight: Any) -> None:
    X, y = iris[0][:130], iris[1][:130]
    options: dict[str, Any] = {"dtype": "float64", "random_state": 0}
    by_class = MLPClassifier(class_weight=class_weight, **options).fit(X, y)
    by_row = MLPClassifier(**options).fit(X, y, compute_sample_weight(class_weight, y))

    assert np.allclose(by_class.predict_proba(X), by_row.predict_proba(X), atol=1e-12)
    assert not np.allclose(
        by_class.predict_proba(X), MLPClassifier(**options).fit(X, y).predict_proba(X), atol=1e-3
    )


def test_balancing_counts_a_row_of_weight_two_as_two_rows(iris: tuple[Any, Any]) -> None:
    X, y = iris
    weight = np.where(y == 1, 2.0, np.where(np.arange(150) < 10, 0.0, 1.0))
    repeated = np.repeat(np.arange(150), weight.astype(int))
    options: dict[str, Any] = {"batch_size": 1000, "dtype": "float64", "random_state": 0}
    model = MLPClassifier(class_weight="balanced", **options)
    weighted = model.fit(X, y, sample_weight=weight).predict_proba(X)

    assert np.allclose(weighted, model.fit(X[repeated], y[repeated]).predict_proba(X), atol=1e-12)


def test_a_partial_fit_refuses_to_balance_each_call_by_itself(iris: tuple[Any, Any]) -> None:
    X, y = iris
    model = MLPClassifier(class_weight="balanced", random_state=0)
    with pytest.raises(ValueError, match=r"`class_weight`.*'balanced': give a dict of weights"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="`class_weight`"):
        model.fit(X, y).partial_fit(X, y)


def test_negative_weights_are_refused(iris: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        MLPClassifier().fit(*iris, sample_weight=-np.ones(150))


# --- model selection -------------------------------------------------------------------------


def test_a_grid_over_rates_and_decays(iris: tuple[Any, Any]) -> None:
    grid = {"learning_rate_init": [1e-4, 0.3], "decay": ["constant", "inverse_time", "cosine"]}
    search = GridSearchCV(MLPClassifier(decay_rate=0.05, random_state=0), grid, cv=3).fit(*iris)

    assert search.best_params_["learning_rate_init"] == 0.3
    assert search.best_score_ > 0.9
    assert len(set(search.cv_results_["mean_test_score"])) > 2


@pytest.mark.filterwarnings("ignore::lrtune.exceptions.DivergenceWarning")
@pytest.mark.parametrize("rate", [1e3, 1e20, 1e150])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [32, 1000])
def test_a_diverging_fit_never_yields_nan(
    iris: tuple[Any, Any], rate: float, dtype: Any, batch_size: int
) -> None:
    options: dict[str, Any] = {"dtype": dtype, "batch_size": batch_size, "random_state": 0}
    classifier = MLPClassifier(learning_rate_init=rate, max_iter=2, **options)
    regressor = MLPRegressor(learning_rate_init=rate, max_iter=2, **options)
    losses = cross_val_score(classifier, *iris, cv=3, scoring="neg_log_loss", error_score="raise")
    search = GridSearchCV(regressor, {"max_iter": [1, 3]}, cv=3, error_score="raise").fit(*iris)

    assert (losses > -10).all()
    assert (search.cv_results_["mean_test_score"] > -10).all()
