"""A training loop that is not lrtune's: one hidden layer in NumPy, on a random split by seed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from lrtune.schedules.schedule import Schedule
from lrtune.tuning.setting import Setting

Array = npt.NDArray[Any]

EPOCHS = 15
HIDDEN, BATCH_SIZE = 16, 16
FRESH_SEED = 1 << 20


class Loop:
    """Trains on a table, by SGD, momentum or Adam."""

    def __init__(self, X: Array, y: Array, task: str, optimizer: str) -> None:
        self.X = (X - X.mean(axis=0)) / X.std(axis=0)
        self.is_classifier = task == "classification"
        self.optimizer = optimizer
        if self.is_classifier:
            self.Y = np.eye(int(y.max()) + 1)[y]
        else:
            self.Y = ((y - y.mean()) / y.std())[:, np.newaxis]

    def train(self, schedule: Schedule, seed: int) -> Iterator[float]:
        """Yield the validation loss after each epoch."""
        rng = np.random.default_rng(seed)
        rows, held_out = train_test_split(
            np.arange(len(self.X)),
            random_state=seed % (1 << 32),
            stratify=self.Y.argmax(axis=1) if self.is_classifier else None,
        )
        n_columns, n_outputs = self.X.shape[1], self.Y.shape[1]
        weights = [
            rng.normal(0, n_columns**-0.5, (n_columns, HIDDEN)), np.zeros(HIDDEN),
            rng.normal(0, HIDDEN**-0.5, (HIDDEN, n_outputs)), np.zeros(n_outputs),
        ]  # fmt: skip
        mean, square = ([np.zeros_like(each) for each in weights] for _ in range(2))
        step = 0
        for epoch in range(EPOCHS):
            rate = float(schedule(epoch))
            for batch in np.array_split(rng.permutation(rows), -(-len(rows) // BATCH_SIZE)):
                step += 1
                for index, slope in enumerate(self._slopes(weights, batch)):
                    weights[index] -= rate * self._direction(mean, square, index, slope, step)
            yield self._loss(weights, held_out)

    def _outputs(self, weights: list[Array], rows: Array) -> tuple[Array, Array]:
        hidden = np.tanh(self.X[rows] @ weights[0] + weights[1])
        outputs = hidden @ weights[2] + weights[3]
        if self.is_classifier:
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            outputs /= outputs.sum(axis=1, keepdims=True)
        return hidden, outputs

    def _slopes(self, weights: list[Array], rows: Array) -> list[Array]:
        hidden, outputs = self._outputs(weights, rows)
        error = (outputs - self.Y[rows]) * ((1 if self.is_classifier else 2) / len(rows))
        below = error @ weights[2].T * (1 - hidden**2)
        return [self.X[rows].T @ below, below.sum(axis=0), hidden.T @ error, error.sum(axis=0)]

    def _direction(
        self, mean: list[Array], square: list[Array], index: int, slope: Array, step: int
    ) -> Array:
        if self.optimizer == "sgd":
            return slope
        if self.optimizer == "momentum":
            mean[index] = 0.9 * mean[index] + slope
            return mean[index]
        mean[index] = 0.9 * mean[index] + 0.1 * slope
        square[index] = 0.999 * square[index] + 0.001 * slope**2
        corrected = np.sqrt(square[index] / (1 - 0.999**step)) + 1e-8
        return mean[index] / (1 - 0.9**step) / corrected

    def _loss(self, weights: list[Array], rows: Array) -> float:
        _, outputs = self._outputs(weights, rows)
        if self.is_classifier:
            return float(-np.log(np.maximum(outputs[self.Y[rows] == 1], 1e-300)).mean())
        return float(((outputs - self.Y[rows]) ** 2).mean())

    def judge(self, n: int) -> Callable[[list[Setting]], Array]:
        """Return a function of settings: their last losses on `n` fresh seeds."""

        def losses(settings: list[Setting]) -> Array:
            schedules = [Schedule(**each.params) for each in settings]
            rows = [
                [list(self.train(schedule, FRESH_SEED + number))[-1] for number in range(n)]
                for schedule in schedules
            ]
            values = np.array(rows)
            worst = 10 * np.median(values[0])
            return np.where(np.isfinite(values) & (values < worst), values, np.inf)

        return losses
