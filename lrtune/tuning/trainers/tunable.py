"""The estimators whose `partial_fit` can be tuned: how each is told its rate and gives its loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier

from lrtune.exceptions import InvalidInputError
from lrtune.support.numbers import as_float
from lrtune.tuning.trainers.estimator_losses import (
    Loss,
    linear_loss,
    linear_loss_name,
    log_loss,
    network_loss,
    squared_error,
)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tunable:
    """Access to the rate and the loss of a kind of estimator.

    Attributes
    ----------
    rate : str or callable
        Parameter that is the rate, or a function of the estimator and the rate that sets it, before
        the first call of `partial_fit`, too.
    loss : callable
        Function of the fitted estimator, X, y and weights, called at the end of each epoch.
    loss_name : callable
        Function of the estimator that returns the name of its loss.
    epochs : str
        Parameter that is the number of epochs.
    fixed : mapping
        Parameters that are set for all trainings.
    refusals : callable
        Function of the estimator that yields rules that it breaks, with the value and the cure.
    default_rate : callable
        Function of the estimator that returns the untuned rate; None if it has none.
    """

    rate: str | Callable[[Any, float], object]
    loss: Loss
    loss_name: Callable[[Any], str]
    epochs: str = "max_iter"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    refusals: Callable[[Any], Iterator[str]] = lambda _: iter(())
    default_rate: Callable[[Any], float | None] = lambda _: None

    def set_rate(self, estimator: Any, rate: float) -> None:
        """Set the rate of the coming steps.

        Estimators refuse a rate of 0, where a schedule may end: theirs is then the smallest number.
        """
        rate = max(rate, float(np.finfo(np.float64).tiny))
        if not isinstance(self.rate, str):
            self.rate(estimator, rate)
        elif "__" in self.rate:
            estimator.set_params(**{self.rate: rate})
        else:  # as set_params does, without its search for names
            setattr(estimator, self.rate, rate)


# --- scikit-learn and skorch ----------------------------------------------------------------------


def _set_rate_of_mlp(mlp: Any, rate: float) -> None:
    mlp.learning_rate_init = rate
    if hasattr(mlp, "_optimizer"):
        mlp._optimizer.learning_rate = rate  # of SGD
        mlp._optimizer.learning_rate_init = rate  # of Adam, which derives its rate from it


def _constant_rate(parameter: str) -> Callable[[Any], float | None]:
    def default_rate(estimator: Any) -> float | None:
        kind = getattr(estimator, "learning_rate", "constant")
        return float(getattr(estimator, parameter)) if kind == "constant" else None

    return default_rate


def _rate_of_net(net: Any) -> float:
    return float(net.get_params(deep=False).get("optimizer__lr", net.lr))


def _refuse_own_schedule(estimator: Any) -> Iterator[str]:
    default = inspect.signature(type(estimator)).parameters["learning_rate"].default
    if estimator.learning_rate not in ("constant", default):
        yield (
            f"must leave its rate to the schedule, but got learning_rate="
            f"{estimator.learning_rate!r}: leave it out"
        )


def _refuse_early_stopping(estimator: Any) -> Iterator[str]:
    if estimator.early_stopping:
        yield (
            "must train for a fixed number of epochs, as a schedule is judged at its last one, but "
            "got early_stopping=True: leave it out"
        )


def _refuse_linear(estimator: Any) -> Iterator[str]:
    yield from _refuse_early_stopping(estimator)
    if hasattr(type(estimator), "learning_rate") or "learning_rate" in estimator.get_params():
        yield from _refuse_own_schedule(estimator)
    if getattr(estimator, "average", False):
        yield (
            f"must end with its last weights, which the schedule leads to, but got average="
            f"{estimator.average!r}: leave it out"
        )
    if getattr(estimator, "class_weight", None) == "balanced":
        yield (
            "must know its class weights before it sees the rows, but got class_weight='balanced': "
            "give a dict of weights (sklearn.utils.class_weight.compute_class_weight)"
        )


def _refuse_mlp(estimator: Any) -> Iterator[str]:
    if estimator.solver not in ("sgd", "adam"):
        yield (
            f"must train step by step, but got solver={estimator.solver!r}, which has no learning "
            "rate: set solver='sgd' or 'adam'"
        )
    yield from _refuse_early_stopping(estimator)
    yield from _refuse_own_schedule(estimator)


def _refuse_net(net: Any) -> Iterator[str]:
    callbacks = [each[1] if isinstance(each, tuple) else each for each in net.callbacks or ()]
    for callback in callbacks:
        kind = callback if isinstance(callback, type) else type(callback)
        if kind.__name__ in ("LRScheduler", "EarlyStopping"):
            yield (
                f"must train by the searched schedule to its last epoch, but got the callback "
                f"{kind.__name__}: leave it out"
            )


_linear = {
    "rate": "eta0",
    "loss": linear_loss,
    "loss_name": linear_loss_name,
    "refusals": _refuse_linear,
    "default_rate": _constant_rate("eta0"),
}
_sgd = Tunable(**_linear, fixed={"learning_rate": "constant", "verbose": 0})  # type: ignore[arg-type]
_mlp = {
    "rate": _set_rate_of_mlp,
    "fixed": {"learning_rate": "constant", "verbose": False},
    "refusals": _refuse_mlp,
    "default_rate": _constant_rate("learning_rate_init"),
}

TUNABLES: dict[str, Tunable] = {
    "sklearn.linear_model._stochastic_gradient.SGDClassifier": _sgd,
    "sklearn.linear_model._stochastic_gradient.SGDRegressor": _sgd,
    "sklearn.linear_model._perceptron.Perceptron": Tunable(**_linear, fixed={"verbose": 0}),  # type: ignore[arg-type]
    "sklearn.neural_network._multilayer_perceptron.MLPClassifier": Tunable(
        loss=log_loss,
        loss_name=lambda _: "log_loss",
        **_mlp,  # type: ignore[arg-type]
    ),
    "sklearn.neural_network._multilayer_perceptron.MLPRegressor": Tunable(
        loss=squared_error,
        loss_name=lambda _: "squared_error",
        **_mlp,  # type: ignore[arg-type]
    ),
    "skorch.net.NeuralNet": Tunable(
        rate="optimizer__lr",
        loss=network_loss,
        loss_name=lambda net: getattr(net.criterion, "__name__", "loss"),
        epochs="max_epochs",
        fixed={"max_epochs": 1, "train_split": None, "verbose": 0},
        refusals=_refuse_net,
        default_rate=_rate_of_net,
    ),
}
"""By the class's full name, which needs no import; subclasses are found by their bases."""


