"""The same training in Keras gives the same losses: the tutorial's studies, and the optimizers.

Keras has the weights that lrtune starts with, and meets the rows in the same order. Its own loss
(softmax, then categorical cross entropy) and its own mean of it over an epoch are compared.

On torch, Keras 3 multiplies matrices and adds biases in float32 even where all else is float64. At
a rate as high as 0.2, which kicks the weights about, such rounding grows to almost 1e-5 within 20
epochs. So the layers' product is computed here in float64, except in one test of unchanged Keras.
"""

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from lrtune import MLPClassifier, Schedule
from lrtune.training.random_streams import RandomStreams

pytestmark = pytest.mark.keras

EPOCHS, BATCH_SIZE = 20, 32
RATES = (0.2, 0.1, 0.03, 0.01)
DECAY = 0.01
SEED = 0
X, y = load_iris(return_X_y=True)
SPLIT = train_test_split(X, y, test_size=0.25, random_state=42)
STEPS = -(-len(SPLIT[0]) // BATCH_SIZE)
PER_STEP = {"decay": "inverse_time", "decay_rate": DECAY * STEPS, "update": "batch"}
"""What legacy Keras calls ``decay=0.01``, and Keras 3 `InverseTimeDecay` with `decay_steps=1`."""


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("keras") is None:
        pytest.skip("needs keras and torch")
    os.environ["KERAS_BACKEND"] = "torch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what keras imports
        import keras
        import torch
    if keras.backend.backend() != "torch":
        pytest.skip("needs keras with the torch backend")
    threads, precision = torch.get_num_threads(), keras.config.floatx()
    torch.set_num_threads(1)
    keras.config.set_floatx("float64")
    yield keras
    keras.config.set_floatx(precision)
    torch.set_num_threads(threads)


def exact_dense(keras: Any) -> Any:
    """Return a `Dense` layer that computes in the dtype of its weights."""

    class ExactDense(keras.layers.Dense):
        def call(self, inputs: Any) -> Any:
            return self.activation(inputs @ self.kernel.value + self.bias.value)

    return ExactDense


def losses_by_keras(
    keras: Any, model: MLPClassifier, optimizer: Any, split: Any, *, unchanged: bool = False
) -> Any:
    """Return the training and validation loss of each epoch, shape (EPOCHS, 2)."""
    dense = keras.layers.Dense if unchanged else exact_dense(keras)
    X_train, X_test, y_train, y_test = split
    streams = RandomStreams(model.random_state)
    rows = model.learn_encoding(X_train, y_train)
    initial = model.make_population(rows, 1, streams.weights)
    network = keras.Sequential(
        [
            keras.Input((4,)),
            dense(50, activation="relu"),
            dense(12, activation="relu"),
            dense(3, activation="softmax"),
        ]
    )
    layers = initial.network.layers(initial.parameters)
    for own, layer in zip(network.layers, layers, strict=True):
        own.set_weights([layer.weights[0], layer.biases[0, 0]])
    network.compile(optimizer=optimizer, loss="categorical_crossentropy")
    losses = []
    for _ in range(EPOCHS):
        order = streams.rows.permutation(len(X_train))
        history = network.fit(
            X_train[order],
            np.eye(3)[y_train[order]],
            batch_size=BATCH_SIZE,
            shuffle=False,
            validation_data=(X_test, np.eye(3)[y_test]),
            verbose=0,
        ).history
        losses.append((*history["loss"], *history["val_loss"]))
    return np.array(losses)


def losses_by_lrtune(model: MLPClassifier, split: Any) -> Any:
    """Train the estimator epoch by epoch; return its losses likewise."""
    X_train, X_test, y_train, y_test = split
    validation = []
    for _ in range(EPOCHS):
        model.partial_fit(X_train, y_train)
        validation.append(log_loss(y_test, model.predict_proba(X_test)))
    return np.column_stack([model.loss_curve_, validation])


def network(rate: float, **parameters: Any) -> MLPClassifier:
    return MLPClassifier(learning_rate_init=rate, random_state=SEED).set_params(**parameters)


@pytest.mark.parametrize("rate", RATES)
def test_fixed_rates_give_the_losses_of_keras(keras: Any, rate: float) -> None:
    expected = losses_by_keras(keras, network(rate), keras.optimizers.SGD(rate), SPLIT)

    losses = losses_by_lrtune(network(rate), SPLIT)

    assert expected == pytest.approx(losses, rel=0, abs=1e-5)
    assert losses[0, 0] - losses[-1, 0] > 0.1


@pytest.mark.parametrize("rate", RATES[::3])
def test_a_decay_per_step_gives_the_losses_of_keras(keras: Any, rate: float) -> None:
    decaying = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=DECAY)
    model = network(rate, **PER_STEP)
    expected = losses_by_keras(keras, model, keras.optimizers.SGD(decaying), SPLIT)

    losses = losses_by_lrtune(network(rate, **PER_STEP), SPLIT)

    assert expected == pytest.approx(losses, rel=0, abs=1e-5)
    assert not np.allclose(losses, losses_by_lrtune(network(rate), SPLIT), atol=1e-3)


