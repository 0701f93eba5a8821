"""The result: a record reads back into the one that the search returned, field by field."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.confirm.advice import not_confirmed
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.schema import Environment, Request
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.table_search import load, search_table
from lrtune.tuning.trainers.network import NetworkTrainer

COMMAND = "lrtune search iris --trials 20"
REQUEST: dict[str, Any] = {
    "data": "iris", "target": None, "task": "auto", "separator": None, "encoding": None,
    "preprocessor": "sklearn", "hidden": (8,), "epochs": 3, "batch_size": 32, "optimizer": "sgd",
    "decays": None, "alpha0": None, "decay_rate": None, "trials": 20, "replicates": 2,
    "confirm": True, "baseline": True, "pruner": "none", "seed": 0,
}  # fmt: skip


@pytest.fixture(params=["a.journal", pytest.param("sqlite:///a.db", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, folder: Path) -> str:
    return str(request.param)


def assert_reads_back(result: SearchResult) -> None:
    assert result.study is not None
    assert result.storage is not None
    again = read_result(result.study, result.storage)
    for field in fields(SearchResult):
        assert getattr(again, field.name) == getattr(result, field.name), field.name
    assert again.to_dict() == result.to_dict()
    assert again.warnings == result.warnings


def table_search(
    storage: str,
    *,
    resume: bool = False,
    timeout: float | None = None,
    audit_share: float | None = None,
    on_progress: Callable[[Any], None] | None = None,
    **changes: Any,
) -> SearchResult:
    request = Request(**(REQUEST | changes))
    recording = Recording(
        partial(Record.resume if resume else Record.create, storage, "iris"),
        Environment(COMMAND, {"lrtune": "1.0"}),
        request,
    )
    return search_table(
        request,
        load(request),
        recording=recording,
        timeout=timeout,
        audit_share=audit_share,
        on_progress=on_progress,
    )


def interrupt_at(n_finished: int) -> Callable[[Any], None]:
    def on_progress(progress: Any) -> None:
        if progress.finished >= n_finished:
            raise KeyboardInterrupt

    return on_progress


# --- a record reads back ------------------------------------------------------------------------


def test_a_table_search_reads_back(storage: str) -> None:
    result = table_search(storage)

    assert result.plan.edges
    assert result.confirmation is not None
    assert result.confirmation.baseline is not None
    assert_reads_back(result)


def test_a_search_with_a_pruning_audit_reads_back(storage: str) -> None:
    options = {"epochs": 6, "trials": 32, "confirm": False, "baseline": False}
    result = table_search(storage, pruner="successive-halving", audit_share=1.0, **options)

    assert result.pruning_audit is not None
    assert result.pruning_audit.pruned
    assert_reads_back(result)


@pytest.mark.parametrize(
    "scoring",
    [
        pytest.param(None, marks=pytest.mark.slow),
        pytest.param("accuracy", marks=pytest.mark.slow),
        {"a": "accuracy", "f": "f1_macro"},
    ],
)
def test_a_python_search_with_further_parameters_reads_back(storage: str, scoring: Any) -> None:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(with_mean=False), MLPClassifier((8,), max_iter=3))
    fitted = LearningRateSearchCV(
        model,
        space={
            "decay": ["cosine", "constant"],
            "hidden_layer_sizes": [(8,), (6, 4)],
            "alpha": (1e-6, 1e-2),
            "batch_size": [16, 32],
        },
        n_trials=9,
        cv=2,
        scoring=scoring,
        refit="a" if isinstance(scoring, dict) else True,
        storage=storage,
        study_name="wide",
        random_state=0,
    ).fit(X, y)

    assert_reads_back(fitted.result_)


def test_a_search_stopped_by_the_time_limit_and_resumed_reads_back(storage: str) -> None:
    stopped = table_search(storage, timeout=1e-9, trials=20)

    assert len(stopped.finished) == BLOCK_SIZE
    assert any("stopped by the time limit" in warning for warning in stopped.warnings)
    assert_reads_back(stopped)

    resumed = table_search(storage, resume=True, trials=20)

    assert len(resumed.finished) == 20
    assert_reads_back(resumed)


def test_an_interrupted_search_has_no_ending_and_says_how_to_go_on(storage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        table_search(storage, trials=20, on_progress=interrupt_at(16))
    interrupted = read_result("iris", storage)
    note, advice = interrupted.warnings

    assert interrupted.ending is None
    assert interrupted.confirmation is None
    assert len(interrupted.finished) == 16
    assert "interrupted after 16 of 20 trials" in note
    assert COMMAND in note
    assert advice == not_confirmed(interrupted.facts.trainer)
    assert "the loss was measured" in advice
    assert interrupted.seconds.total > 0
    assert json.dumps(interrupted.to_dict(), allow_nan=False)

    resumed = table_search(storage, resume=True, trials=20)

    assert resumed.ending is not None
    assert not any("did not end" in warning for warning in resumed.warnings)
    assert_reads_back(resumed)


def test_an_interrupted_and_resumed_search_equals_an_uninterrupted_one(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        table_search("a.journal", trials=24, on_progress=interrupt_at(16))
    resumed = table_search("a.journal", resume=True, trials=24)
    whole = table_search("b.journal", trials=24)

    assert [t.params for t in resumed.finished] == [t.params for t in whole.finished]
    assert resumed.confirmation == whole.confirmation
    assert (resumed.facts, resumed.plan) == (whole.facts, whole.plan)


def test_a_python_search_that_did_not_end_names_its_study(folder: Path) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(KeyboardInterrupt):
        search(
            NetworkTrainer.on_random_splits(MLPClassifier((8,), max_iter=2), X, y, 2),
            Space.default(2, learning_rate_init=(0.01, 1.0)),
            budget=Budget(40),
            sampling=Sampling(),
            recording=Recording(partial(Record.create, "a.journal", "mine")),
            on_progress=interrupt_at(16),
        )

    assert read_result("mine", "a.journal").warnings[0].endswith("the study's name, 'mine'")


def test_a_search_in_which_nothing_completes_reads_back_with_the_reason(folder: Path) -> None:
    with pytest.raises(NothingCompletedError):
        table_search("a.journal", alpha0=(1e6, 1e7), trials=4)
    result = read_result("iris", "a.journal")

    assert result.ending is not None
    assert result.ending.failure is not None
    assert "none of 4 trials completed" in result.ending.failure
    with pytest.raises(NothingCompletedError):
        _ = result.recommended_trial


def test_a_study_without_a_finished_trial_has_no_recommendation(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        table_search("a.journal", on_progress=interrupt_at(0))
    result = read_result("iris", "a.journal")

    assert (result.finished, result.ending) == ((), None)
    with pytest.raises(NothingCompletedError, match="has no finished trial yet"):
        _ = result.recommended_trial


# --- what follows from it -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> SearchResult:
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=3))
    return search(
        NetworkTrainer.on_random_splits(model, X, y, 2),
        Space.default(3, learning_rate_init=(0.01, 100.0)),
        budget=Budget(20, replicates=2),
        sampling=Sampling(),
    )


def test_without_a_record_there_is_no_study_and_no_note(result: SearchResult) -> None:
    assert (result.study, result.storage) == (None, None)
    assert result.warnings == result.advice


def test_the_recommended_setting_is_the_first_contender(result: SearchResult) -> None:
    assert result.confirmation is not None
    first = result.confirmation.contenders[0]

    assert result.best == first.setting
    assert result.best_trial == first.trial
    assert result.search_loss == pytest.approx(first.search_loss)
    assert result.best_params == first.setting.effective_params


def test_epochs_trained_and_saved_are_those_of_full_trainings(result: SearchResult) -> None:
    assert result.trials.diverged
    assert result.epochs_saved > 0
    assert result.trial_epochs + result.epochs_saved == pytest.approx(3 * 2 * 20)


def test_notebooks_show_the_setting_and_escape_the_rest(result: SearchResult) -> None:
    html = result._repr_html_()

    assert f"<td>{result.best.learning_rate_init}</td>" in html
    assert "<th style='text-align:left'>score</th>" in html


def test_a_result_is_printed_in_a_line(result: SearchResult) -> None:
    assert result.confirmation is not None
    line = repr(result)

    rate = f"{result.schedule.learning_rate_init:.4g}"
    assert line.startswith(f"SearchResult(schedule=Schedule(learning_rate_init={rate}")
    assert f"confirmed_loss={result.describe_loss()}, default_loss=" in line
    assert result.safe_range is not None
    assert f"safe_range={result.describe_safe_range()}" in line
    assert len(line) < 400
    assert f"<td>{result.describe_safe_range()}</td>" in result._repr_html_()


def test_a_result_that_is_not_confirmed_or_has_no_trial_is_printed_too(
    result: SearchResult,
) -> None:
    unconfirmed = replace(result, confirmation=None)
    empty = replace(unconfirmed, finished=(), ending=None)

    assert f"search_loss={unconfirmed.describe_loss()}, trials=" in repr(unconfirmed)
    assert repr(empty) == "SearchResult(trials=none)"
    assert repr(empty) in empty._repr_html_()


def test_studies_of_other_programs_are_refused(folder: Path) -> None:
    optuna.create_study(storage="sqlite:///other.db", study_name="theirs")

    with pytest.raises(Exception, match="must be lrtune's own, but 'theirs'"):
        read_result("theirs", "sqlite:///other.db")
