"""The record of a study: finished trials, pulled before a search and pushed by block.

The record never holds a half-done trial, so a killed run leaves nothing to clean up.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError, RecordConflictError, RecordLostError
from lrtune.tuning.record.journal import BlockJournal
from lrtune.tuning.record.schema import (
    SCHEMA_VERSION,
    SHARED,
    Fact,
    Plan,
    SearchFacts,
    TrialFacts,
    decode,
)
from lrtune.tuning.record.storage import (
    T,
    lost_connection,
    open_storage,
    patiently,
    public_name,
    quiet_optuna,
)
from lrtune.tuning.record.upgrade import upgrade

__all__ = ["Record", "open_own_study", "read_facts", "recorded_seed"]

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True)
class Record:
    """A study in a storage: `storage` is its public name, without passwords."""

    study: optuna.Study
    storage: str
    _journal: BlockJournal | None

    @property
    def name(self) -> str:
        """Return the study's name."""
        return self.study.study_name

    @classmethod
    def create(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Start a study; if the name is taken, ``name-2``, ``name-3``, … is used."""
        opened, journal = open_storage(storage, mend=True)
        _require_writable(storage, journal)
        try:
            study = _new_study(opened, name)
            study.set_user_attr(SearchFacts.KEY, facts.to_json())
        except OSError as error:
            raise InvalidInputError(
                f"storage must have space and be writable, but {storage!r} gave: {error.strerror}"
            ) from error
        return cls(study, public_name(storage), journal)

    @classmethod
    def resume(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Go on with a study, and bring its facts to today's schema.

        Raises
        ------
        InvalidInputError
            If there is no such study, or if it searched something else.
        """
        opened, journal = open_storage(storage, must_exist=True, mend=True)
        _require_writable(storage, journal)
        study = _load(opened, storage, name, purpose="resume")
        if SearchFacts.KEY not in study.user_attrs and study.trials:
            raise InvalidInputError(
                f"a study to resume must be lrtune's own, but {name!r} in {public_name(storage)} "
                "was made by another program: choose another `study_name`"
            )
        if SearchFacts.KEY not in study.user_attrs:  # killed before its first attribute was set
            study.set_user_attr(SearchFacts.KEY, facts.to_json())
            return cls(study, public_name(storage), journal)
        recorded = read_facts(study)
        _require_same(name, recorded.to_json(), facts.to_json())
        if study.user_attrs[SearchFacts.KEY].get("schema") != SCHEMA_VERSION:
            study.set_user_attr(SearchFacts.KEY, recorded.to_json())
        return cls(study, public_name(storage), journal)

    @classmethod
    def join(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Help with a study that a search has started.

        Raises
        ------
        InvalidInputError
            If there is no such study, or if the data, the options or lrtune's version differ.
        """
        record = patiently(lambda: cls.resume(storage, name, facts), public_name(storage))
        theirs = read_facts(record.study).version
        if theirs != facts.version:
            raise InvalidInputError(
                f"a worker must run the search's version of lrtune, {theirs}, but this is "
                f"{facts.version}: install that one here"
            )
        record.share()
        return record

    @classmethod
    def look(cls, storage: str, name: str) -> Self:
        """Open a study to read it; raise InvalidInputError if there is none."""
        opened, journal = open_storage(storage, must_exist=True)
        study = _load(opened, storage, name, purpose="resume")
        return cls(study, public_name(storage), journal)

    @classmethod
    def open(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Go on with the study of that name if there is one, else start it."""
        opened, _ = open_storage(storage)
        exists = name in optuna.get_all_study_names(opened)
        return (cls.resume if exists else cls.create)(storage, name, facts)

    def pull(self) -> list[FrozenTrial]:
        """Return the finished trials, in the order in which they were pushed."""
        return self._attempt(self._finished)

    def _finished(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if trial.state.is_finished()]

    def push(
        self, trials: Sequence[FrozenTrial], *, seen: Sequence[FrozenTrial], worker: int = 0
    ) -> list[FrozenTrial]:
        """Add the trials that a worker finished; in a journal, all but the first in one write.

        `seen` are the study's trials when it last looked; other workers may have added to them.
        Returns all finished trials, these among them.

        Raises
        ------
        RecordConflictError
            If another search than this one and its workers writes to the study.
        RecordLostError
            If the record cannot be written any more.
        """
        with ExitStack() as locks:  # a database has no lock to be had
            if self._journal is not None:
                self._attempt(partial(locks.enter_context, self._journal.alone()))
            return self._push(trials, seen, worker)

    def _push(
        self, trials: Sequence[FrozenTrial], seen: Sequence[FrozenTrial], worker: int
    ) -> list[FrozenTrial]:
        before = self.pull()
        if len(before) < len(seen) or _count(before[len(seen) :], worker):
            raise self._conflict(f"{len(before)} trials, not {len(seen)}")
        for trial in trials if worker else ():
            facts = replace(TrialFacts.of(trial), worker=worker)
            trial.user_attrs = facts.to_json()

        attempts = itertools.count()

        def add() -> None:
            added = self._finished()[len(before) :] if next(attempts) else []
            self._add(trials[_count(added, worker) :])  # the rest, if the last attempt was lost

        self._attempt(add)
        after = self.pull()
        n_added = _count(after[len(before) :], worker)
        if n_added != len(trials):  # two searches at once, which a database does not prevent
            raise self._conflict(f"{n_added} trials were added at once, not {len(trials)}")
        return after

    def _conflict(self, difference: str) -> RecordConflictError:
        return RecordConflictError(
            f"study {self.name!r} in {self.storage} was written to by another search meanwhile "
            f"({difference}): let one of them finish, then go on with `resume=True`, or help it "
            "with lrtune worker"
        )

    def _add(self, trials: Sequence[FrozenTrial]) -> None:
        if self._journal is None:
            self.study.add_trials(trials)
            return
        self.study.add_trials(trials[:1])  # the storage wants to read its own first trial back
        with self._journal.block():
            self.study.add_trials(trials[1:])

    def write(self, fact: Fact) -> None:
        """Write a fact to the study."""
        self.write_json(fact.KEY, fact.to_json())

    def write_json(self, key: str, values: Any) -> None:
        """Write an attribute of the study."""
        self._attempt(lambda: self.study.set_user_attr(key, values))

    def read(self, kind: type[F]) -> F | None:
        """Read a fact of the study; None if it has none."""
        values = self.read_json(kind.KEY)
        return None if values is None else kind.from_json(values)

    def read_json(self, key: str) -> Any:
        """Read an attribute of the study; None if it has none."""
        return self._attempt(lambda: self.study.user_attrs.get(key))

    def share(self) -> None:
        """Mark the study as shared with workers."""
        self.write_json(SHARED, values=True)

    @property
    def is_shared(self) -> bool:
        """Return whether workers have joined."""
        return bool(self.read_json(SHARED))

    def claim(self, name: str) -> bool:
        """Claim a name, by making a study of it; return whether this process is the first to."""
        storage = self.study._storage

        def make() -> bool:
            try:
                with quiet_optuna():
                    optuna.create_study(storage=storage, study_name=name)
            except DuplicatedStudyError:
                return False
            return True

        return self._attempt(make)

    def is_claimed(self, name: str) -> bool:
        """Return whether a name is claimed, here or elsewhere."""
        storage = self.study._storage
        return self._attempt(lambda: name in optuna.get_all_study_names(storage))

    def release(self, name: str) -> None:
        """Take a claim back, if there is one."""

        def delete() -> None:
            with suppress(KeyError):
                optuna.delete_study(storage=self.study._storage, study_name=name)

        self._attempt(delete)

    def _attempt(self, action: Callable[[], T]) -> T:
        """Return the result of an action on the record; actions that write can be repeated.

        Raises RecordLostError if the record can no longer be used.
        """
        try:
            return patiently(action, self.storage)
        except lost_connection(self.storage) as error:
            raise self._lost(error) from None  # it may quote the password
        except (OSError, KeyError, ValueError) as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RecordLostError:
        reason = "" if self._journal is None else f": {error}"  # a database's may hold a password
        return RecordLostError(
            f"the record {self.storage} can no longer be used ({type(error).__name__}{reason}); "
            "the trials recorded before are not touched"
        )


def _new_study(opened: BaseStorage, name: str) -> optuna.Study:
    for number in itertools.count(1):
        wanted = name if number == 1 else f"{name}-{number}"
        with suppress(DuplicatedStudyError), quiet_optuna():
            return optuna.create_study(storage=opened, study_name=wanted, direction="minimize")
    raise AssertionError


def _count(trials: Sequence[FrozenTrial], worker: int) -> int:
    """Count the trials that a worker finished."""
    return sum(trial.user_attrs.get("worker", 0) == worker for trial in trials)


def _load(opened: BaseStorage, storage: str, name: str, *, purpose: str) -> optuna.Study:
    names = optuna.get_all_study_names(opened)
    if name not in names:
        raise InvalidInputError(
            f"a study to {purpose} must exist, but {public_name(storage)} has none named {name!r}; "
            f"it has {', '.join(names) or 'none at all'}"
        )
    with quiet_optuna():
        return optuna.load_study(storage=opened, study_name=name)


def open_own_study(storage: str, name: str, *, purpose: str, otherwise: str) -> optuna.Study:
    """Open one of lrtune's own studies to read it.

    `purpose` says in messages what it is opened for, `otherwise` what to do with another program's.

    Raises
    ------
    InvalidInputError
        If there is no such study, or it was made by another program.
    """
    opened, _ = open_storage(storage, must_exist=True)
    study = _load(opened, storage, name, purpose=purpose)
    if SearchFacts.KEY not in study.user_attrs:
        raise InvalidInputError(
            f"a study to {purpose} must be lrtune's own, but {name!r} in {public_name(storage)} "
            f"was made by another program: {otherwise}"
        )
    return study


def read_facts(study: optuna.Study) -> SearchFacts:
    """Return what one of lrtune's own studies searched, whatever release wrote it.

    Raises
    ------
    InvalidInputError
        If a newer release wrote it.
    """
    attributes = study.user_attrs
    values = attributes[SearchFacts.KEY]
    version = values.get("schema", 1)
    if version > SCHEMA_VERSION:
        raise InvalidInputError(
            f"a study must have schema {SCHEMA_VERSION} at most, but {study.study_name!r} has "
            f"{version}, of a newer lrtune: upgrade lrtune to read it"
        )
    if version == SCHEMA_VERSION:
        return SearchFacts.from_json(values)
    loss = attributes.get(Plan.KEY, {}).get("loss", "")
    return upgrade(values, loss, study.get_trials(deepcopy=False), study.study_name)


def recorded_seed(storage: str, name: str) -> int | None:
    """Return the seed of a study, or None if there is no such study yet."""
    if "://" not in storage and not Path(storage).is_file():
        return None
    opened, _ = open_storage(storage)
    if name not in optuna.get_all_study_names(opened):
        return None
    study = optuna.load_study(storage=opened, study_name=name)
    seed: int | None = study.user_attrs.get(SearchFacts.KEY, {}).get("seed")
    return seed


def _require_writable(storage: str, journal: BlockJournal | None) -> None:
    if journal is None:
        return
    folder = Path(storage).resolve().parent
    for path in (Path(storage), folder):  # the lock is a file in the folder
        if not os.access(path, os.W_OK):
            raise InvalidInputError(
                f"storage must be writable, but {str(path)!r} is not: change its permissions, or "
                "name another `storage`"
            )


def _require_same(name: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key, value in now.items():
        before = recorded.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping) and "source" not in before:
            _require_same(name, before, value)
        elif key != "version" and before != value and not _is_source_of(before, value):
            was, given = (_shown(key, each) for each in (before, value))
            raise InvalidInputError(
                f"a resumed search must keep its options, but study {name!r} was searched with "
                f"{was}, and now {given} is given: repeat the first search's options, or leave "
                "`resume=True` out to start a new study"
            )


def _is_source_of(before: Any, value: Any) -> bool:
    """Return whether a value was recorded as its Python source, as release 0.1.0 did it."""
    return isinstance(before, Mapping) and before.get("source") == repr(decode(value))


def _shown(key: str, value: Any) -> str:
    value = decode(value) if isinstance(value, list) else value
    return f"`{key}={value!r}`"
