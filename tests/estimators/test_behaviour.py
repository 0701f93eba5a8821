"""What scikit-learn's own networks are tested for: targets, weights, inputs, model selection."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import compute_sample_weight, get_tags

from lrtune import MLPClassifier, MLPRegressor, Schedule
from lrtune.schedules.schedule import rate_table
from lrtune.training.network import ACTIVATIONS

NETWORKS = [MLPClassifier, MLPRegressor]


@pytest.fixture(scope="module")
def iris() -> tuple[Any, Any]:
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


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


@pytest.mark.parametrize("update", ["epoch", "batch"])
def test_the_rate_rises_through_the_warm_up(iris: tuple[Any, Any], update: Any) -> None:
    options: dict[str, Any] = {"decay": "cosine", "decay_rate": 0.1, "warmup_epochs": 3.0}
    model = MLPClassifier(**options, update=update, max_iter=8, random_state=0).fit(*iris)
    schedule = Schedule(learning_rate_init=0.1, **options, update=update)

    assert model.learning_rate_curve_[:4] == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])
    assert model.learning_rate_curve_ == pytest.approx(rate_table([schedule], 8, 5)[::5, 0])


def test_verbose_prints_a_line_per_epoch(
    iris: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    MLPClassifier(verbose=True, max_iter=3, random_state=0).fit(*iris)
    lines = capsys.readouterr().out.splitlines()

    assert [line.split(", ")[:2] for line in lines] == [
        [f"Epoch {epoch}", "rate = 0.1"] for epoch in (1, 2, 3)
    ]
    assert all(", loss = " in line for line in lines)


def test_verbose_tells_what_is_watched(
    iris: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    model = MLPClassifier(
        verbose=True, early_stopping=True, n_iter_no_change=2, max_iter=99, random_state=0
    ).fit(*iris)
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == model.n_iter_
    assert f"validation score = {model.validation_scores_[-1]:.6f}" in lines[-1]


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


def test_a_number_is_not_a_label(iris: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        MLPClassifier().fit(iris[0], iris[0][:, 0])


def test_several_labels_per_row_are_refused(iris: tuple[Any, Any]) -> None:
    several = np.c_[iris[1] > 0, iris[1] > 1].astype(int)

    with pytest.raises(ValueError, match=r"got shape \(150, 2\): fit one classifier per column"):
        MLPClassifier().fit(iris[0], several)
    assert not get_tags(MLPClassifier()).classifier_tags.multi_label
    assert not get_tags(MLPClassifier()).target_tags.multi_output


def test_a_column_is_taken_for_a_row_of_targets(iris: tuple[Any, Any]) -> None:
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


def test_negative_weights_are_refused(iris: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        MLPClassifier().fit(*iris, sample_weight=-np.ones(150))


# --- inputs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_sparse_input_is_refused(iris: tuple[Any, Any], network: type[Any]) -> None:
    X, y = iris

    with pytest.raises(TypeError, match="Sparse data was passed"):
        network().fit(csr_matrix(X), y)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        network(max_iter=1).fit(X, y).predict(csr_matrix(X))
    assert not get_tags(network()).input_tags.sparse


@pytest.mark.parametrize("network", NETWORKS)
def test_columns_of_a_table_are_known_by_name(iris: tuple[Any, Any], network: type[Any]) -> None:
    X, y = iris
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = network(random_state=0).fit(table, pd.Series(y))

    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    assert np.array_equal(model.predict(table), network(random_state=0).fit(X, y).predict(X))
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(table[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("given", "asked", "used"),
    [
        ("float32", "auto", "float32"),
        ("float64", "auto", "float64"),
        ("int64", "auto", "float64"),
        ("float64", "float32", "float32"),
        ("float32", "float64", "float64"),
    ],
)
def test_dtype_auto_follows_the_input(
    iris: tuple[Any, Any], network: type[Any], given: str, asked: Any, used: str
) -> None:
    X, y = iris[0].round().astype(given), iris[1]
    model = network(dtype=asked, max_iter=2, random_state=0).fit(X, y)

    assert {array.dtype for array in [*model.coefs_, *model.intercepts_]} == {np.dtype(used)}


@pytest.mark.parametrize("sizes", [0, (5, 0), (5, 2.5), "50"])
def test_hidden_layers_have_whole_numbers_of_units(iris: tuple[Any, Any], sizes: Any) -> None:
    with pytest.raises(ValueError, match=r"hidden_layer_sizes.* must be"):
        MLPClassifier(hidden_layer_sizes=sizes).fit(*iris)


@pytest.mark.parametrize("sizes", [(), 7, [7], np.array([7, 3])])
def test_hidden_layers_may_be_any_number(iris: tuple[Any, Any], sizes: Any) -> None:
    model = MLPClassifier(hidden_layer_sizes=sizes, random_state=0).fit(*iris)

    assert [weights.shape[1] for weights in model.coefs_] == [*np.atleast_1d(sizes), 3]
    assert model.n_layers_ == len(model.coefs_) + 1
    assert model.score(*iris) > 0.7


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
