"""Fits with scikit-learn's callbacks: progress, scores and early stops, also in pipelines."""

# ruff: noqa: ARG002

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import DivergenceWarning

NETWORKS = [MLPClassifier, MLPRegressor]
HAVE_CALLBACKS = hasattr(MLPClassifier, "set_callbacks")
with_callbacks = pytest.mark.skipif(not HAVE_CALLBACKS, reason="needs scikit-learn 1.9")


@pytest.fixture(scope="module")
def callback() -> Any:
    return pytest.importorskip("sklearn.callback")


class Diary:
    """Record all calls, and ask to stop after some epochs."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.stop_after = stop_after
        self.calls: list[str] = []
        self.predictions: list[Any] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self.calls.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.calls.append(f"{context.task_name} begins")

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any, fitted_estimator: Any
    ) -> bool:
        self.calls.append(f"{context.task_name} ends")
        if hasattr(fitted_estimator, "predict"):
            self.predictions.append(fitted_estimator.predict(X))
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after


class PropagatedDiary(Diary):
    """A diary that a pipeline passes on to its steps."""

    max_propagation_depth = None


@with_callbacks
@pytest.mark.parametrize("network", NETWORKS)
def test_progress_is_shown(
    iris: tuple[Any, Any], callback: Any, network: type[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    network(random_state=0).set_callbacks(callback.ProgressBar()).fit(*iris)
    out = capsys.readouterr().out

    assert f"{network.__name__} - fit" in out
    assert "100%" in out


@with_callbacks
def test_progress_is_shown_through_a_pipeline(
    iris: tuple[Any, Any], callback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    pipeline.set_callbacks(callback.ProgressBar()).fit(*iris)

    assert pipeline[-1].n_iter_ == 20
    assert "MLPClassifier" in capsys.readouterr().out


@with_callbacks
@pytest.mark.parametrize("network", NETWORKS)
def test_scores_are_those_of_shorter_fits(
    iris: tuple[Any, Any], callback: Any, network: type[Any]
) -> None:
    scoring = "accuracy" if network is MLPClassifier else "r2"
    monitor = callback.ScoringMonitor(scoring=scoring)
    network(max_iter=6, random_state=0).set_callbacks(monitor).fit(*iris)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]

    assert [row[scoring] for row in rows] == [
        network(max_iter=epochs, random_state=0).fit(*iris).score(*iris) for epochs in range(1, 7)
    ]


@with_callbacks
def test_scores_are_weighted_as_the_rows_are(iris: tuple[Any, Any], callback: Any) -> None:
    monitor = callback.ScoringMonitor(scoring="accuracy")
    weight = np.where(iris[1] == 2, 5.0, 1.0)
    model = MLPClassifier(max_iter=4, random_state=0).set_callbacks(monitor)
    model.fit(*iris, sample_weight=weight)

    assert monitor.get_logs().data[-1]["accuracy"] == model.score(*iris, sample_weight=weight)
    assert monitor.get_logs().data[-1]["accuracy"] != model.score(*iris)


@with_callbacks
@pytest.mark.parametrize("network", NETWORKS)
def test_a_callback_stops_the_fit(iris: tuple[Any, Any], network: type[Any]) -> None:
    diary = Diary(stop_after=3)
    model = network(random_state=0, tol=0.0).set_callbacks(diary).fit(*iris)
    shorter = network(max_iter=3, random_state=0).fit(*iris)

    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert np.array_equal(model.predict(iris[0]), shorter.predict(iris[0]))
    assert diary.calls == [
        "setup", "fit begins", *["epoch begins", "epoch ends"] * 3, "fit ends", "teardown"
    ]  # fmt: skip


@with_callbacks
def test_a_callback_stops_the_fit_in_a_pipeline(iris: tuple[Any, Any]) -> None:
    own, handed_down = Diary(stop_after=3), PropagatedDiary(stop_after=3)
    first = make_pipeline(StandardScaler(), MLPClassifier(random_state=0).set_callbacks(own))
    second = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    first.fit(*iris)
    second.set_callbacks(handed_down).fit(*iris)

    assert first[-1].n_iter_ == second[-1].n_iter_ == 3
    assert np.array_equal(first.predict_proba(iris[0]), second.predict_proba(iris[0]))
    assert handed_down.calls.count("epoch ends") == 3


@with_callbacks
@pytest.mark.parametrize("network", NETWORKS)
def test_callbacks_see_a_model_that_predicts(iris: tuple[Any, Any], network: type[Any]) -> None:
    diary = Diary()
    model = network(max_iter=5, random_state=0).set_callbacks(diary).fit(*iris)

    assert len(diary.predictions) == 6
    assert np.array_equal(diary.predictions[-1], model.predict(iris[0]))
    assert not np.array_equal(diary.predictions[0], diary.predictions[-1])


@with_callbacks
def test_at_the_end_callbacks_see_the_best_weights(iris: tuple[Any, Any]) -> None:
    diary = Diary()
    model = MLPRegressor(
        learning_rate_init=0.3, early_stopping=True, n_iter_no_change=5, max_iter=200,
        random_state=0,
    ).set_callbacks(diary).fit(*iris)  # fmt: skip

    assert np.array_equal(diary.predictions[-1], model.predict(iris[0]))
    assert not np.array_equal(diary.predictions[-2], model.predict(iris[0]))


@with_callbacks
@pytest.mark.parametrize("batch_size", [32, 150])
@pytest.mark.parametrize("network", NETWORKS)
def test_callbacks_of_a_diverging_fit(
    iris: tuple[Any, Any], network: type[Any], batch_size: int
) -> None:
    diary = Diary()
    model = network(
        learning_rate_init=1e30, batch_size=batch_size, dtype="float32", random_state=0
    ).set_callbacks(diary)
    with pytest.warns(DivergenceWarning):
        model.fit(*iris)

    assert diary.calls == [
        "setup", "fit begins", "epoch begins", "epoch ends", "fit ends", "teardown"
    ]  # fmt: skip
    assert len(diary.predictions) == 1
    assert np.isfinite(diary.predictions[0]).all()


@with_callbacks
def test_callbacks_are_torn_down_after_an_error(iris: tuple[Any, Any]) -> None:
    diary = Diary()
    model = MLPClassifier(early_stopping=True).set_callbacks(diary)
    with pytest.raises(ValueError, match="must include every class"):
        model.fit(iris[0][48:52], iris[1][48:52])

    assert diary.calls[-1] == "teardown"
    assert not hasattr(model, "_callback_fit_ctx")


@with_callbacks
def test_callbacks_of_partial_fits(iris: tuple[Any, Any]) -> None:
    diary = Diary()
    model = MLPClassifier(random_state=0).set_callbacks(diary)
    model.partial_fit(*iris).partial_fit(*iris)

    assert diary.calls.count("epoch ends") == diary.calls.count("fit ends") == 2


@with_callbacks
@pytest.mark.parametrize("network", NETWORKS)
def test_callbacks_change_nothing(iris: tuple[Any, Any], network: type[Any]) -> None:
    watched = network(random_state=0).set_callbacks(Diary()).fit(*iris)
    alone = network(random_state=0).fit(*iris)

    assert all(np.array_equal(*pair) for pair in zip(watched.coefs_, alone.coefs_, strict=True))
    assert watched.loss_curve_ == alone.loss_curve_
    assert vars(watched).keys() - vars(alone).keys() == {"_skl_callbacks"}
    assert pickle.loads(pickle.dumps(watched)).n_iter_ == 20  # noqa: S301


@pytest.mark.skipif(HAVE_CALLBACKS, reason="has them")
def test_without_callbacks_in_scikit_learn_a_fit_works(iris: tuple[Any, Any]) -> None:
    model = MLPClassifier(random_state=0).fit(*iris)

    assert not hasattr(model, "set_callbacks")
    assert model.n_iter_ == 20
