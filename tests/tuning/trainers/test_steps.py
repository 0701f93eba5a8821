"""Steps of a pipeline: samplers resample training rows alone, as in imbalanced-learn's own."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import InvalidInputError

imblearn = pytest.importorskip("imblearn")
from imblearn.over_sampling import SMOTE, RandomOverSampler  # noqa: E402
from imblearn.pipeline import make_pipeline  # noqa: E402
from imblearn.under_sampling import RandomUnderSampler  # noqa: E402

from lrtune.tuning.trainers.steps import fit_steps, samplers, transform  # noqa: E402

X, Y = make_classification(200, 6, weights=[0.85], random_state=0)
SPLITS = list(StratifiedKFold(2).split(X, Y))
NETWORK = MLPClassifier((8,), max_iter=4)
STEPS = {
    "sampler last": (StandardScaler(), RandomOverSampler(random_state=0)),
    "sampler first": (RandomUnderSampler(random_state=0), StandardScaler()),
    "sampler alone": (SMOTE(random_state=0, k_neighbors=3),),
    "two samplers": (
        SMOTE(random_state=0, k_neighbors=3),
        "passthrough",
        PCA(4),
        RandomUnderSampler(random_state=0),
    ),
}


def search(model: Any, **options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 8, "cv": SPLITS, "confirm": False, "random_state": 0}
    return LearningRateSearchCV(model, **(small | options))


@pytest.mark.parametrize("steps", STEPS)
def test_a_splits_score_is_that_of_the_pipeline_fitted_on_its_training_rows(steps: str) -> None:
    pipeline = make_pipeline(*STEPS[steps], NETWORK)
    searched = search(pipeline).fit(X, Y)
    seeds = np.random.SeedSequence(0).spawn(2)
    for split, ((train, test), seed) in enumerate(zip(SPLITS, seeds, strict=True)):
        fitted = clone(pipeline).set_params(**searched.best_params_)
        fitted[-1].random_state = int(seed.generate_state(1)[0])
        fitted.fit(X[train], Y[train])
        score = -log_loss(Y[test], fitted.predict_proba(X[test]))

        assert searched.cv_results_[f"split{split}_test_score"][searched.best_index_] == (
            pytest.approx(score, rel=1e-9)
        )
    assert searched.predict(X).shape == Y.shape
    assert searched.score(X, Y) > 0.5


@pytest.mark.parametrize("model", [NETWORK, SGDClassifier(max_iter=3)])
@pytest.mark.parametrize("scoring", [None, "balanced_accuracy"])
def test_samplers_without_a_seed_get_one(model: Any, scoring: Any) -> None:
    pipeline = make_pipeline(RandomOverSampler(), StandardScaler(), model)
    one, two = (search(pipeline, scoring=scoring, confirm=True).fit(X, Y) for _ in range(2))

    assert one.result_.confirmed_loss == two.result_.confirmed_loss
    scores, again = (each.cv_results_["mean_test_score"] for each in (one, two))
    assert np.array_equal(scores, again, equal_nan=True)
    assert np.array_equal(one.predict(X), two.predict(X))
    assert pipeline[0].random_state is None


def test_the_model_sees_resampled_rows_and_validation_rows_are_kept() -> None:
    steps = make_pipeline(StandardScaler(), RandomOverSampler(random_state=0))
    fitted, rows, target = fit_steps(steps, X, Y, 0)

    assert samplers(fitted) == ["RandomOverSampler"]
    assert np.bincount(target).tolist() == [np.bincount(Y).max()] * 2
    assert len(rows) == len(target)
    assert transform(fitted, X) == pytest.approx(StandardScaler().fit_transform(X))


@pytest.mark.parametrize("model", [NETWORK, SGDClassifier(max_iter=3)])
def test_weights_are_refused_with_a_sampler(model: Any) -> None:
    pipeline = make_pipeline(StandardScaler(), RandomOverSampler(), model)
    weight = {f"{pipeline.steps[-1][0]}__sample_weight": np.ones(len(Y))}

    with pytest.raises(InvalidInputError, match=r"with RandomOverSampler.*give class_weight"):
        search(pipeline).fit(X, Y, **weight)


def test_a_sampler_in_a_pipeline_of_scikit_learn_is_refused() -> None:
    steps = [("balance", RandomOverSampler()), ("network", NETWORK)]

    with pytest.raises(InvalidInputError, match=r"RandomOverSampler.*imblearn\.pipeline"):
        search(Pipeline(steps)).fit(X, Y)
