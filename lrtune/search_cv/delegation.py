"""Methods that a search delegates to its best estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from lrtune.support.typed_sklearn import available_if

Array = npt.NDArray[Any]


def _best_has(method: str) -> Callable[[Any], bool]:
    """Return a check for ``available_if`` that the best estimator has a method."""

    def check(search: Refitted) -> bool:
        if not search.refit:
            raise AttributeError(
                f"{method} needs a refitted estimator, but this search has `refit=False`: set "
                "`refit=True`, or fit an estimator with best_params_"
            )
        getattr(getattr(search, "best_estimator_", search.estimator), method)
        return True

    return check


class Refitted:
    """Mixin that delegates to `best_estimator_`."""

    estimator: Any
    refit: Any
    best_estimator_: Any
    scorer_: Any

    @property
    def classes_(self) -> Array:
        """Return the class labels of `best_estimator_`."""
        _best_has("classes_")(self)
        classes: Array = self.best_estimator_.classes_
        return classes

    @property
    def feature_names_in_(self) -> Array:
        """Return the column names of `best_estimator_`."""
        names: Array = self.best_estimator_.feature_names_in_
        return names

    @property
    def n_features_in_(self) -> int:
        """Return the number of columns of `best_estimator_`."""
        return int(self.best_estimator_.n_features_in_)

    @available_if(_best_has("predict"))
    def predict(self, X: Any) -> Array:
        """Return the predictions of the best estimator."""
        check_is_fitted(self)
        predicted: Array = self.best_estimator_.predict(X)
        return predicted

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X: Any) -> Array:
        """Return class probabilities of the best estimator."""
        check_is_fitted(self)
        probabilities: Array = self.best_estimator_.predict_proba(X)
        return probabilities

    @available_if(_best_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of class probabilities of the best estimator."""
        check_is_fitted(self)
        logarithms: Array = self.best_estimator_.predict_log_proba(X)
        return logarithms

    @available_if(_best_has("decision_function"))
    def decision_function(self, X: Any) -> Array:
        """Return the decision function of the best estimator."""
        check_is_fitted(self)
        decisions: Array = self.best_estimator_.decision_function(X)
        return decisions

    @available_if(_best_has("score"))
    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the best estimator's score by `scoring`, or by its own score method.

        `params` go to the scorer, such as ``sample_weight``.
        """
        check_is_fitted(self)
        scorer = self.scorer_[self.refit] if isinstance(self.scorer_, dict) else self.scorer_
        scores = scorer(self.best_estimator_, X, y, **params)
        return float(scores[self.refit] if isinstance(scores, Mapping) else scores)
