"""The record of a study: finished trials, pulled before a search and pushed by block.

The record never holds a half-done trial, so a killed run leaves nothing to clean up.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError, RecordConflictError, RecordLostError
from lrtune.tuning.record.journal import BlockJournal
from lrtune.tuning.record.storage import (
    T,
    lost_connection,
    open_storage,
    patiently,
    public_name,
    quiet_optuna,
)

__all__ = ["CONFIGURATION", "CONFIRMATION", "Record", "SHARED", "WORKER", "recorded_seed"]

CONFIGURATION = "lrtune"
"""The study attribute that says what was searched, and how."""
CONFIRMATION = "confirmation"
"""The study attribute that says what fresh replicates said."""
SHARED = "shared"
"""The study attribute that says that workers have joined."""
WORKER = "worker"
"""The trial attribute that says who finished it, if not the search itself."""


@dataclass(frozen=True)
class Record:
    """One study in a storage.

    Attributes
    ----------
    study : optuna.Study
    storage : str
        As it may be shown.
    """

    study: optuna.Study
    storage: str
    _journal: BlockJournal | None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.study_name

    @classmethod
    def create(cls, storage: str, name: str, configuration: Mapping[str, Any]) -> Self:
        """Start a study; if the name is taken, ``name-2``, ``name-3``, … is used.

        Parameters
        ----------
        storage : str
            As for `open_storage`.
        name : str
            Wanted name.
        configuration : mapping
            What is searched, and how; JSON values.
        """
        opened, journal = open_storage(storage, mend=True)
        _require_writable(storage, journal)
        try:
            study = _new_study(opened, name)
            study.set_user_attr(CONFIGURATION, dict(configuration))
        except OSError as error:
            raise InvalidInputError(
                f"storage must have space and be writable, but {storage!r} gave: {error.strerror}"
            ) from error
        return cls(study, public_name(storage), journal)

    @classmethod
    def resume(cls, storage: str, name: str, configuration: Mapping[str, Any]) -> Self:
        """Go on with a study.

        Raises
        ------
        InvalidInputError
            If there is no such study, or if it was searched with another configuration.
        """
        opened, journal = open_storage(storage, must_exist=True, mend=True)
        _require_writable(storage, journal)
        _require_study(opened, storage, name)
        with quiet_optuna():
            study = optuna.load_study(storage=opened, study_name=name)
        known = study.user_attrs.get(CONFIGURATION)
        if known is None and study.trials:
            raise InvalidInputError(
                f"a study to resume must be lrtune's own, but {name!r} in {public_name(storage)} "
                "was made by another program: choose another --name"
            )
        if known is None:  # killed between the study's creation and its first attribute
            study.set_user_attr(CONFIGURATION, dict(configuration))
        else:
            _require_same(name, known, configuration)
        return cls(study, public_name(storage), journal)

    @classmethod
    def join(cls, storage: str, name: str, configuration: Mapping[str, Any]) -> Self:
        """Help with a study that a search has started.

        Raises
        ------
        InvalidInputError
            If there is no such study, or if the data, the options or lrtune's version differ.
        """
        record = patiently(lambda: cls.resume(storage, name, configuration), public_name(storage))
        theirs, ours = (facts.get("version") for facts in (record.facts, configuration))
        if theirs != ours:
            raise InvalidInputError(
                f"a worker must run the search's version of lrtune, {theirs}, but this is {ours}: "
                "install that one here"
            )
        record.note(SHARED, value=True)
        return record

    @classmethod
    def look(cls, storage: str, name: str) -> Self:
        """Open a study to read it.

        Raises
        ------
        InvalidInputError
            If there is no such study.
        """
        opened, journal = open_storage(storage, must_exist=True)
        _require_study(opened, storage, name)
        with quiet_optuna():
            study = optuna.load_study(storage=opened, study_name=name)
        return cls(study, public_name(storage), journal)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is searched, and how."""
        known: Mapping[str, Any] = self.study.user_attrs.get(CONFIGURATION, {})
        return known

    @classmethod
    def open(cls, storage: str, name: str, configuration: Mapping[str, Any]) -> Self:
        """Go on with the study of that name if there is one, else start it."""
        opened, _ = open_storage(storage)
        known = name in optuna.get_all_study_names(opened)
        return (cls.resume if known else cls.create)(storage, name, configuration)

    def pull(self) -> list[FrozenTrial]:
        """The finished trials, in the order in which they were pushed.

        Raises
        ------
        RecordLostError
            If the record cannot be read any more.
        """
        return self._reaching(self._finished)

    def _finished(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state.is_finished()]

    def push(
        self, trials: Sequence[FrozenTrial], *, known: Sequence[FrozenTrial], worker: int = 0
    ) -> list[FrozenTrial]:
        """Add finished trials; in a journal, all but the first in one write.

        Parameters
        ----------
        trials : sequence of FrozenTrial
        known : sequence of FrozenTrial
            What is known of the study so far; workers may have added to it since.
        worker : int, default=0
            Who finished them, if not the search itself.

        Returns
        -------
        list of FrozenTrial
            All finished trials, these among them.

        Raises
        ------
        RecordConflictError
            If another search than this one and its workers writes to the study.
        RecordLostError
            If the record cannot be written any more.
        """
        with ExitStack() as alone:  # a database has no lock to be had
            if self._journal is not None:
                self._reaching(partial(alone.enter_context, self._journal.alone()))
            return self._push(trials, known, worker)

    def _push(
        self, trials: Sequence[FrozenTrial], known: Sequence[FrozenTrial], worker: int
    ) -> list[FrozenTrial]:
        held = self.pull()
        if len(held) < len(known) or _count(held[len(known) :], worker):
            raise self._conflict(f"{len(held)} trials, not {len(known)}")
        for trial in trials if worker else ():
            trial.user_attrs = {**trial.user_attrs, WORKER: worker}

        attempts = itertools.count()

        def add() -> None:
            since = self._finished()[len(held) :] if next(attempts) else []
            self._add(trials[_count(since, worker) :])  # all but those added before it was lost

        self._reaching(add)
        holds = self.pull()
        n_added = _count(holds[len(held) :], worker)
        if n_added != len(trials):  # both at once, which a database does not prevent
            raise self._conflict(f"{n_added} trials were added at once, not {len(trials)}")
        return holds

    def _conflict(self, seen: str) -> RecordConflictError:
        return RecordConflictError(
            f"study {self.name!r} in {self.storage} was written to by another search meanwhile "
            f"({seen}): let one of them finish, then go on with --resume, or help it with lrtune "
            "worker"
        )

    def _add(self, trials: Sequence[FrozenTrial]) -> None:
        if self._journal is None:
            self.study.add_trials(trials)
            return
        self.study.add_trials(trials[:1])  # the storage wants to read its own first trial back
        with self._journal.block():
            self.study.add_trials(trials[1:])

    def note(self, key: str, value: Any) -> None:
        """Set an attribute of the study.

        Raises
        ------
        RecordLostError
            If the record cannot be written any more.
        """
        self._reaching(lambda: self.study.set_user_attr(key, value))

    def noted(self, key: str) -> Any:
        """An attribute of the study, or None."""
        return self._reaching(lambda: self.study.user_attrs.get(key))

    def claim(self, name: str) -> bool:
        """Whether this process is the first to claim a name, by making a study that has it."""
        storage = self.study._storage

        def make() -> bool:
            try:
                with quiet_optuna():
                    optuna.create_study(storage=storage, study_name=name)
            except DuplicatedStudyError:
                return False
            return True

        return self._reaching(make)

    def is_claimed(self, name: str) -> bool:
        """Whether a name is claimed, here or elsewhere."""
        storage = self.study._storage
        return self._reaching(lambda: name in optuna.get_all_study_names(storage))

    def release(self, name: str) -> None:
        """Take a claim back, if it is there."""

        def delete() -> None:
            with suppress(KeyError):
                optuna.delete_study(storage=self.study._storage, study_name=name)

        self._reaching(delete)

    def _reaching(self, action: Callable[[], T]) -> T:
        """What an action on the record gives; actions that write can be repeated."""
        try:
            return patiently(action, self.storage)
        except lost_connection(self.storage) as error:
            raise self._lost(error) from None  # it may quote the password
        except (OSError, KeyError, ValueError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RecordLostError:
        told = "" if self._journal is None else f": {error}"
        return RecordLostError(
            f"the record {self.storage} can no longer be used ({type(error).__name__}{told}); the "
            "trials recorded before are not touched"
        )


def _new_study(opened: BaseStorage, name: str) -> optuna.Study:
    for number in itertools.count(1):
        wanted = name if number == 1 else f"{name}-{number}"
        with suppress(DuplicatedStudyError), quiet_optuna():
            return optuna.create_study(storage=opened, study_name=wanted, direction="minimize")
    raise AssertionError


def _count(trials: Sequence[FrozenTrial], worker: int) -> int:
    """How many of the trials some worker finished."""
    return sum(trial.user_attrs.get(WORKER, 0) == worker for trial in trials)


def _require_study(opened: BaseStorage, storage: str, name: str) -> None:
    names = optuna.get_all_study_names(opened)
    if name not in names:
        raise InvalidInputError(
            f"a study to resume must exist, but {public_name(storage)} has none named {name!r}; "
            f"it has {', '.join(names) or 'none at all'}"
        )


def recorded_seed(storage: str, name: str) -> int | None:
    """The seed of a study, or None if there is no such study yet."""
    if "://" not in storage and not Path(storage).is_file():
        return None
    opened, _ = open_storage(storage)
    if name not in optuna.get_all_study_names(opened):
        return None
    study = optuna.load_study(storage=opened, study_name=name)
    seed: int | None = study.user_attrs.get(CONFIGURATION, {}).get("seed")
    return seed


def _require_writable(storage: str, journal: BlockJournal | None) -> None:
    if journal is None:
        return
    folder = Path(storage).resolve().parent
    for path in (Path(storage), folder):  # the lock is a file in the folder
        if not os.access(path, os.W_OK):
            raise InvalidInputError(
                f"storage must be writable, but {str(path)!r} is not: change its permissions, or "
                "name another record with --storage"
            )


def _require_same(name: str, known: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key, value in now.items():
        before = known.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            _require_same(name, before, value)
        elif key != "version" and before != value:
            raise InvalidInputError(
                f"a resumed search must keep its options, but study {name!r} was searched with "
                f"{key}={before!r}, and now {value!r} is given: repeat the first search's "
                "options, or leave --resume out to start a new study"
            )
