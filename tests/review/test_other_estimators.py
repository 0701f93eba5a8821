"""Studies of estimators other than lrtune's networks: shown, reported and exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, write_report
from tests.iris import X, Y

MODELS = {
    "accuracy": SGDClassifier(loss="log_loss", max_iter=3),
    "R²": SGDRegressor(loss="huber", max_iter=3),
}


@pytest.mark.parametrize(
    ("score", "confirm"),
    [
        ("accuracy", False),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [("R²", False), ("accuracy", True), ("R²", True)]
        ),
    ],
)
def test_it_is_shown_reported_and_exported(
    lrtune: Callable[..., Any], folder: Path, score: str, confirm: bool
) -> None:
    search = LearningRateSearchCV(
        make_pipeline(StandardScaler(), MODELS[score]),
        n_trials=4,
        cv=2,
        confirm=confirm,
        storage="a.journal",
        study_name="other",
        random_state=0,
    ).fit(X, Y)
    study = ("other", "--storage", "a.journal")
    shown, torch = lrtune("show", *study), lrtune("export", *study, "--to", "torch")
    sklearn = lrtune("export", *study, "--to", "sklearn")
    write_report(search.result_, "page.html")
    page = Path("page.html").read_text(encoding="utf-8")
    name = type(MODELS[score]).__name__

    assert (shown.code, torch.code, sklearn.code) == (0, 0, 2)
    assert score in shown.out
    assert "lrtune.Schedule(learning_rate_init=" in shown.out
    assert "squared error" not in shown.out
    assert "make_scheduler" in torch.out
    for words in (name, "lrtune's networks", "best_estimator_"):
        assert words in sklearn.err
    assert name in page
    assert "hidden_layer_sizes" not in page


@pytest.mark.slow
def test_the_untuned_rate_of_another_estimator_is_shown(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    LearningRateSearchCV(
        make_pipeline(StandardScaler(), Perceptron(max_iter=2, eta0=0.25)),
        n_trials=4,
        cv=2,
        storage="a.journal",
        study_name="other",
        random_state=0,
    ).fit(X, Y)
    shown = lrtune("show", "other", "--storage", "a.journal")

    assert shown.code == 0, shown.err
    assert "at 0.25" in shown.out
