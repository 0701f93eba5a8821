"""Callbacks of a search, as those of Optuna's ``study.optimize``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.progress import Progress, StopExploring
from lrtune.tuning.record.storage import quiet_optuna

Callback = Callable[[optuna.Study, FrozenTrial], Any]


class CallbackStudy(optuna.Study):
    """The finished trials in memory; `stop` ends the search's exploring."""

    is_stopped = False

    def stop(self) -> None:
        """End the exploring, once the callbacks were called for all trials that ended together."""
        self.is_stopped = True


class Listener:
    """Calls the callbacks for each trial that ends, and prints the progress if that is wanted."""

    def __init__(self, callbacks: Sequence[Callback] | None, *, verbose: bool) -> None:
        self._callbacks = tuple(callbacks or ())
        for callback in self._callbacks:
            if not callable(callback):
                raise InvalidInputError(
                    f"`callbacks` must hold functions of a study and a trial, but got {callback!r}"
                )
        self._show: Callable[[Progress], Any] = print if verbose else lambda _: None
        self._study: CallbackStudy | None = None

    def __call__(self, progress: Progress) -> None:
        self._show(progress)
        if not self._callbacks:
            return
        if self._study is None:  # what a continued study already has is not new
            self._study = _in_memory(progress)
        new = progress.ended[len(self._study.trials) :]
        for trial in new:
            self._study.add_trial(trial)
            for callback in self._callbacks:
                callback(self._study, trial)
        if new and self._study.is_stopped:
            raise StopExploring("a callback")


def _in_memory(progress: Progress) -> CallbackStudy:
    storage = InMemoryStorage()
    with quiet_optuna():
        name = optuna.create_study(storage=storage, study_name=progress.study).study_name
    study = CallbackStudy(name, storage)
    study.add_trials(progress.ended)
    return study