def register_estimator(
    cls: type,
    *,
    set_rate: str | Callable[[Any, float], object],
    loss: Loss | None = None,
    epochs: str = "max_iter",
) -> None:
    """Let `LearningRateSearchCV` tune a class of estimators that have `partial_fit`.

    scikit-learn's SGDClassifier, SGDRegressor, Perceptron, MLPClassifier and MLPRegressor, and
    skorch's nets, need no registration.

    Parameters
    ----------
    cls : type
        The class; its subclasses are tuned alike. ``partial_fit(X, y)`` trains one epoch on the
        rows that it is given; a classifier's takes ``classes``, too, at the first call.
    set_rate : str or callable
        Name of the parameter that is the rate, or a function ``set_rate(estimator, rate)``. It is
        called before every call of `partial_fit`, so before the first one, too.
    loss : callable, optional
        Function ``loss(estimator, X, y, sample_weight)`` that returns the validation loss, a
        number; `sample_weight` is None if fit got none. By default the log loss of `predict_proba`
        for a classifier, and the squared error of `predict` for other estimators.
    epochs : str, default="max_iter"
        Name of the parameter that is the number of epochs.

    Raises
    ------
    InvalidInputError
        If the class has no `partial_fit`, or an argument is of the wrong kind.

    See Also
    --------
    LearningRateSearchCV : The search.

    Examples
    --------
    >>> import numpy as np, lrtune
    >>> from sklearn.base import BaseEstimator, RegressorMixin
    >>> class LeastSquares(RegressorMixin, BaseEstimator):
    ...     def __init__(self, rate=0.1, epochs=5):
    ...         self.rate, self.epochs = rate, epochs
    ...     def partial_fit(self, X, y):
    ...         self.coef_ = getattr(self, "coef_", np.zeros(X.shape[1]))
    ...         self.coef_ = self.coef_ + self.rate * (y - X @ self.coef_) @ X / len(X)
    ...         return self
    ...     def fit(self, X, y):
    ...         return [self.partial_fit(X, y) for _ in range(self.epochs)][-1]
    ...     def predict(self, X):
    ...         return X @ self.coef_
    >>> lrtune.register_estimator(LeastSquares, set_rate="rate", epochs="epochs")
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> search = lrtune.LearningRateSearchCV(LeastSquares(), n_trials=16, random_state=0)
    >>> search.fit(X, X @ [1.0, 2.0, 3.0]).best_estimator_.coef_.round()
    array([1., 2., 3.])
    """
    if not isinstance(cls, type):
        raise InvalidInputError(f"`cls` must be a class, but got {cls!r}: pass its type")
    if not callable(getattr(cls, "partial_fit", None)):
        raise InvalidInputError(
            f"`cls` must have `partial_fit`, but got {_name(cls)}: add it, or search its training "
            "by lrtune.search"
        )
    if not isinstance(set_rate, str) and not callable(set_rate):
        raise InvalidInputError(
            "`set_rate` must be a parameter's name or a function of the estimator and the rate, "
            f"but got {set_rate!r}"
        )
    if loss is not None and not callable(loss):
        raise InvalidInputError(
            "`loss` must be a function of the estimator, X, y and sample_weight, but got "
            f"{loss!r}: leave it out for the log loss or the squared error"
        )

    def default_rate(estimator: Any) -> float | None:
        if not isinstance(set_rate, str):
            return None
        rate = estimator.get_params().get(set_rate, getattr(estimator, set_rate, None))
        return as_float(rate)  # None or "auto" is no number

    def loss_name(estimator: Any) -> str:
        if loss is None:
            return "log_loss" if is_classifier(estimator) else "squared_error"
        return str(getattr(loss, "__name__", "loss"))

    TUNABLES[_name(cls)] = Tunable(
        rate=set_rate,
        loss=_usual_loss if loss is None else loss,
        loss_name=loss_name,
        epochs=epochs,
        default_rate=default_rate,
    )


