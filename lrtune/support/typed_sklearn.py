"""scikit-learn's base classes and decorators, whose types the stub beside this file declares.

scikit-learn has no types of its own: what derives from its classes, or goes through its decorators,
would be `Any`, and a misspelt name would pass.
"""

from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
)
from sklearn.utils.metaestimators import available_if

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9 has no callbacks

    class CallbackSupportMixin:
        """Stand-in without methods."""


__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "MetaEstimatorMixin",
    "RegressorMixin",
    "available_if",
    "fit_context",
]

fit_context = _fit_context
