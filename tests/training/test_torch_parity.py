"""The same training in torch gives the same weights, and its schedulers the same rates."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import train
from lrtune.training.network import Network
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.population import Population
from lrtune.training.rows import Rows

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
scheduler = torch.optim.lr_scheduler

EPOCHS, BATCH_SIZE = 20, 32


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class DistanceOverGradients:
    """DoG, which torch lacks: the paper's equations on whole tensors."""

    def __init__(self, parameters: Any, lr: float) -> None:
        self.parameters, self.lr = list(parameters), lr
        self.start = self._flat(p.detach() for p in self.parameters)
        self.distances = [1e-6 * (1 + self.start.norm())]
        self.gradients: list[Any] = []

    @staticmethod
    def _flat(tensors: Any) -> Any:
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        with torch.no_grad():
            self.distances.append((self._flat(self.parameters) - self.start).norm())
            self.gradients.append(self._flat(p.grad for p in self.parameters).norm() ** 2)
            eta = max(self.distances) / (sum(self.gradients) + 1e-8) ** 0.5
            for p in self.parameters:
                p -= self.lr * eta * p.grad


TORCH_OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "adagrad": lambda p, lr: torch.optim.Adagrad(p, lr, eps=1e-8),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr, alpha=0.9, eps=1e-8),
    "adam": torch.optim.Adam,
    "adamw": lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.01),
    "dog": DistanceOverGradients,
}
RATES = {
    "sgd": 0.1,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 0.02,
    "rmsprop": 0.002,
    "adam": 0.002,
    "adamw": 0.002,
    "dog": 1.0,
}


def standardised(columns: Any) -> Any:
    return (columns - columns.mean(axis=0)) / columns.std(axis=0)


def iris() -> Rows:
    X, y = load_iris(return_X_y=True)
    return Rows(standardised(X), np.eye(3)[y])


def diabetes() -> Rows:
    X, y = load_diabetes(return_X_y=True)
    return Rows(standardised(X), standardised(y[:, np.newaxis]))


def network_in_torch(network: Network, parameters: Any) -> Any:
    layers: list[Any] = []
    for layer in network.layers(parameters[np.newaxis]):
        linear = torch.nn.Linear(*layer.weights[0].shape, dtype=torch.float64)
        linear.weight.data = torch.tensor(layer.weights[0].T.copy())
        linear.bias.data = torch.tensor(layer.biases[0, 0])
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def parameters_of(model: Any) -> Any:
    linear = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    parts = [(layer.weight.detach().T.ravel(), layer.bias.detach()) for layer in linear]
    return np.concatenate([part.numpy() for layer in parts for part in layer])


def weights_by_torch(network: Network, initial: Any, rows: Rows, optimizer: str) -> Any:
    model = network_in_torch(network, initial)
    updater = TORCH_OPTIMIZERS[optimizer](model.parameters(), lr=RATES[optimizer])
    classes = network.loss == "log_loss"
    loss = torch.nn.CrossEntropyLoss() if classes else torch.nn.MSELoss()
    X, y = torch.tensor(rows.X), torch.tensor(rows.y)
    rng = np.random.default_rng(9)
    for _ in range(EPOCHS):
        order = torch.tensor(rng.permutation(len(rows)))
        for batch in order.split(BATCH_SIZE):
            updater.zero_grad()
            loss(model(X[batch]), y[batch]).backward()
            updater.step()
    return parameters_of(model)


def weights_by_lrtune(network: Network, initial: Any, rows: Rows, optimizer: str) -> Any:
    population = Population(network, OPTIMIZERS[optimizer](), initial, batch_size=BATCH_SIZE)
    schedule = Schedule(learning_rate_init=RATES[optimizer])
    rng = np.random.default_rng(9)
    list(train(population, [schedule], rows, epochs=range(EPOCHS), rng=rng))
    return population.parameters[0]


