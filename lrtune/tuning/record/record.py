"""The record of a study: finished trials, read before a search and written block by block.

The record never holds an unfinished trial, so a killed run leaves nothing to clean up.
"""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from lrtune.exceptions import (
    InvalidInputError,
    LrtuneWarning,
    RecordConflictError,
    RecordLostError,
)
from lrtune.tuning.record.journal import BlockJournal
from lrtune.tuning.record.schema import (
    SCHEMA_VERSION,
    SHARED,
    Fact,
    Plan,
    SearchFacts,
    TrainerFacts,
    TrialFacts,
)
from lrtune.tuning.record.storage import (
    lost_connection,
    open_storage,
    public_name,
    quiet_optuna,
    with_retries,
)
from lrtune.tuning.record.upgrade import upgrade
from lrtune.tuning.setting import SCHEDULE_PARAMETERS

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Fact)


@dataclass(frozen=True)
class Record:
    """A study in a storage; `storage` is the storage's public name, without passwords."""

    study: optuna.Study
    storage: str
    _journal: BlockJournal | None

    @property
    def name(self) -> str:
        return self.study.study_name

    @classmethod
    def create(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Create a study; if the name is taken, ``name-2``, ``name-3``, … is used."""
        opened, journal = open_storage(storage, mend=True)
        _require_writable(storage, journal)
        require_storable(opened, journal, name, facts.space.distributions())
        try:
            study = _new_study(opened, name)
            study.set_user_attr(SearchFacts.KEY, facts.to_json())
        except OSError as error:
            raise InvalidInputError(
                f"`storage` must be writable and have free space, but {storage!r} gave: "
                f"{error.strerror}: free some space, or name another `storage`"
            ) from error
        return cls(study, public_name(storage), journal)

    @classmethod
    def resume(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Open a study to add trials, and upgrade its facts; refuse one of another search.

        If a user's function has changed since, it warns, and the study holds the new source.
        """
        record, recorded = cls._reopen(storage, name, facts)
        difference = _source_difference(recorded, facts)
        if difference:
            warnings.warn(
                f"study {name!r} goes on with a changed training: {difference}; its trials are of "
                "both",
                LrtuneWarning,
                stacklevel=2,
            )
            trainer = replace(recorded.trainer, function=facts.trainer.function)
            record.write(replace(recorded, trainer=trainer))
        return record

    @classmethod
    def _reopen(cls, storage: str, name: str, facts: SearchFacts) -> tuple[Self, SearchFacts]:
        """Open a study to add trials; return it, and what it searched before."""
        opened, journal = open_storage(storage, must_exist=True, mend=True)
        _require_writable(storage, journal)
        study = _load(opened, storage, name, purpose="resume")
        if SearchFacts.KEY in study.user_attrs:
            recorded = read_facts(study)
            _require_same(name, recorded, facts)
        elif study.trials:
            raise InvalidInputError(
                f"a study to resume must be lrtune's own, but {name!r} in {public_name(storage)} "
                "was made by another program: choose another `study_name`"
            )
        else:  # the search was killed before it wrote its facts
            recorded = facts
        if study.user_attrs.get(SearchFacts.KEY, {}).get("schema") != SCHEMA_VERSION:
            study.set_user_attr(SearchFacts.KEY, recorded.to_json())
        return cls(study, public_name(storage), journal), recorded

    @classmethod
    def join(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Resume a study as a worker, with the same version of lrtune, and mark it as shared.

        A worker whose source of a user's function differs is refused.
        """
        record, recorded = with_retries(
            lambda: cls._reopen(storage, name, facts), public_name(storage)
        )
        if recorded.version != facts.version:
            raise InvalidInputError(
                f"a worker must run the search's version of lrtune, {recorded.version}, but this "
                f"is {facts.version}: install lrtune {recorded.version} here"
            )
        difference = _source_difference(recorded, facts)
        if difference:
            raise InvalidInputError(
                f"a worker must train what the search of {name!r} trains, but {difference}: copy "
                "the search's file here, and name it with `data` if it lies elsewhere"
            )
        record.share()
        return record

    @classmethod
    def look(
        cls, storage: str, name: str, *, purpose: str = "resume", writable: bool = False
    ) -> Self:
        """Open a study to read it, or to change it if `writable`.

        `purpose` is a verb for the message if there is none.
        """
        opened, journal = open_storage(storage, must_exist=True, mend=writable)
        if writable:
            _require_writable(storage, journal)
        study = _load(opened, storage, name, purpose=purpose)
        return cls(study, public_name(storage), journal)

    @classmethod
    def open(cls, storage: str, name: str, facts: SearchFacts) -> Self:
        """Resume the study of that name if there is one, else create it."""
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
        """Add a worker's finished trials; return all finished trials of the study.

        `seen` are the study's trials at the last pull; other workers may have added more since. A
        search that is not one of them raises RecordConflictError.
        """
        with self.exclusive():
            return self._push(trials, seen, worker)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers out of a journal; a database offers no lock."""
        with ExitStack() as locks:
            if self._journal is not None:
                self._attempt(partial(locks.enter_context, self._journal.exclusive()))
            yield

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
            self.add(trials[_count(added, worker) :])  # the rest, if an attempt failed halfway

        self._attempt(add)
        after = self.pull()
        n_added = _count(after[len(before) :], worker)
        if n_added != len(trials):  # two searches at once, which a database does not prevent
            raise self._conflict(f"{n_added} trials were added at once, not {len(trials)}")
        return after

    def _conflict(self, difference: str) -> RecordConflictError:
        return RecordConflictError(
            f"study {self.name!r} in {self.storage} was written to by another search in the "
            f"meantime ({difference}): let one of them finish, then go on with `resume=True`, or "
            "help it with lrtune worker"
        )

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Add trials: to a database all at once, to a journal in one write but for the first."""
        if self._journal is None:
            from lrtune.tuning.record.database import behind  # it imports SQLAlchemy

            behind(self.study._storage).add_trials(self.study._study_id, trials)
            return
        self.study.add_trials(trials[:1])  # Optuna reads the first trial of a process back
        with self._journal.block():
            self.study.add_trials(trials[1:])

    def write(self, fact: Fact) -> None:
        self.write_json(fact.KEY, fact.to_json())

    def write_json(self, key: str, values: Any) -> None:
        self._attempt(lambda: self.study.set_user_attr(key, values))

    def read(self, kind: type[_F]) -> _F | None:
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
        """Return True if workers have joined."""
        return bool(self.read_json(SHARED))

    def claim(self, name: str) -> bool:
        """Claim a name by creating a study of it; return False if it was claimed before."""
        storage = self.study._storage

        def create() -> bool:
            try:
                with quiet_optuna():
                    optuna.create_study(storage=storage, study_name=name)
            except DuplicatedStudyError:
                return False
            return True

        return self._attempt(create)

    def is_claimed(self, name: str) -> bool:
        """Return True if this or another process has claimed a name."""
        storage = self.study._storage
        return self._attempt(lambda: name in optuna.get_all_study_names(storage))

    def release(self, name: str) -> None:
        def delete() -> None:
            with suppress(KeyError):
                optuna.delete_study(storage=self.study._storage, study_name=name)

        self._attempt(delete)

    def _attempt(self, action: Callable[[], _T]) -> _T:
        """Return an action's result; raise RecordLostError if the record can no longer be used.

        A database out of reach is tried again, so the action must be repeatable.
        """
        try:
            return with_retries(action, self.storage)
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
        numbered = name if number == 1 else f"{name}-{number}"
        with suppress(DuplicatedStudyError), quiet_optuna():
            return optuna.create_study(storage=opened, study_name=numbered, direction="minimize")
    raise AssertionError


def _count(trials: Sequence[FrozenTrial], worker: int) -> int:
    """Return the number of trials that a worker finished."""
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
    """Open one of lrtune's own studies to read it; refuse any other.

    For the message: `purpose` is a verb, such as "export"; `otherwise` is the cure for a study of
    another program.
    """
    return open_own(storage, name, purpose=purpose, otherwise=otherwise).study


def open_own(
    storage: str, name: str, *, purpose: str, otherwise: str, writable: bool = False
) -> Record:
    """Open the record of one of lrtune's own studies, as `open_own_study`, or to change it."""
    record = Record.look(storage, name, purpose=purpose, writable=writable)
    if SearchFacts.KEY not in record.study.user_attrs:
        raise InvalidInputError(
            f"a study to {purpose} must be lrtune's own, but {name!r} in {public_name(storage)} "
            f"was made by another program: {otherwise}"
        )
    return record


def read_facts(study: optuna.Study) -> SearchFacts:
    """Return what one of lrtune's own studies searched; refuse one that a newer release wrote."""
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
    loss = attributes.get(Plan.KEY, {}).get("loss")
    return upgrade(values, loss, study.get_trials(deepcopy=False), study.study_name)


def recorded_seed(storage: str, name: str) -> int | None:
    """Return the seed of a study; None if there is no such study yet, or none of lrtune's own."""
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
                f"`storage` must be writable, but {str(path)!r} is not: change its permissions, "
                "or name another `storage`"
            )


def require_storable(
    opened: BaseStorage, journal: BlockJournal | None, name: str, parameters: Iterable[str]
) -> None:
    """Refuse names that a database cannot hold or tell apart; a journal can."""
    if journal is None:
        from lrtune.tuning.record.database import behind

        behind(opened).require_storable(name, list(parameters))


def _require_same(name: str, recorded: SearchFacts, now: SearchFacts) -> None:
    """Raise InvalidInputError, naming the first difference, if a study searched something else."""
    before, after = _comparable(recorded), _comparable(now)
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        option = key[-1]
        if old != new:
            raise InvalidInputError(
                f"a resumed search must keep its options, but study {name!r} was searched with "
                f"`{option}={old!r}`, and now `{option}={new!r}` is given: repeat the first "
                "search's options, or leave `resume=True` out to start a new study"
            )


def _comparable(facts: SearchFacts) -> dict[tuple[str, ...], Any]:
    """Return what a resumed search must share; the last word of a key is the option's name.

    The first difference is named, so a step's parameters come before its whole source.
    """
    data, trainer, space = facts.data, facts.trainer, facts.space
    steps: dict[tuple[str, ...], Any] = {
        (str(index), name): " ".join(value.split()) if isinstance(value, str) else value
        for index, step in enumerate(trainer.steps)
        for name, value in step.parameters.items()
    }
    return {
        ("dataset",): data.dataset,
        ("target",): data.target,
        ("preprocessor",): data.preprocessor,
        ("group",): data.group,
        ("time",): data.time,
        ("task",): trainer.task,
        ("estimator",): trainer.estimator,
        **_parameters(trainer),
        ("lockstep",): None if trainer.choice is None else trainer.choice.lockstep,
        ("kinds", "steps"): tuple(step.kind for step in trainer.steps),
        **steps,
        ("sources", "steps"): tuple(step.source for step in trainer.steps),
        ("epochs",): trainer.epochs,
        ("direction",): "maximize" if trainer.maximize else "minimize",
        ("seed",): facts.seed,
        ("pruner",): facts.pruner,
        ("replicates",): facts.replicates or "one for each block",
        ("scoring",): facts.scoring,
        ("metric",): facts.metric,
        ("loss", "metric"): trainer.loss if trainer.function is not None else None,
        ("data",): facts.data_hash,
        ("splits",): facts.splits_hash,
        ("space", "learning_rate_init"): space.learning_rate_init,
        ("space", "decay"): space.decay,
        ("space", "decay_rate"): space.decay_rate,
        **{("space", name): dimension.distribution for name, dimension in space.others},
    }


def _parameters(trainer: TrainerFacts) -> dict[tuple[str, ...], Any]:
    """Return the trainer's parameters; those of a function's default schedule are its `default`."""
    is_default = SCHEDULE_PARAMETERS if trainer.function is not None else ()
    return {
        (name, "default") if name in is_default else ("estimator", name): value
        for name, value in trainer.parameters.items()
    }


def _source_difference(recorded: SearchFacts, now: SearchFacts) -> str:
    """Return in words how the file of a user's function differs; empty if it does not."""
    before, after = recorded.trainer.function, now.trainer.function
    if before is None or after is None or before.digest == after.digest:
        return ""
    here = f"is {after.path or f'the source of `{after.name}`'} ({after.digest[:12]})"
    there = f"was {before.path or f'the source of `{before.name}`'} ({before.digest[:12]})"
    return f"its source {there} and now {here}, by SHA-256"
