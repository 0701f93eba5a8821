"""Gradients against finite differences; losses, initial weights and layout by their definitions."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.training.network import ACTIVATIONS, INITIALIZERS, LOSSES, Network, Scratch, bits_of
from lrtune.training.optimizers import SGD
from lrtune.training.population import EVALUATION_ROWS, Population
from lrtune.training.rows import Rows

ROWS, FEATURES = 11, 4
BY_HAND: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.where(z > 0, z, 0.0),
    "tanh": lambda z: np.sinh(z) / np.cosh(z),
}


def problem(loss: str, outputs: int, *, weighted: bool = False) -> Rows:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(ROWS, FEATURES))
    labels = np.eye(outputs)[rng.integers(0, outputs, ROWS)]
    targets = {
        "log_loss": labels,
        "binary_log_loss": rng.integers(0, 2, (ROWS, outputs)).astype(float),
        "squared_error": rng.normal(size=(ROWS, outputs)),
    }
    y = targets[loss]
    return Rows(X, y, rng.uniform(0.1, 3, ROWS) if weighted else None)


def random_parameters(network: Network) -> Any:
    """Return random weights and biases; with biases of 0, units would start at the kink of relu."""
    return np.random.default_rng(2).normal(scale=0.7, size=network.n_parameters)


def output_by_hand(network: Network, parameters: Any, X: Any) -> Any:
    """Return the last layer's z; flat parameters hold, by layer, weights and then biases."""
    sizes, start, signal = network.layer_sizes, 0, X
    for layer, (n, m) in enumerate(pairwise(sizes)):
        W = parameters[start : start + n * m].reshape(n, m)
        start += n * m
        signal = signal @ W + parameters[start : start + m]
        start += m
        if layer < len(sizes) - 2:
            signal = BY_HAND[network.activation](signal)
    return signal


def loss_by_hand(network: Network, parameters: Any, rows: Rows) -> float:
    z = output_by_hand(network, parameters, rows.X)
    if network.loss == "log_loss":
        losses = np.log(np.exp(z).sum(axis=1)) - (z * rows.y).sum(axis=1)
    elif network.loss == "binary_log_loss":
        p = BY_HAND["logistic"](z)
        losses = -np.log(np.where(rows.y == 1, p, 1 - p)).sum(axis=1)
    else:
        losses = ((z - rows.y) ** 2).mean(axis=1)
    return float(np.average(losses, weights=rows.sample_weight))


def objective(network: Network, parameters: Any, rows: Rows, alpha: float) -> float:
    weight = ROWS if rows.sample_weight is None else rows.sample_weight.sum()
    penalty = alpha / (2 * weight) * (parameters[network.is_weight] ** 2).sum()
    return loss_by_hand(network, parameters, rows) + float(penalty)


def gradient_by_differences(network: Network, start: Any, rows: Rows, alpha: float) -> Any:
    h, gradient = 1e-5, np.empty_like(start)
    for i in range(start.size):
        up, down = start.copy(), start.copy()
        up[i] += h
        down[i] -= h
        rise = objective(network, up, rows, alpha) - objective(network, down, rows, alpha)
        gradient[i] = rise / (2 * h)
    return gradient


def gradient_by_lrtune(network: Network, start: Any, rows: Rows, alpha: float) -> Any:
    """Return minus the step of gradient descent at rate 1 on one full batch."""
    population = Population(network, SGD(), start, alpha=alpha, batch_size=ROWS)
    population.train_epoch(rows, np.ones((1, 1)), np.arange(ROWS))
    return start - population.parameters[0]


def relative_error(network: Network, rows: Rows, alpha: float = 0.0) -> float:
    start = random_parameters(network)
    expected = gradient_by_differences(network, start, rows, alpha)
    error = gradient_by_lrtune(network, start, rows, alpha) - expected
    return float(np.linalg.norm(error) / np.linalg.norm(expected))


# --- gradients ------------------------------------------------------------------------------------


def test_every_activation_has_a_definition_by_hand() -> None:
    assert list(ACTIVATIONS) == list(BY_HAND)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "sample weights"])
