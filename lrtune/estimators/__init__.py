"""scikit-learn estimators over a population of one network."""

from lrtune.estimators.mlp import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