def test_every_optimizer_has_a_counterpart_in_torch() -> None:
    assert list(OPTIMIZERS) == list(TORCH_OPTIMIZERS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_classifier_ends_at_the_weights_that_torch_finds(optimizer: str) -> None:
    network = Network((4, 50, 12, 3))
    initial = network.initial_parameters(np.random.default_rng(0), np.dtype("float64"))
    expected = weights_by_torch(network, initial, iris(), optimizer)

    weights = weights_by_lrtune(network, initial, iris(), optimizer)

    assert expected == pytest.approx(weights, rel=1e-10, abs=1e-10)
    assert not np.allclose(initial, weights, atol=0.01)


def test_a_regressor_ends_at_the_weights_that_torch_finds() -> None:
    network = Network((10, 50, 12, 1), loss="squared_error")
    initial = network.initial_parameters(np.random.default_rng(0), np.dtype("float64"))
    expected = weights_by_torch(network, initial, diabetes(), "sgd")

    weights = weights_by_lrtune(network, initial, diabetes(), "sgd")

    assert expected == pytest.approx(weights, rel=1e-10, abs=1e-10)
    assert not np.allclose(initial, weights, atol=0.01)


# --- schedulers -----------------------------------------------------------------------------------

K = 0.05
END = round(1 / K)
SCHEDULERS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "constant": (60, lambda o: scheduler.ConstantLR(o, factor=1.0)),
    "inverse_time": (60, lambda o: scheduler.LambdaLR(o, lambda t: 1 / (1 + K * t))),
    "compound": (
        60,
        lambda o: scheduler.MultiplicativeLR(o, lambda t: 1 / (1 + K * t)),
    ),
    "exponential": (60, lambda o: scheduler.ExponentialLR(o, gamma=math.exp(-K))),
    "step": (60, lambda o: scheduler.StepLR(o, step_size=4, gamma=math.exp(-4 * K))),
    "inverse_sqrt": (60, lambda o: scheduler.LambdaLR(o, lambda t: (1 + K * t) ** -0.5)),
    "linear": (60, lambda o: scheduler.LinearLR(o, 1.0, end_factor=0.0, total_iters=END)),
    "polynomial": (60, lambda o: scheduler.PolynomialLR(o, total_iters=END, power=3.0)),
    "cosine": (END, lambda o: scheduler.CosineAnnealingLR(o, T_max=END)),
}
"""Epochs to compare (torch's cosine rises again after T_max), and the scheduler."""


def rates_by_torch(make: Callable[[Any], Any], epochs: int, *losses: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    stepper, rates = make(optimizer), [0.3]
    for epoch in range(epochs):
        optimizer.step()
        stepper.step(*losses[epoch : epoch + 1])
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def test_every_pure_decay_type_has_a_counterpart_in_torch() -> None:
    assert [name for name, decay in DECAYS.items() if not decay.feedback] == list(SCHEDULERS)


@pytest.mark.parametrize("decay", SCHEDULERS)
def test_rates_are_those_of_the_scheduler_in_torch(decay: str) -> None:
    epochs, make = SCHEDULERS[decay]
    schedule = Schedule(learning_rate_init=0.3, decay=decay, decay_rate=K, step_size=4, power=3)
    expected = rates_by_torch(make, epochs)

    assert expected == pytest.approx(schedule(np.arange(epochs + 1)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_plateau_without_patience_is_reduce_on_plateau(seed: int) -> None:
    losses = np.random.default_rng(seed).integers(1, 30, size=40).astype(float)
    schedule = Schedule(learning_rate_init=0.3, decay="plateau", decay_rate=K, patience=0)
    plateau, rates, table = Plateau([schedule]), [0.3], np.full((1, 1), 0.3)
    for loss in losses:
        plateau.update(np.array([loss]))
        rates.append(float(plateau.apply(table)[0, 0]))

    expected = rates_by_torch(
        lambda o: scheduler.ReduceLROnPlateau(o, factor=math.exp(-K), patience=0, threshold=0),
        40,
        *losses,
    )

    assert expected == pytest.approx(rates, rel=1e-9)