@pytest.mark.parametrize("alpha", [0.0, 0.5], ids=["no penalty", "L2"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_step_goes_down_the_numeric_gradient(
    activation: str, loss: str, alpha: float, weighted: bool
) -> None:
    network = Network((FEATURES, 5, 3), activation=activation, loss=loss)

    assert relative_error(network, problem(loss, 3, weighted=weighted), alpha) < 1e-6


@pytest.mark.parametrize("hidden", [(), (1,), (6, 5), (5, 4, 3)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_any_number_of_hidden_layers_may_be_trained(
    activation: str, loss: str, hidden: tuple[int, ...]
) -> None:
    network = Network((FEATURES, *hidden, 2), activation=activation, loss=loss)

    assert relative_error(network, problem(loss, 2)) < 1e-6


def test_a_single_target_may_be_trained() -> None:
    network = Network((FEATURES, 5, 1), activation="tanh", loss="squared_error")

    assert relative_error(network, problem("squared_error", 1)) < 1e-6


def test_the_penalty_does_not_apply_to_biases() -> None:
    network, rows = Network((FEATURES, 5, 3)), problem("log_loss", 3)
    start, alpha = random_parameters(network), 2.0
    difference = gradient_by_lrtune(network, start, rows, alpha) - gradient_by_lrtune(
        network, start, rows, 0.0
    )
    without_biases = np.where(network.is_weight, start, 0.0)

    assert alpha / ROWS * without_biases == pytest.approx(difference, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal weights", "sample weights"])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_that_of_the_definition(loss: str, weighted: bool) -> None:
    network, rows = Network((FEATURES, 5, 3), loss=loss), problem(loss, 3, weighted=weighted)
    start = random_parameters(network)
    population = Population(network, SGD(), start)

    assert loss_by_hand(network, start, rows) == pytest.approx(population.evaluate(rows)[0])


# --- activations and losses -----------------------------------------------------------------------


def scratch(z: Any) -> Scratch:
    return Scratch(np.zeros_like(z), np.empty_like(z), ())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_keeps_one_is_true_for_activations_that_keep_one(activation: str) -> None:
    z = np.ones(1)
    ACTIVATIONS[activation].apply(z, scratch(z))

    assert ACTIVATIONS[activation].keeps_one == (z == 1)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_right_far_from_zero(activation: str) -> None:
    z = np.array([-1e4, 1e4])
    ACTIVATIONS[activation].apply(z, scratch(z))
    limits = {"identity": [-1e4, 1e4], "logistic": [0, 1], "relu": [0, 1e4], "tanh": [-1, 1]}

    assert limits[activation] == z.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relus_derivative_is_one_above_zero_and_else_zero(dtype: str) -> None:
    delta = np.random.default_rng(0).normal(size=8).astype(dtype)
    a = np.array([0, 1, 1e-30, 0, 3e30, np.inf, 0, 1e-45], dtype=dtype)
    expected = np.where(a > 0, delta, 0)
    spare = np.empty_like(a)
    work = Scratch(np.zeros_like(a), spare, bits_of(delta, a, spare))
    ACTIVATIONS["relu"].multiply_by_derivative(delta, a, work)

    assert np.array_equal(delta, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_loss_is_finite_and_exact_for_extreme_logits(dtype: str) -> None:
    z = np.array([[[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, 1e4]]], dtype=dtype)
    y = np.eye(3, dtype=dtype)[[0, 0, 2]]

    by_output, targets = z.transpose(2, 0, 1).copy(), y.T[:, np.newaxis]
    total, output = np.empty((1, 3), dtype), np.empty((3, 1, 3), dtype)

    LOSSES["log_loss"].output(by_output, total, output)
    losses = LOSSES["log_loss"].rows(by_output, total, targets)

    assert losses[0].tolist() == pytest.approx([0.0, 2e4, math.log(3)], rel=1e-6)


def test_probabilities_sum_to_one() -> None:
    network = Network((FEATURES, 5, 3))
    X = np.random.default_rng(0).normal(scale=100, size=(2 * EVALUATION_ROWS + 3, FEATURES))

    outputs = Population(network, SGD(), random_parameters(network), n_settings=2).outputs(X)

    assert np.ones((2, len(X))) == pytest.approx(outputs.sum(axis=-1), rel=1e-12)
    assert outputs.min() >= 0


@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_are_those_of_the_definition(loss: str) -> None:
    network = Network((FEATURES, 5, 3), loss=loss)
    parameters = random_parameters(network)
    X = np.random.default_rng(0).normal(size=(EVALUATION_ROWS + 1, FEATURES))

    z = output_by_hand(network, parameters, X)
    outputs = {
        "log_loss": np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "binary_log_loss": BY_HAND["logistic"](z),
        "squared_error": z,
    }
    expected = outputs[loss]

    assert expected == pytest.approx(Population(network, SGD(), parameters).outputs(X)[0])


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_guessing_classes_costs_the_entropy_of_a_uniform_guess(n_classes: int) -> None:
    assert math.log(n_classes) == LOSSES["log_loss"].guess(np.eye(n_classes))


def test_guessing_labels_costs_a_toss_of_a_coin_for_each() -> None:
    assert LOSSES["binary_log_loss"].guess(np.eye(3)) == pytest.approx(3 * math.log(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_of_labels_is_finite_for_extreme_logits(dtype: str) -> None:
    z = np.array([[[1e4, -1e4]]], dtype=dtype)  # one label, one setting, two rows
    output, total = np.empty_like(z), np.ones((1, 2), dtype=dtype)
    LOSSES["binary_log_loss"].output(z, total, output)

    assert output.tolist() == [[[1.0, 0.0]]]
    assert LOSSES["binary_log_loss"].rows(z, total, np.zeros_like(z)).tolist() == [[1e4, 0.0]]


def test_guessing_a_target_costs_its_variance() -> None:
    y = np.array([[1.0, 10.0], [3.0, 10.0]])

    assert LOSSES["squared_error"].guess(y) == 0.5


def test_guessing_a_constant_target_costs_one() -> None:
    assert LOSSES["squared_error"].guess(np.full((4, 1), 7.0)) == 1.0


# --- initial weights ------------------------------------------------------------------------------

DEVIATIONS = {
    "glorot_normal": math.sqrt(2 / 500),
    "glorot_uniform": math.sqrt(2 / 500),
    "he_normal": math.sqrt(2 / 300),
    "he_uniform": math.sqrt(2 / 300),
}


def initial(name: str, dtype: str = "float64") -> Any:
    network = Network((300, 200), weights_init=name)
    return network.initial_parameters(np.random.default_rng(0), np.dtype(dtype))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_have_the_stated_spread(name: str) -> None:
    weights = initial(name)[:60_000]

    assert DEVIATIONS[name] == pytest.approx(weights.std(), rel=0.02)
    assert abs(weights.mean()) < 4 * DEVIATIONS[name] / math.sqrt(weights.size)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform"])
def test_uniform_initial_weights_reach_their_limit_and_keep_it(name: str) -> None:
    limit = math.sqrt(3) * DEVIATIONS[name]

    assert 0.999 * limit < np.abs(initial(name)).max() <= limit


@pytest.mark.parametrize("name", INITIALIZERS)
def test_biases_start_at_zero(name: str) -> None:
    assert initial(name)[60_000:].tolist() == [0.0] * 200


@pytest.mark.parametrize("name", INITIALIZERS)
def test_both_precisions_start_at_the_same_weights(name: str) -> None:
    assert np.array_equal(initial(name).astype("float32"), initial(name, "float32"))


# --- layout and refusals --------------------------------------------------------------------------


def test_layers_are_views_of_the_flat_parameters() -> None:
    network = Network((2, 3, 1))
    flat = np.arange(2 * network.n_parameters, dtype=float).reshape(2, -1)
    first, last = network.layers(flat)

    assert first.weights[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert first.biases[0].tolist() == [[6, 7, 8]]
    assert last.weights[0].tolist() == [[9], [10], [11]]
    assert last.biases[1].tolist() == [[25]]
    assert network.is_weight.tolist() == [True] * 6 + [False] * 3 + [True] * 3 + [False]
    assert all(np.shares_memory(part, flat) for layer in (first, last) for part in layer)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layer_sizes": (3,)}, r"`layer_sizes` must hold .*, but got \(3,\)"),
        ({"layer_sizes": (3, 0, 2)}, r"each at least 1, but got \(3, 0, 2\)"),
        ({"activation": "rely"}, "`activation` must be one of .*relu.*, but got 'rely'"),
        (
            {"loss": "mse"},
            "`loss` must be one of log_loss, binary_log_loss, squared_error, but got 'mse'",
        ),
        ({"weights_init": "zeros"}, "`weights_init` must be one of .*, but got 'zeros'"),
    ],
)
def test_an_impossible_network_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Network(**{"layer_sizes": (3, 2), **values})
