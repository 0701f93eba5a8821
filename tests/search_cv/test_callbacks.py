"""Callbacks of a search, as those of Optuna's ``study.optimize``, and its printing."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial
from sklearn.base import clone
from sklearn.linear_model import SGDClassifier

from lrtune import LearningRateSearchCV, MLPClassifier
from lrtune.exceptions import InvalidInputError
from tests.iris import X, Y

Calls = list[tuple[int, int]]


def search(estimator: Any = None, **options: Any) -> LearningRateSearchCV:
    small = {"n_trials": 16, "cv": 2, "confirm": False, "random_state": 0}
    model = estimator or MLPClassifier((8,), max_iter=3)
    return LearningRateSearchCV(model, **(small | options))


class Recorder:
    def __init__(self) -> None:
        self.calls: Calls = []

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        assert study.trials[-1].params == trial.params
        self.calls.append((len(study.trials), trial.number))


@pytest.mark.parametrize("estimator", [None, SGDClassifier(max_iter=3)])
def test_each_trial_is_told_with_those_before_it(estimator: Any) -> None:
    recorder = Recorder()
    told = search(estimator, callbacks=[recorder]).fit(X, Y)
    silent = search(estimator).fit(X, Y)

    assert recorder.calls == [(number + 1, number) for number in range(16)]
    assert told.best_params_ == silent.best_params_


def test_trials_of_a_continued_study_are_not_told_again(tmp_path: Path) -> None:
    recorder = Recorder()
    options = {"storage": str(tmp_path / "a.journal"), "study_name": "one"}
    search(n_trials=8, **options).fit(X, Y)
    search(callbacks=[recorder], **options).fit(X, Y)

    assert recorder.calls == [(number + 1, number) for number in range(8, 16)]


def test_a_callback_may_stop_the_search() -> None:
    stopped = search(n_trials=64, callbacks=[MaxTrialsCallback(8)], confirm=True).fit(X, Y)

    n = len(stopped.study_.trials)
    assert n in (8, 16)  # whole blocks, of which diverged trials do not count
    assert f"stopped by a callback after {n} of 64 trials" in stopped.result_.warnings
    assert stopped.result_.confirmed_loss is not None


def test_an_error_of_a_callback_ends_the_search() -> None:
    def fail(study: optuna.Study, trial: FrozenTrial) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        search(callbacks=[fail]).fit(X, Y)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"`callbacks` must hold functions.*'print'"):
        search(callbacks=["print"]).fit(X, Y)


def test_a_search_with_callbacks_can_be_cloned() -> None:
    assert len(clone(search(callbacks=[print])).callbacks) == 1


@pytest.mark.parametrize("verbose", [False, True])
def test_a_verbose_search_prints_its_progress(
    verbose: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    search(verbose=verbose).fit(X, Y)
    printed = capsys.readouterr().out

    assert ("16 of 16 trials, best so far: trial " in printed) is verbose
