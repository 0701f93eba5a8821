"""`MLPClassifier` and `MLPRegressor`, trained by the same code as the settings of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets

from lrtune.estimators.base import BaseMLP
from lrtune.estimators.fitting import TrainableMLP, trains_on_all_rows
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DecayName
from lrtune.support.typed_sklearn import (
    ClassifierMixin,
    RegressorMixin,
    available_if,
    fit_context,
)
from lrtune.training.network import ActivationName, InitializerName
from lrtune.training.optimizers import OptimizerName
from lrtune.training.rows import TableRows

Array = npt.NDArray[Any]

SPREADS = (1e-150, 1e150)
"""Standard deviations of a target whose squares neither overflow nor vanish."""
RESOLUTION = 1e-3
"""Coarsest rounding of predictions, in standard deviations of the target."""


def _balance(counts: Array) -> Array:
    """Return the factors that make the total weights `counts` of the classes equal; 0 stays 0."""
    share = counts.sum() / max(1, np.count_nonzero(counts))
    return np.asarray(np.divide(share, counts, out=np.zeros(len(counts)), where=counts > 0))


def require_labels(y: Array) -> None:
    """Raise InvalidInputError if a target of several columns holds other values than 0 and 1."""
    if y.ndim == 2 and y.shape[1] > 1 and not np.isin(y, (0, 1)).all():
        raise InvalidInputError(
            f"`y` must hold one class per row, or a 0 or 1 for each label, but got shape {y.shape} "
            "with other values: fit one classifier per column "
            "(sklearn.multioutput.MultiOutputClassifier)"
        )


class MLPClassifier(ClassifierMixin, TrainableMLP):
    """Multilayer perceptron classifier with a learning-rate schedule.

    Trains a softmax network on the cross entropy by mini-batch gradient descent; for several labels
    per row, a 0 or 1 in each column of y, a network with a logistic output for each label, on the
    sum of their log losses. A search trains with the same code, so the parameters that it
    recommends give the tuned model here. Sparse rows are made dense batch by batch.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(50, 12)
        Units of each hidden layer.
    activation : {"identity", "logistic", "relu", "tanh"}, default="relu"
        Activation of the hidden layers.
    optimizer : str, default="sgd"
        One of "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "dog". The
        last (distance over gradients) finds its own step size within several hundred steps.
    learning_rate_init : float or None, default=None
        α₀, the learning rate at the start; for "dog" a factor of its step size. None is the
        usual rate of the optimizer, its value in `lrtune.training.optimizers.DEFAULT_RATES`: 0.1
        for "sgd", 0.001 for "adam".
    decay : str, default="constant"
        The decay type, a key of `lrtune.schedules.decays.DECAYS`.
    decay_rate : float, default=0
        k, how fast the rate decays, in 1/epoch for every decay type.
    step_size, power, patience : float, float, int, default=5, 2, 2
        Options of the decay types "step", "polynomial" and "plateau"; see `Schedule`.
    warmup_epochs, cycle_epochs, min_learning_rate, update
        Modifiers of the schedule; see `Schedule`.
    alpha : float, default=0
        L2 penalty on the weights, α/2 times their sum of squares, divided by the number of rows in
        the batch.
    momentum : float, default=0.9
        For "momentum" and "nesterov".
    rho : float, default=0.9
        For "rmsprop".
    beta_1, beta_2 : float, default=0.9, 0.999
        For "adam" and "adamw".
    epsilon : float, default=1e-8
        For "adagrad", "rmsprop", "adam", "adamw" and "dog".
    weight_decay : float, default=0.01
        Decoupled weight decay of "adamw".
    weights_init : str, default="glorot_uniform"
        One of "glorot_normal", "glorot_uniform", "he_normal", "he_uniform".
    batch_size : int, default=32
        Rows per step.
    max_iter : int, default=20
        Number of epochs.
    shuffle : bool, default=True
        Visit the rows in a new order in every epoch.
    early_stopping : bool, default=False
        Hold rows out, stop once their score has not improved for `n_iter_no_change` epochs, and
        keep the best weights.
    validation_fraction : float, default=0.1
        Share of the rows held out with `early_stopping` or ``decay="plateau"``.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops, with `early_stopping` or `tol`.
    tol : float or None, default=None
        Smallest change that counts as an improvement of the score with `early_stopping`, else of
        the training loss. With None, any improvement of the score counts, and without
        `early_stopping` training lasts `max_iter` epochs.
    warm_start : bool, default=False
        Continue from the weights, optimizer and schedule at the end of the last fit.
    verbose : bool or int, default=False
        Print a line per epoch.
    dtype : {"auto", "float32", "float64"}, default="auto"
        Precision of the training; "auto" is that of X, as in scikit-learn. float32 is 1.5 to 2
        times as fast.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; not for several labels per row.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, shuffling and the validation split.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels; of several labels per row, the numbers of their columns.
    coefs_, intercepts_ : list of ndarray
        Weights ``(fan_in, fan_out)`` and biases ``(fan_out,)`` of each layer.
    loss_curve_ : list of float
        Mean training loss of each epoch, without the L2 term.
    validation_loss_curve_ : list of float
        Loss on the held-out rows at the end of each epoch; empty if none are held out.
    validation_scores_ : list of float or None
        Accuracy on the held-out rows, which count by their weights, with `early_stopping`.
    best_validation_score_ : float or None
        The best of `validation_scores_`.
    loss_, best_loss_ : float, float or None
        The last and the least of `loss_curve_`; with `early_stopping`, there is no least one.
    learning_rate_curve_ : list of float
        Rate at the first step of each epoch.
    n_iter_ : int
        Epochs of the last fit, including one that diverged.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = MLPClassifier(decay="exponential", decay_rate=0.1, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _loss = "log_loss"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation=activation,
            optimizer=optimizer,
            learning_rate_init=learning_rate_init,
            decay=decay,
            decay_rate=decay_rate,
            step_size=step_size,
            power=power,
            patience=patience,
            warmup_epochs=warmup_epochs,
            cycle_epochs=cycle_epochs,
            min_learning_rate=min_learning_rate,
            update=update,
            alpha=alpha,
            momentum=momentum,
            rho=rho,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            weights_init=weights_init,
            batch_size=batch_size,
            max_iter=max_iter,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
            dtype=dtype,
            random_state=random_state,
        )
        self.class_weight = class_weight

    @available_if(trains_on_all_rows)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch on these rows; the schedule continues.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
        y : array_like of shape (n,)
        classes : array_like of shape (n_classes,), optional
            All classes, needed at the first call if `y` lacks some of them.
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        InvalidInputError
            With ``class_weight="balanced"``: a call knows the classes of its own rows alone.
        """
        if self.class_weight == "balanced":
            raise InvalidInputError(
                "`class_weight` must be known before partial_fit sees rows, but got 'balanced': "
                "give a dict of weights (sklearn.utils.class_weight.compute_class_weight, of all "
                "rows or a sample of them)"
            )
        if classes is not None and hasattr(self, "_session"):
            labels = np.unique(classes)
            if not np.array_equal(labels, self.classes_):
                raise ValueError(
                    f"`classes` must be those of the first call, {self.classes_.tolist()}, "
                    f"but got {labels.tolist()}"
                )
        return self._fit(X, y, sample_weight, partial=True, classes=classes)

    def _learn_target(
        self,
        y: Array,
        weight: Array | None,  # noqa: ARG002
        classes: npt.ArrayLike | None,
    ) -> None:
        self._loss = "log_loss" if y.ndim == 1 else "binary_log_loss"
        if y.ndim == 2:
            self.classes_ = np.arange(y.shape[1])
        else:
            self.classes_ = np.unique(y if classes is None else classes)

    def _check(
        self, X: npt.ArrayLike | TableRows, y: npt.ArrayLike, *, reset: bool
    ) -> tuple[Array | TableRows, Array]:
        X, y = super()._check(X, y, reset=reset)
        check_classification_targets(y)
        require_labels(y)
        return X, y

    def _weigh(self, y: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        if y.ndim == 2:
            raise InvalidInputError(
                f"`class_weight` must be left out with several labels per row, but got "
                f"{self.class_weight!r}: give sample_weight, or leave it out"
            )
        labels = np.searchsorted(self.classes_, y)
        if self.class_weight == "balanced":
            factors = _balance(np.bincount(labels, weights=weight, minlength=len(self.classes_)))
        else:
            factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        if (factors < 0).any():
            raise ValueError(f"`class_weight` must not be negative, but got {self.class_weight!r}")
        by_class = factors[labels].astype(self._training_dtype)
        return np.asarray(by_class if weight is None else weight * by_class)

    def _encode_target(self, y: Array) -> Array:
        is_multilabel = self._loss == "binary_log_loss"
        if is_multilabel != (y.ndim == 2) or (is_multilabel and y.shape[1] != len(self.classes_)):
            columns = f"{len(self.classes_)} columns of labels" if is_multilabel else "one column"
            raise ValueError(f"`y` must have {columns}, as in the first call, but got {y.shape}")
        if is_multilabel:
            return y.astype(bool)
        unknown = ~np.isin(y, self.classes_)
        if unknown.any():
            raise ValueError(
                "`y` must hold classes seen in training, but got "
                f"{np.unique(y[unknown])[:5].tolist()}"
            )
        return np.eye(len(self.classes_), dtype=bool)[np.searchsorted(self.classes_, y)]

    def score_outputs(self, outputs: Array, y: Array, weight: Array | None = None) -> Array:
        """Return the accuracies ``(K,)`` of probabilities ``(K, n, n_classes)``.

        Several labels of a row must all be right.
        """
        if self._loss == "binary_log_loss":
            is_right = ((outputs > 0.5) == y).all(axis=-1)
        else:
            is_right = outputs.argmax(axis=-1) == y.argmax(axis=-1)
        return np.asarray(np.average(is_right, axis=-1, weights=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Return class probabilities.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return self._outputs(self._validated(X))

    def predict_log_proba(self, X: npt.ArrayLike) -> Array:
        """Return the logarithms of class probabilities, -inf where a probability rounds to 0.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the most probable class of each row; of several labels, those above 0.5.

        Parameters
        ----------
        X : array_like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,), or of 0 and 1 of shape (n, n_classes)
        """
        probabilities = self._outputs(self._validated(X))
        if self._loss == "binary_log_loss":
            return (probabilities > 0.5).astype(int)
        labels: Array = self.classes_[probabilities.argmax(axis=1)]
        return labels


class MLPRegressor(RegressorMixin, TrainableMLP):
    """Multilayer perceptron regressor with a learning-rate schedule.

    Minimises the squared error of the target, standardised internally so that the useful range of
    learning rates does not depend on its unit. Predictions and scores are in the original unit;
    losses are those of the standardised target, where predicting the mean has a loss of 1.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(50, 12)
        Units of each hidden layer.
    activation, optimizer, learning_rate_init, decay, decay_rate, ... :
        As in `MLPClassifier`; see the notes for what a rate is in scikit-learn.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_outputs,)
        Mean and standard deviation of the training target.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer; the last predicts the standardised target.
    loss_curve_, loss_, best_loss_, validation_loss_curve_, learning_rate_curve_, n_iter_
        As in `MLPClassifier`.

    Notes
    -----
    The loss is the mean of the squared errors, as in torch and Keras; scikit-learn follows half
    their sum over the m outputs. On the standardised target, with ``optimizer="sgd"``, scikit-learn
    takes the same steps with ``learning_rate_init`` times 2/m and ``alpha`` times m/2: for one
    target, with twice the rate and half the penalty. (The steps of "adagrad", "rmsprop", "adam" and
    "adamw" do not depend on the scale of the loss: there, only alpha differs.)

    Examples
    --------
    >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
    >>> model = MLPRegressor(max_iter=60, random_state=0).fit(X, 1000 * X[:, 0] ** 2)
    >>> model.score(X, 1000 * X[:, 0] ** 2) > 0.9
    True
    """

    _loss = "squared_error"

    @available_if(trains_on_all_rows)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Train for one more epoch on these rows; the schedule continues.

        The target keeps the mean and scale of the first call.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
        y : array_like of shape (n,) or (n, n_outputs)
        sample_weight : array_like of shape (n,), optional

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, partial=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _learn_target(
        self,
        y: Array,
        weight: Array | None,
        classes: npt.ArrayLike | None,  # noqa: ARG002
    ) -> None:
        columns = y.reshape(len(y), -1).astype(np.float64)
        self._flat_target = y.ndim == 1
        if weight is not None and not weight.any():
            weight = None
        counted = columns if weight is None else columns[weight > 0]
        varies = counted.min(axis=0) < counted.max(axis=0)
        with np.errstate(all="ignore"):
            mean = np.average(columns, axis=0, weights=weight)
            variance = np.average((columns - mean) ** 2, axis=0, weights=weight)
        self.target_mean_ = np.where(varies, mean, counted[0])
        self.target_scale_ = np.where(varies, np.sqrt(variance), 1.0)
        low, high = SPREADS
        for deviation in self.target_scale_[varies]:
            if not low <= deviation <= high:
                raise InvalidInputError(
                    f"`y` must have a standard deviation between {low:g} and {high:g}, as its "
                    f"square is not a number otherwise, but got {deviation:g}: divide y by its size"
                )

    def _encode_target(self, y: Array) -> Array:
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != len(self.target_mean_):
            raise ValueError(
                f"`y` must have as many columns as in the first call, {len(self.target_mean_)}, "
                f"but got {columns.shape[1]}"
            )
        return np.asarray(
            (columns - self.target_mean_) / self.target_scale_, dtype=self._training_dtype
        )

    def _fits(self, dtype: np.dtype[Any]) -> bool:
        """Return whether numbers of a dtype can tell the targets apart."""
        info, size = np.finfo(dtype), np.abs(self.target_mean_) + 10 * self.target_scale_
        coarse = info.eps * size > RESOLUTION * self.target_scale_
        return bool((size < info.max).all() and not coarse.any())

    @property
    def loss_unit(self) -> float:
        """Return the squared scale of a single target; 1 for several, as their units differ."""
        return float(self.target_scale_[0] ** 2) if len(self.target_scale_) == 1 else 1.0

    def score_outputs(self, outputs: Array, y: Array, weight: Array | None = None) -> Array:
        """Return R² ``(K,)``, the mean over the m outputs, of predictions ``(K, n, m)``."""
        weights = np.ones(len(y)) if weight is None else weight.astype(np.float64)
        column = weights[:, np.newaxis]
        residual = (column * (outputs - y) ** 2).sum(axis=1)
        spread = (column * (y - np.average(y, axis=0, weights=weights)) ** 2).sum(axis=0)
        # as in scikit-learn, a constant target scores 1 if predicted exactly, else 0
        r2 = np.where(spread > 0, 1 - residual / np.where(spread > 0, spread, 1), residual == 0)
        return np.asarray(r2.mean(axis=-1))

    def predict(self, X: npt.ArrayLike) -> Array:
        """Return the predicted target, in its original unit.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
            Of float32 if both X and the training are, unless it cannot tell the targets apart, as
            where they are large and differ little.
        """
        rows = self._validated(X)
        outputs = self._outputs(rows)
        predicted = outputs * self.target_scale_ + self.target_mean_
        if self._fits(dtype := np.result_type(rows.dtype, outputs)):
            predicted = predicted.astype(dtype, copy=False)
        return np.asarray(predicted[:, 0] if self._flat_target else predicted)
