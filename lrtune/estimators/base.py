"""Base class of the estimators: parameters, and encoding of training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    column_or_1d,
    validate_data,
)

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS, DecayName
from lrtune.schedules.schedule import Schedule
from lrtune.support.typed_sklearn import BaseEstimator
from lrtune.training.network import (
    ACTIVATIONS,
    INITIALIZERS,
    ActivationName,
    InitializerName,
    Network,
)
from lrtune.training.optimizers import DEFAULT_RATES, OPTIMIZERS, Optimizer, OptimizerName
from lrtune.training.population import Population
from lrtune.training.rows import Rows, TableRows

Array = npt.NDArray[Any]


class BaseMLP(BaseEstimator):
    """Base of classifier and regressor: parameters, and encoding of training rows."""

    _loss: str
    n_features_in_: int
    feature_names_in_: Array

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate_init": [None, Interval(Real, 0, None, closed="neither")],
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
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [None, Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "dtype": [StrOptions({"auto", "float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (50, 12),
        *,
        activation: ActivationName = "relu",
        optimizer: OptimizerName = "sgd",
        learning_rate_init: float | None = None,
        decay: DecayName = "constant",
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
        weights_init: InitializerName = "glorot_uniform",
        batch_size: int = 32,
        max_iter: int = 20,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float | None = None,
        warm_start: bool = False,
        verbose: bool | int = False,
        dtype: Literal["auto", "float32", "float64"] = "auto",
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
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.dtype = dtype
        self.random_state = random_state

    def initial_rate(self) -> float:
        """Return α₀: `learning_rate_init`, or else the usual rate of the optimizer."""
        rate = self.learning_rate_init
        return DEFAULT_RATES[self.optimizer] if rate is None else rate

    def schedule(self) -> Schedule:
        """Return the learning-rate schedule."""
        own = {field.name: getattr(self, field.name) for field in fields(Schedule)}
        return Schedule(**{**own, "learning_rate_init": self.initial_rate()})

    def make_optimizer(self) -> Optimizer:
        kind = OPTIMIZERS[self.optimizer]
        optimizer: Optimizer = kind(
            **{field.name: getattr(self, field.name) for field in fields(kind)}
        )
        return optimizer

    def make_population(self, rows: Rows, n_settings: int, rng: np.random.Generator) -> Population:
        """Return a population at initial weights, with the inputs and outputs of the rows."""
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
        if not all(isinstance(units, int) and units > 0 for units in hidden):
            raise InvalidInputError(
                "`hidden_layer_sizes` must be whole numbers of at least 1, "
                f"but got {self.hidden_layer_sizes!r}"
            )
        network = Network(
            (rows.X.shape[1], *hidden, rows.y.shape[1]),
            activation=self.activation,
            loss=self._loss,
            weights_init=self.weights_init,
        )
        return Population(
            network,
            self.make_optimizer(),
            network.initial_parameters(rng, rows.X.dtype),
            n_settings=n_settings,
            alpha=self.alpha,
            batch_size=self.batch_size,
        )

    def learn_encoding(
        self,
        X: npt.ArrayLike | TableRows,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        classes: npt.ArrayLike | None = None,
    ) -> Rows:
        """Check and encode training rows; store their columns, and their classes or target's scale.

        Columns get the training dtype. Classes become one-hot booleans; `classes` lists all of them
        if `y` may lack some. A regression target is standardised.
        """
        X, y = self._check(X, y, reset=True)
        self._training_dtype = X.dtype if self.dtype == "auto" else np.dtype(self.dtype)
        weight = self._check_weight(X, sample_weight)
        self._learn_target(y, weight, classes)
        return self._encoded(X, y, weight)

    def encode(
        self,
        X: npt.ArrayLike | TableRows,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Rows:
        """Check and encode further rows like those of `learn_encoding`."""
        X, y = self._check(X, y, reset=False)
        return self._encoded(X, y, self._check_weight(X, sample_weight))

    def _check(
        self, X: npt.ArrayLike | TableRows, y: npt.ArrayLike, *, reset: bool
    ) -> tuple[Array | TableRows, Array]:
        numeric, types = self._loss == "squared_error", (np.float64, np.float32)
        rows: Array | TableRows
        if isinstance(X, TableRows):  # checking the whole table is as cheap as checking these rows
            validate_data(self, X.table, reset=reset, dtype=types)
            target = _check_y(y, multi_output=True, y_numeric=numeric, estimator=self)
            rows = replace(X, dtype=X.table.dtype)
        else:
            rows, target = validate_data(
                self, X, y, accept_sparse="csr", reset=reset, dtype=types, multi_output=True,
                y_numeric=numeric,
            )  # fmt: skip
            rows = TableRows.of(rows) if issparse(rows) else rows
            target = target.toarray() if issparse(target) else target
        if numeric and target.dtype.kind not in "fiub":
            raise ValueError(
                "`y` must be numeric in a regression, but got "
                f"{target[:3].tolist()}: use MLPClassifier for classes"
            )
        if target.ndim == 2 and target.shape[1] == 1:
            target = column_or_1d(target, warn=True)
        return rows, target

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_weight(
        self, X: Array | TableRows, sample_weight: npt.ArrayLike | None
    ) -> Array | None:
        if sample_weight is None:
            return None
        weight: Array = _check_sample_weight(
            sample_weight, X, dtype=self._training_dtype, ensure_non_negative=True
        )
        return weight

    def _encoded(self, X: Array | TableRows, y: Array, weight: Array | None) -> Rows:
        dtype = self._training_dtype
        return Rows(
            replace(X, dtype=dtype)
            if isinstance(X, TableRows)
            else np.ascontiguousarray(X, dtype=dtype),
            self._encode_target(y),
            self._weigh(y, weight),
        )

    def _weigh(self, y: Array, weight: Array | None) -> Array | None:  # noqa: ARG002
        return weight

    def _learn_target(self, y: Array, weight: Array | None, classes: npt.ArrayLike | None) -> None:
        raise NotImplementedError

    def _encode_target(self, y: Array) -> Array:
        raise NotImplementedError

    def score_outputs(self, outputs: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the scores ``(K,)`` of outputs ``(K, n, n_outputs)`` on encoded targets.

        `weight` ``(n,)`` are the rows' weights.
        """
        raise NotImplementedError

    @property
    def loss_unit(self) -> float:
        """Return the factor that converts the training loss to the target's unit."""
        return 1.0
