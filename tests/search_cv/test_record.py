"""`LearningRateSearchCV` with a storage: studies that are gone on with, and those that are not."""

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.blocks import Explorer
from tests.iris import X, Y


def pipeline(**options: Any) -> Any:
    return make_pipeline(StandardScaler(), MLPClassifier(**({"max_iter": 4} | options)))


def search(**options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "confirm": False, "random_state": 0}
    return LearningRateSearchCV(options.pop("estimator", pipeline()), **(small | options))


recorded = partial(search, storage="record.journal", study_name="study")


def told(searched: LearningRateSearchCV) -> dict[str, Any]:
    """What does not depend on the clock."""
    columns = {name: list(column) for name, column in searched.cv_results_.items()}
    return {name: str(column) for name, column in columns.items() if "time" not in name}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many settings each block trained."""
    sizes: list[int] = []
    train = Explorer._train

    def counted(explorer: Any, asked: Any, *more: Any) -> Any:
        sizes.append(len(asked))
        return train(explorer, asked, *more)

    monkeypatch.setattr(Explorer, "_train", counted)
    return sizes


@pytest.mark.parametrize(
    ("storage", "scoring"),
    [
        ("record.journal", None),
        pytest.param("sqlite:///record.db", "accuracy", marks=pytest.mark.slow),
    ],
)
def test_a_study_is_gone_on_with_and_ends_as_an_uninterrupted_one_would(
    folder: Path, trained: list[int], storage: str, scoring: Any
) -> None:
    kept = partial(search, storage=storage, study_name="study", scoring=scoring, confirm=True)
    kept(n_trials=12).fit(X, Y)
    resumed = kept(n_trials=24).fit(X, Y)
    sizes = list(trained)
    again = kept(n_trials=24).fit(X, Y)
    whole = search(n_trials=24, scoring=scoring, confirm=True).fit(X, Y)

    assert sizes == [8, 4, 4, 8]
    assert told(whole) == told(resumed) == told(again)
    assert whole.best_params_ == resumed.best_params_
    assert np.array_equal(whole.predict_proba(X), again.predict_proba(X))
    assert len(resumed.study_.trials) == 24


def test_a_search_that_was_interrupted_keeps_its_finished_blocks(
    folder: Path, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Explorer._train

    def interrupted(*args: Any) -> Any:
        if trained:
            raise KeyboardInterrupt
        return train(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Explorer, "_train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recorded(n_trials=32).fit(X, Y)
    searched = recorded(n_trials=32).fit(X, Y)

    assert trained == [8] * 4
    assert told(search(n_trials=32).fit(X, Y)) == told(searched)


def test_a_study_that_has_more_trials_shows_them_all(folder: Path, trained: list[int]) -> None:
    recorded(n_trials=32).fit(X, Y)
    searched = recorded(n_trials=16).fit(X, Y)

    assert trained == [8] * 4
    assert len(searched.cv_results_["params"]) == len(searched.study_.trials) == 32


@pytest.mark.parametrize(
    "storage",
    ["record.journal", pytest.param("sqlite:///record.db", marks=pytest.mark.slow)],
)
def test_without_a_name_every_fit_starts_a_study(folder: Path, storage: str) -> None:
    studies = [search(n_trials=4, storage=storage).fit(X, Y).result_.study for _ in range(2)]

    assert studies == ["lrtune", "lrtune-2"]


@pytest.mark.slow
def test_the_study_can_be_read_with_optuna(folder: Path) -> None:
    searched = search(n_trials=8, storage="sqlite:///record.db", study_name="study").fit(X, Y)
    study = optuna.load_study(study_name="study", storage="sqlite:///record.db")

    assert study.best_params == searched.study_.best_params
    assert [trial.value for trial in study.trials] == [t.value for t in searched.study_.trials]
    assert (searched.result_.study, searched.result_.storage) == ("study", "sqlite:///record.db")


def weights(low: float) -> dict[str, Any]:
    return {"mlpclassifier__sample_weight": np.linspace(low, 1, 150)}


def by_count(estimator: Any, X: Any, y: Any) -> float:
    return float(accuracy_score(y, estimator.predict(X), normalize=False))


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ({}, {"X": X + 1}, "data="),
        pytest.param({}, {"y": Y[::-1]}, "data=", marks=pytest.mark.slow),
        pytest.param({}, {"params": weights(0.1)}, "data=", marks=pytest.mark.slow),
        pytest.param(
            {"params": weights(0.1)}, {"params": weights(0.2)}, "data=", marks=pytest.mark.slow
        ),
        ({}, {"random_state": 1}, "seed=0.*seed=1"),
        ({}, {"cv": KFold(2, shuffle=True, random_state=0)}, "splits="),
        ({}, {"cv": 3}, "replicates=2.*replicates=3"),
        ({}, {"space": {"decay": ["cosine"]}}, r"decay=.*\('cosine',\)"),
        pytest.param(
            {"space": {"alpha": (0.1, 0.2)}},
            {"space": {"alpha": (0.1, 0.3)}},
            "alpha=",
            marks=pytest.mark.slow,
        ),
        ({}, {"estimator": pipeline(max_iter=5)}, "max_iter=4.*max_iter=5"),
        ({}, {"scoring": "accuracy"}, "scoring=None.*'accuracy'"),
        pytest.param(
            {"scoring": "accuracy"},
            {"scoring": "f1_macro"},
            "scoring='accuracy'.*'f1_macro'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"scoring": by_count},
            {"scoring": "accuracy"},
            "scoring='by_count .*'accuracy'",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"scoring": make_scorer(f1_score, average="micro")},
            {"scoring": make_scorer(f1_score, average="macro")},
            "average=macro",
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_study_of_something_else_is_refused_by_name(
    folder: Path, first: dict[str, Any], second: dict[str, Any], word: str
) -> None:
    def run(changes: dict[str, Any]) -> LearningRateSearchCV:
        fit = {"X": X, "y": Y, "params": {}}
        options = {key: value for key, value in changes.items() if key not in fit}
        fit |= {key: value for key, value in changes.items() if key in fit}
        return recorded(n_trials=4, **options).fit(fit["X"], fit["y"], **fit["params"])

    run(first)
    before = Path("record.journal").read_bytes()
    with pytest.raises(InvalidInputError, match=word):
        run(second)

    assert before == Path("record.journal").read_bytes()
    assert len(run(first).study_.trials) == 4


def test_a_study_with_its_optimizers_usual_rate_given_or_not_is_the_same(folder: Path) -> None:
    given = pipeline(learning_rate_init=0.1)  # as release 0.1.0 recorded the default
    first = recorded(n_trials=4, estimator=given).fit(X, Y)
    resumed = recorded(n_trials=4).fit(X, Y)

    assert told(resumed) == told(first)
    with pytest.raises(InvalidInputError, match=r"init=0\.1`, and now .*init=0\.001`"):
        recorded(n_trials=4, estimator=pipeline(learning_rate_init=0.001)).fit(X, Y)


def logarithm() -> Any:
    """A function of the same name and another address every time."""

    def log(X: Any) -> Any:
        return np.log1p(X)

    return FunctionTransformer(log)


def test_functions_are_known_again_by_their_names(folder: Path, trained: list[int]) -> None:
    for n_trials in (16, 20):
        estimator = make_pipeline(logarithm(), StandardScaler(), MLPClassifier(max_iter=4))
        recorded(estimator=estimator, n_trials=n_trials).fit(X, Y)

    assert trained == [8, 8, 4]


def test_a_storage_may_be_a_path(folder: Path) -> None:
    recorded(n_trials=4, storage=folder / "kept.journal").fit(X, Y)

    assert (folder / "kept.journal").is_file()


def test_a_study_lends_its_seed_to_a_search_without_one(folder: Path) -> None:
    first = recorded(random_state=None).fit(X, Y)
    longer = recorded(random_state=None, n_trials=20).fit(X, Y)

    assert longer.cv_results_["params"][:16] == first.cv_results_["params"]


def test_another_function_of_the_same_name_is_another_metric(folder: Path) -> None:
    recorded(n_trials=4, scoring=lambda fitted, X, y: fitted.score(X, y)).fit(X, Y)
    with pytest.raises(InvalidInputError, match="scoring="):
        recorded(n_trials=4, scoring=lambda fitted, X, y: -fitted.score(X, y)).fit(X, Y)


def test_a_pickled_search_needs_no_file_where_it_is_loaded(folder: Path) -> None:
    searched = recorded(n_trials=4, confirm=True).fit(X, Y)
    kept = pickle.dumps(searched)
    Path("record.journal").unlink()

    assert np.array_equal(pickle.loads(kept).predict(X), searched.predict(X))  # noqa: S301
