"""`LearningRateSearchCV`: the search as a scikit-learn meta-estimator."""
