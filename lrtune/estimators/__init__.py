"""scikit-learn estimators: a population of one setting."""

from lrtune.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
