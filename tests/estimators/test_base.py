"""The parameters of the estimators, and the encoding of the rows that they train on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix
from sklearn.utils import get_tags

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor, Schedule
from lrtune.training.optimizers import DEFAULT_RATES, OPTIMIZERS
from lrtune.training.rows import TableRows

NETWORKS = [MLPClassifier, MLPRegressor]


# --- parameters -----------------------------------------------------------------------------------


def test_parameters_become_a_schedule() -> None:
    values: dict[str, Any] = {
        "learning_rate_init": 0.3, "decay": "polynomial", "decay_rate": 0.05, "step_size": 2.5,
        "power": 1.5, "patience": 1, "warmup_epochs": 1.5, "cycle_epochs": 8.0,
        "min_learning_rate": 0.01, "update": "batch",
    }  # fmt: skip

    assert MLPRegressor(**values).schedule() == Schedule(**values)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_rate_defaults_to_that_which_people_use_with_the_optimizer(
    iris: tuple[Any, Any], network: type[Any], optimizer: str
) -> None:
    options = {"optimizer": optimizer, "max_iter": 2, "random_state": 0}
    model, rate = network(**options), DEFAULT_RATES[optimizer]
    explicit = network(learning_rate_init=rate, **options).fit(*iris)

    assert model.schedule() == Schedule(learning_rate_init=rate)
    assert np.array_equal(model.fit(*iris)._parameters, explicit._parameters)
    assert model.learning_rate_curve_ == [rate] * 2
    assert "learning_rate_init" not in repr(model)
    assert model.learning_rate_init is None


def test_sgd_and_adam_have_the_rates_of_the_tutorials_and_of_the_paper() -> None:
    assert MLPClassifier().initial_rate() == 0.1
    assert MLPClassifier(optimizer="adam").initial_rate() == 0.001
    assert MLPClassifier(learning_rate_init=0.3, optimizer="adam").initial_rate() == 0.3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_become_an_optimizer(name: str) -> None:
    values = {"momentum": 0.5, "rho": 0.6, "beta_1": 0.7, "beta_2": 0.8, "epsilon": 0.1}
    optimizer = MLPRegressor(optimizer=name, weight_decay=0.3, **values).make_optimizer()

    assert isinstance(optimizer, OPTIMIZERS[name])
    assert vars(optimizer).items() <= {**values, "weight_decay": 0.3}.items()


def test_a_population_has_the_sizes_of_the_rows_and_the_parameters(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier((7, 5), alpha=0.1, batch_size=8)
    population = model.make_population(model.learn_encoding(*iris), 3, np.random.default_rng(0))

    assert population.network.layer_sizes == (4, 7, 5, 3)
    assert (len(population), population.alpha, population.batch_size) == (3, 0.1, 8)


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


# --- encoding -------------------------------------------------------------------------------------


def test_classes_are_encoded_one_hot_in_sorted_order() -> None:
    model = MLPClassifier()
    rows = model.learn_encoding([[0.0], [1.0], [2.0]], ["b", "c", "a"])

    assert rows.y.tolist() == np.eye(3, dtype=bool)[[1, 2, 0]].tolist()
    assert model.encode([[0.0]], ["a"]).y.tolist() == [[True, False, False]]


def test_all_classes_may_be_listed_when_the_rows_lack_some() -> None:
    rows = MLPClassifier().learn_encoding([[0.0], [1.0]], [1, 1], classes=[0, 1, 2])

    assert rows.y.tolist() == [[False, True, False]] * 2


def test_a_target_is_standardised_with_the_weights_and_scale_of_the_first_rows() -> None:
    model, X = MLPRegressor(), np.zeros((3, 1))
    rows = model.learn_encoding(X, [1.0, 3.0, 99.0], sample_weight=[1.0, 1.0, 0.0])

    assert rows.y[:2].ravel().tolist() == [-1.0, 1.0]  # mean 2, standard deviation 1
    assert model.encode(X[:1], [4.0]).y.tolist() == [[2.0]]
    assert model.loss_unit == 1.0


def test_the_loss_unit_is_the_variance_of_a_single_target() -> None:
    model, X = MLPRegressor(), np.zeros((2, 1))
    model.learn_encoding(X, [0.0, 6.0])

    assert model.loss_unit == 9.0
    model.learn_encoding(X, [[0.0, 1.0], [6.0, 1.0]])
    assert model.loss_unit == 1.0


@pytest.mark.parametrize("network", NETWORKS)
def test_rows_of_a_table_are_encoded_as_an_array_of_them(
    iris: tuple[Any, Any], network: type[Any]
) -> None:
    X, y = iris
    index = np.arange(149, 0, -3)
    by_table = network().learn_encoding(TableRows(X, index), y[index])
    by_array = network().learn_encoding(X[index], y[index])

    assert np.array_equal(np.asarray(by_table.X), by_array.X)
    assert np.array_equal(by_table.y, by_array.y)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"dtype": "float32"}])
@pytest.mark.parametrize("kind", [csr_matrix, csr_array, csc_matrix])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparse_rows_are_trained_on_and_predicted_as_dense_ones(
    iris: tuple[Any, Any], network: type[Any], options: dict[str, Any], kind: Any
) -> None:
    X, y = iris[0] * (np.abs(iris[0]) > 0.5), iris[1]
    dense, sparse = (network(random_state=0, **options).fit(rows, y) for rows in (X, kind(X)))

    assert np.array_equal(dense._parameters, sparse._parameters)
    assert np.array_equal(dense.predict(X), sparse.predict(kind(X)))
    assert get_tags(network()).input_tags.sparse


def test_sparse_rows_are_searched_as_dense_ones(iris: tuple[Any, Any]) -> None:
    X, y = iris[0] * (np.abs(iris[0]) > 0.5), iris[1]
    options: dict[str, Any] = {"n_trials": 4, "cv": 2, "confirm": False, "random_state": 0}
    dense, sparse = (
        LearningRateSearchCV(MLPClassifier(max_iter=2), **options).fit(rows, y)
        for rows in (X, csr_matrix(X))
    )

    assert dense.best_params_ == sparse.best_params_
    assert dense.best_score_ == sparse.best_score_


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
    ("input_dtype", "dtype", "expected"),
    [
        ("float32", "auto", "float32"),
        ("float64", "auto", "float64"),
        ("int64", "auto", "float64"),
        ("float64", "float32", "float32"),
        ("float32", "float64", "float64"),
    ],
)
def test_dtype_auto_follows_the_input(
    iris: tuple[Any, Any], network: type[Any], input_dtype: str, dtype: Any, expected: str
) -> None:
    X, y = iris[0].round().astype(input_dtype), iris[1]
    model = network(dtype=dtype, max_iter=2, random_state=0).fit(X, y)

    assert {array.dtype for array in [*model.coefs_, *model.intercepts_]} == {np.dtype(expected)}
