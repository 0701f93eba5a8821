"""scikit-learn's own checks of its contract, on the search in several configurations."""

from functools import partial

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lrtune import LearningRateSearchCV, MLPClassifier, MLPRegressor

Search = partial(LearningRateSearchCV, n_trials=8, cv=2, random_state=0)
Classifier, Regressor = partial(MLPClassifier, max_iter=8), partial(MLPRegressor, max_iter=8)

SEARCHES = [
    Search(Classifier()),
    Search(Classifier(optimizer="adam", dtype="float32"), scoring="accuracy", confirm=False),
    Search(make_pipeline(StandardScaler(), Regressor(max_iter=4))),
]
BELOW_ROUNDING = {"check_methods_sample_order_invariance"}


@pytest.mark.slow
@parametrize_with_checks(
    [Search(make_pipeline(StandardScaler(), Classifier(max_iter=2)), confirm=False)]
)
def test_a_short_search_keeps_scikit_learns_contract(
    estimator: LearningRateSearchCV, check: "partial[None]"
) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(SEARCHES)
def test_the_search_keeps_scikit_learns_contract(
    estimator: LearningRateSearchCV, check: "partial[None]", request: pytest.FixtureRequest
) -> None:
    rounds = getattr(estimator.estimator, "dtype", None) == "float32"
    if rounds and check.func.__name__ in BELOW_ROUNDING:
        # not strict: whether sums in another order round alike depends on the processor's BLAS
        reason = "compares to within 1e-9, below float32's rounding"
        mark = pytest.mark.xfail(raises=AssertionError, strict=False, reason=reason)
        request.applymarker(mark)
    check(estimator)