@pytest.mark.parametrize(
    ("rate", "schedule"),
    [(0.1, {}), (0.03, PER_STEP), (0.01, {})],
    ids=("fixed", "decay", "low"),
)
def test_unchanged_keras_gives_these_losses(
    keras: Any, rate: float, schedule: dict[str, Any]
) -> None:
    decay = DECAY if schedule else 0.0
    decaying = keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=decay)
    model, optimizer = network(rate, **schedule), keras.optimizers.SGD(decaying)
    expected = losses_by_keras(keras, model, optimizer, SPLIT, unchanged=True)

    losses = losses_by_lrtune(network(rate, **schedule), SPLIT)

    assert expected == pytest.approx(losses, rel=0, abs=1e-5)


def test_a_decay_per_step_is_the_inverse_time_decay_of_keras(keras: Any) -> None:
    decaying = keras.optimizers.schedules.InverseTimeDecay(0.2, decay_steps=1, decay_rate=DECAY)
    steps = np.arange(EPOCHS * STEPS)
    schedule = Schedule(learning_rate_init=0.2, **PER_STEP)

    expected = [float(decaying(step)) for step in steps]

    assert expected == pytest.approx(schedule(steps / STEPS), rel=1e-6)


EPSILON = 1e-8
"""Lrtune's, which is added to the root √s as in the papers and in torch."""
OPTIMIZERS: dict[str, tuple[float, Callable[[Any, float], Any]]] = {
    "momentum": (0.02, lambda o, rate: o.SGD(rate, momentum=0.9)),
    "nesterov": (0.02, lambda o, rate: o.SGD(rate, momentum=0.9, nesterov=True)),
    # Keras takes √(s + ε) in these two, and starts Adagrad's sum of squares at 0.1
    "adagrad": (
        0.02,
        lambda o, rate: o.Adagrad(rate, initial_accumulator_value=0.0, epsilon=EPSILON**2),
    ),
    "rmsprop": (0.002, lambda o, rate: o.RMSprop(rate, rho=0.9, epsilon=EPSILON**2)),
    # Keras adds ε before the correction for bias ("epsilon hat"); 1e-8 is too small to tell
    "adam": (0.002, lambda o, rate: o.Adam(rate, beta_1=0.9, beta_2=0.999, epsilon=EPSILON)),
}


@pytest.mark.parametrize(
    ("optimizer", "standardised"),
    [*((name, True) for name in OPTIMIZERS), ("nesterov", False), ("adam", False)],
)
def test_optimizers_give_the_losses_of_keras(
    keras: Any, optimizer: str, standardised: bool
) -> None:
    rate, make = OPTIMIZERS[optimizer]
    split = train_test_split(scale(X) if standardised else X, y, test_size=0.25, random_state=42)
    model = partial(network, rate, optimizer=optimizer, epsilon=EPSILON)
    expected = losses_by_keras(keras, model(), make(keras.optimizers, rate), split)

    losses = losses_by_lrtune(model(), split)

    assert expected == pytest.approx(losses, rel=0, abs=1e-5)
    assert losses[0, 0] - losses[-1, 0] > 0.1
