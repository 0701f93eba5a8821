"""What the estimators share: parameters, what they train, fit; a population of one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from threadpoolctl import ThreadpoolController

from lrtune.exceptions import DivergenceWarning
from lrtune.training.network import ACTIVATIONS, INITIALIZERS, Network
from lrtune.training.optimizers import OPTIMIZERS, Optimizer
from lrtune.training.population import Batches, Population, train
from lrtune.training.schedules import DECAYS, Schedule

__all__ = ["BaseMLP", "RandomStreams", "one_blas_thread"]

Array = npt.NDArray[Any]


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread: small products gain nothing from more, and sums keep their order."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


class RandomStreams:
    """Independent generators for what is random in a fit, all from one seed.

    The order of the rows does not depend on how many numbers the initial weights took, so
    networks of different shapes meet the same mini-batches.
    """

    def __init__(self, random_state: int | np.random.RandomState | None) -> None:
        seed: int
        if isinstance(random_state, Integral):
            seed = int(random_state)
        else:
            seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        weights, rows, split = np.random.SeedSequence(seed).spawn(3)
        self.weights = np.random.default_rng(weights)
        self.rows = np.random.default_rng(rows)
        self.split_seed = int(split.generate_state(1)[0])


class BaseMLP(BaseEstimator):
    """What classifier and regressor share."""

    _loss: ClassVar[str]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "decay": [StrOptions(set(DECAYS))],
        "decay_rate": [Interval(Real, 0, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "power": [Interval(Real, 0, None, closed="neither")],
        "patience": [Interval(Integral, 0, None, closed="left")],
        "warmup_epochs": [Interval(Real, 0, None, closed="left")],
        "cycle_epochs": [None, Interval(Real, 0, None, closed="neither")],
        "min_learning_rate": [Interval(Real, 0, None, closed="left")],
        "update": [StrOptions({"epoch", "batch"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "rho": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "weights_init": [StrOptions(set(INITIALIZERS))],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (50, 12),
        *,
        activation: str = "relu",
        optimizer: str = "sgd",
        learning_rate_init: float = 0.1,
        decay: str = "constant",
        decay_rate: float = 0.0,
        step_size: float = 5.0,
        power: float = 2.0,
        patience: int = 2,
        warmup_epochs: float = 0.0,
        cycle_epochs: float | None = None,
        min_learning_rate: float = 0.0,
        update: Literal["epoch", "batch"] = "epoch",
        alpha: float = 0.0,
        momentum: float = 0.9,
        rho: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        weights_init: str = "glorot_uniform",
        batch_size: int = 32,
        max_iter: int = 20,
        shuffle: bool = True,
        validation_fraction: float = 0.1,
        dtype: Literal["float32", "float64"] = "float32",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.decay = decay
        self.decay_rate = decay_rate
        self.step_size = step_size
        self.power = power
        self.patience = patience
        self.warmup_epochs = warmup_epochs
        self.cycle_epochs = cycle_epochs
        self.min_learning_rate = min_learning_rate
        self.update = update
        self.alpha = alpha
        self.momentum = momentum
        self.rho = rho
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.weights_init = weights_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.dtype = dtype
        self.random_state = random_state

    # --- what is trained: shared by fit and by the search --------------------------------------

    def schedule(self) -> Schedule:
        """The learning-rate schedule that these parameters describe."""
        return Schedule(**{field.name: getattr(self, field.name) for field in fields(Schedule)})

    def make_optimizer(self) -> Optimizer:
        """The optimizer that these parameters describe."""
        kind = OPTIMIZERS[self.optimizer]
        made: Optimizer = kind(**{field.name: getattr(self, field.name) for field in fields(kind)})
        return made

    def make_population(
        self, rows: Batches, n_settings: int, rng: np.random.Generator
    ) -> Population:
        """A population of this network at fresh initial weights.

        Parameters
        ----------
        rows : Batches
            Training rows; tells the numbers of inputs and outputs.
        n_settings : int
        rng : numpy.random.Generator
            Draws the initial weights.
        """
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=np.int64)).tolist()
        network = Network(
            (rows.X.shape[1], *hidden, rows.y.shape[1]),
            activation=self.activation,
            loss=self._loss,
            weights_init=self.weights_init,
        )
        return Population(
            network,
            self.make_optimizer(),
            network.initial_parameters(rng, np.dtype(self.dtype)),
            n_settings=n_settings,
            alpha=self.alpha,
            batch_size=self.batch_size,
        )

    def learn_encoding(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Batches:
        """Check and encode training rows; remember columns and classes (or the target's scale).

        Parameters
        ----------
        X : array_like of shape (n, n_features)
        y : array_like of shape (n,) or (n, n_outputs)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        Batches
            Arrays in the training dtype; classes one-hot, a regression target standardised.
        """
        self._validate_params()
        X, y = self._check(X, y, reset=True)
        self._learn_target(y)
        return self._batches(X, y, sample_weight)

    def encode(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Batches:
        """Encode further rows as `learn_encoding` encoded the training rows."""
        X, y = self._check(X, y, reset=False)
        return self._batches(X, y, None)

    def _check(self, X: npt.ArrayLike, y: npt.ArrayLike, *, reset: bool) -> tuple[Array, Array]:
        checked: tuple[Array, Array] = validate_data(
            self,
            X,
            y,
            reset=reset,
            dtype=(np.float64, np.float32),
            multi_output=True,
            y_numeric=self._loss == "squared_error",
        )
        return checked

    def _batches(self, X: Array, y: Array, sample_weight: npt.ArrayLike | None) -> Batches:
        weight: Array | None = None
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, X, dtype=np.dtype(self.dtype), ensure_non_negative=True
            )
        X = np.ascontiguousarray(X, dtype=self.dtype)
        return Batches(X, np.ascontiguousarray(self._encode_target(y), self.dtype), weight)

    def _learn_target(self, y: Array) -> None:
        raise NotImplementedError

    def _encode_target(self, y: Array) -> Array:
        raise NotImplementedError

    def score_outputs(self, outputs: Array, y: Array) -> Array:
        """Score of K settings' outputs ``(K, n, n_outputs)`` on encoded targets, shape (K,)."""
        raise NotImplementedError

    @property
    def loss_unit(self) -> float:
        """Loss in the target's own unit, per unit of the training loss; after `learn_encoding`."""
        return 1.0

    # --- fit and predict ----------------------------------------------------------------------

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Train for `max_iter` epochs.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Training rows.
        y : array_like of shape (n,) or (n, n_outputs)
            Target.
        sample_weight : array_like of shape (n,), optional
            Weights of the rows.

        Returns
        -------
        self

        Warns
        -----
        DivergenceWarning
            If the training diverges; the message names the rate, the epoch and the cure. The
            model then has the weights from the end of the last epoch that went well.
        """
        rows = self.learn_encoding(X, y, sample_weight)
        streams = RandomStreams(self.random_state)
        validation = None
        if DECAYS[self.decay].feedback:
            rows, validation = self._hold_out(rows, streams.split_seed)
        population = self.make_population(rows, 1, streams.weights)
        parameters, epochs = population.parameters[0].copy(), []
        with one_blas_thread():
            for epoch in train(
                population,
                [self.schedule()],
                rows,
                epochs=self.max_iter,
                rng=streams.rows,
                validation=validation,
                shuffle=self.shuffle,
            ):
                parameters = population.parameters[0].copy()
                epochs.append(epoch)
        self.n_iter_ = len(epochs)
        if population.diverged:
            self.n_iter_ += 1
            self._warn_diverged(population)
        self.loss_curve_ = [float(epoch.training_loss[0]) for epoch in epochs]
        self.learning_rate_curve_ = [float(epoch.rates[0]) for epoch in epochs]
        self.validation_loss_curve_ = [
            float(epoch.validation_loss[0]) for epoch in epochs if epoch.validation_loss is not None
        ]
        return self.adopt(population.network, parameters)

    def _hold_out(self, rows: Batches, seed: int) -> tuple[Batches, Batches]:
        stratify = rows.y.argmax(axis=1) if self._loss == "log_loss" else None
        train_rows, validation_rows = train_test_split(
            np.arange(len(rows)),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=stratify,
        )
        return rows.take(train_rows), rows.take(validation_rows)

    def _warn_diverged(self, population: Population) -> None:
        divergence = population.diverged[0]
        warnings.warn(
            f"training diverged in epoch {self.n_iter_} (step {divergence.step + 1}, loss "
            f"{divergence.loss:.3g}) with learning_rate_init={self.learning_rate_init}: "
            "use a smaller learning_rate_init, or standardise the columns of X",
            DivergenceWarning,
            stacklevel=3,
        )

    def adopt(self, network: Network, parameters: Array) -> Self:
        """Take over the weights of one setting of a trained population.

        Parameters
        ----------
        network : Network
            The population's.
        parameters : ndarray of shape (P,)
            A row of the population's parameters.

        Returns
        -------
        self
            Fitted.
        """
        self._network, self._parameters = network, parameters
        layers = network.layers(parameters[np.newaxis])
        self.coefs_ = [layer.weights[0] for layer in layers]
        self.intercepts_ = [layer.biases[0, 0] for layer in layers]
        self.n_layers_ = len(layers) + 1
        self.n_outputs_ = network.layer_sizes[-1]
        return self

    def _outputs(self, X: npt.ArrayLike) -> Array:
        check_is_fitted(self, "coefs_")
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        population = Population(self._network, self.make_optimizer(), self._parameters)
        with one_blas_thread():
            outputs: Array = population.outputs(np.ascontiguousarray(X, dtype=self.dtype))[0]
        return outputs
