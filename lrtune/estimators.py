"""scikit-learn estimators: a population of one, so that what is tuned and shipped cannot drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from lrtune.base import BaseMLP

__all__ = ["MLPClassifier", "MLPRegressor"]

Array = npt.NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multilayer perceptron classifier with a learning-rate schedule.

    Trains a softmax network on the cross entropy by mini-batch gradient descent. It is a
    population of one of the trainer that `lrtune` searches with: parameters found by a search
    and pasted here give the tuned model.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(50, 12)
        Units of each hidden layer.
    activation : {"identity", "logistic", "relu", "tanh"}, default="relu"
        Activation of the hidden layers.
    optimizer : str, default="sgd"
        One of "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw".
    learning_rate_init : float, default=0.1
        α₀, the learning rate at the start.
    decay : str, default="constant"
        How the rate decays; a key of `lrtune.training.schedules.DECAYS`.
    decay_rate : float, default=0
        k, how fast it decays, in 1/epoch for every decay type.
    step_size, power, patience : float, float, int, default=5, 2, 2
        Options of the decay types "step", "polynomial" and "plateau"; see `Schedule`.
    warmup_epochs, cycle_epochs, min_learning_rate, update
        Modifiers of the schedule; see `Schedule`.
    alpha : float, default=0
        L2 penalty on the weights, divided by the batch's rows when added to the loss.
    momentum : float, default=0.9
        Of "momentum" and "nesterov".
    rho : float, default=0.9
        Of "rmsprop".
    beta_1, beta_2 : float, default=0.9, 0.999
        Of "adam" and "adamw".
    epsilon : float, default=1e-8
        Of "adagrad", "rmsprop", "adam" and "adamw".
    weight_decay : float, default=0.01
        Decoupled weight decay of "adamw".
    weights_init : str, default="glorot_uniform"
        One of "glorot_normal", "glorot_uniform", "he_normal", "he_uniform".
    batch_size : int, default=32
        Rows per step.
    max_iter : int, default=20
        Epochs.
    shuffle : bool, default=True
        Visit the rows in a new order in every epoch.
    validation_fraction : float, default=0.1
        Share of the rows held out to watch the loss with ``decay="plateau"``.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the training.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, shuffling and the validation split.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    coefs_, intercepts_ : list of ndarray
        Weights ``(fan_in, fan_out)`` and biases ``(fan_out,)`` of each layer.
    loss_curve_ : list of float
        Mean training loss of each epoch, without the L2 term.
    validation_loss_curve_ : list of float
        Loss on the held-out rows at the end of each epoch; empty if none are held out.
    learning_rate_curve_ : list of float
        Rate at the first step of each epoch.
    n_iter_ : int
        Epochs trained.

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

    def _learn_target(self, y: Array) -> None:
        check_classification_targets(y)
        self.classes_ = np.unique(y)

    def _check(self, X: npt.ArrayLike, y: npt.ArrayLike, *, reset: bool) -> tuple[Array, Array]:
        X, y = super()._check(X, y, reset=reset)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(
                f"y must hold one label per row, but got shape {y.shape}: fit one classifier per "
                "column (sklearn.multioutput.MultiOutputClassifier)"
            )
        return X, y.ravel()

    def _encode_target(self, y: Array) -> Array:
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ValueError(
                f"y must hold classes seen in training, but got {np.unique(y[~known])[:5].tolist()}"
            )
        return np.eye(len(self.classes_), dtype=self.dtype)[np.searchsorted(self.classes_, y)]

    def score_outputs(self, outputs: Array, y: Array) -> Array:
        """Accuracy of K settings' probabilities ``(K, n, n_classes)``, shape (K,)."""
        return np.asarray((outputs.argmax(axis=-1) == y.argmax(axis=-1)).mean(axis=-1))

    def predict_proba(self, X: npt.ArrayLike) -> Array:
        """Class probabilities.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return self._outputs(X)

    def predict(self, X: npt.ArrayLike) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,)
        """
        probabilities = self._outputs(X)
        labels: Array = self.classes_[probabilities.argmax(axis=1)]
        return labels


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multilayer perceptron regressor with a learning-rate schedule.

    Minimises the squared error. The target is standardised inside (else the useful range of
    learning rates would depend on its unit); predictions and scores are in its own unit, losses
    in the standardised one, where 1 is the loss of predicting the mean.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(50, 12)
        Units of each hidden layer.
    activation, optimizer, learning_rate_init, decay, decay_rate, ... :
        As in `MLPClassifier`.

    Attributes
    ----------
    target_mean_, target_scale_ : ndarray of shape (n_outputs,)
        Mean and standard deviation of the training target.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of each layer; the last predicts the standardised target.
    loss_curve_, validation_loss_curve_, learning_rate_curve_, n_iter_
        As in `MLPClassifier`.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 200)[:, np.newaxis]
    >>> model = MLPRegressor(max_iter=60, random_state=0).fit(X, 1000 * X[:, 0] ** 2)
    >>> model.score(X, 1000 * X[:, 0] ** 2) > 0.9
    True
    """

    _loss = "squared_error"

    def _learn_target(self, y: Array) -> None:
        columns = y.reshape(len(y), -1)
        self._flat_target = y.ndim == 1
        self.target_mean_ = columns.mean(axis=0, dtype=np.float64)
        scale = columns.std(axis=0, dtype=np.float64)
        self.target_scale_ = np.where(scale > 0, scale, 1.0)

    def _encode_target(self, y: Array) -> Array:
        columns = y.reshape(len(y), -1)
        return np.asarray((columns - self.target_mean_) / self.target_scale_)

    @property
    def loss_unit(self) -> float:
        """Squared scale of a single target; 1 for several, which share no unit."""
        return float(self.target_scale_[0] ** 2) if len(self.target_scale_) == 1 else 1.0

    def score_outputs(self, outputs: Array, y: Array) -> Array:
        """R², mean over the outputs, of K settings' predictions ``(K, n, m)``, shape (K,)."""
        residual = ((outputs - y) ** 2).sum(axis=1, dtype=np.float64)
        spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0, dtype=np.float64)
        # as in scikit-learn, a constant target scores 1 if predicted exactly, else 0
        r2 = np.where(spread > 0, 1 - residual / np.where(spread > 0, spread, 1), residual == 0)
        return np.asarray(r2.mean(axis=-1))

    def predict(self, X: npt.ArrayLike) -> Array:
        """Predicted target, in its own unit.

        Parameters
        ----------
        X : array_like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_outputs)
        """
        predicted = self._outputs(X) * self.target_scale_ + self.target_mean_
        return np.asarray(predicted[:, 0] if self._flat_target else predicted)