def _usual_loss(estimator: Any, X: Any, y: Any, sample_weight: Array | None) -> float:
    usual = log_loss if is_classifier(estimator) else squared_error
    return usual(estimator, X, y, sample_weight)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def require_tunable(estimator: Any) -> tuple[Tunable, int]:
    """Return how an estimator is tuned, and its epochs.

    Raises
    ------
    InvalidInputError
        If it has no `partial_fit`, is of no kind that is known, or has parameters that do not go
        with a schedule.
    """
    kind = type(estimator)
    known = [TUNABLES[_name(base)] for base in kind.__mro__ if _name(base) in TUNABLES]
    if not known:
        if not callable(getattr(estimator, "partial_fit", None)):
            raise InvalidInputError(
                "`estimator` must be, or be a Pipeline that ends in, lrtune's MLPClassifier or "
                "MLPRegressor, or one that trains by `partial_fit`, such as SGDClassifier, "
                f"MLPClassifier or a skorch net, but got {_name(kind)}: tune one of these"
            )
        raise InvalidInputError(
            f"`estimator` must be of a class whose learning rate can be set, but got "
            f"{_name(kind)}: if it has one, say how it is set by lrtune.register_estimator"
        )
    tunable = known[0]
    for refusal in tunable.refusals(estimator):
        raise InvalidInputError(f"`estimator` {refusal}")
    epochs = getattr(estimator, tunable.epochs, None)
    if isinstance(epochs, bool) or not isinstance(epochs, Integral) or epochs < 1:
        raise InvalidInputError(
            f"`estimator` must have `{tunable.epochs}`, its epochs, a whole number of at least 1, "
            f"but got {epochs!r}: set it"
        )
    return tunable, int(epochs)


def accepts(estimator: Any, name: str) -> bool:
    """Return whether `partial_fit` has a parameter of this name."""
    return name in inspect.signature(estimator.partial_fit).parameters
