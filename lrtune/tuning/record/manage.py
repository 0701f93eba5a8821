"""Delete and rename studies, never one that a search or a worker is at work on.

Optuna renames nothing, so a study is copied, the copy is compared with it, and only then it is
deleted. A copy has its `SearchFacts`, which make it one of lrtune's studies, once it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.trial import FrozenTrial

from lrtune.exceptions import InvalidInputError, RecordLostError
from lrtune.tuning.record.processes import is_near, running
from lrtune.tuning.record.record import Record, read_facts, require_storable
from lrtune.tuning.record.schema import Process, SearchFacts
from lrtune.tuning.record.storage import lost_connection, quiet_optuna

RENAMED_FROM = "renamed from"
"""Study attribute with the name that a renamed study had before."""
OTHERWISE = "use Optuna, or the dashboard with --writable"
"""Cure where a study to delete or rename is another program's."""
_OF_A_TRIAL = re.compile(r"^(dashboard:(?:artifacts:)?)(\d+)(:.*)$", flags=re.DOTALL)
"""Keys of what the Optuna dashboard keeps on a trial among the study's attributes: notes, files."""


def require_at_rest(record: Record, done: str, *, force: bool = False) -> None:
    """Raise InvalidInputError if a search or a worker is at work on a study.

    With `force`, those on other machines, which cannot be looked up, are taken to have ended.
    `done` is a participle for the message.
    """
    for process in running(record):
        if is_near(process):
            cure = "wait for it, or end it"
        elif force:
            continue
        else:
            cure = "wait for it, or end it; if it was killed there, add `force=True`"
        raise InvalidInputError(
            f"no search or worker may be at work on a study that is {done}, but process "
            f"{process.pid} on {process.host} is on {record.name!r}, since {process.begun}: {cure}"
        )


def delete(record: Record, *, force: bool = False) -> None:
    """Delete a study and its trials."""
    with record.exclusive(), _connected(record):
        require_at_rest(record, "deleted", force=force)
        _delete(record.study)


def rename(record: Record, name: str, *, force: bool = False) -> Record:
    """Rename a study; return its record.

    What an earlier attempt that was killed has left behind is removed, or finished.
    """
    with record.exclusive(), _connected(record):
        require_at_rest(record, "renamed", force=force)
        study = record.study
        copy = _earlier_copy(record, name)
        if copy is None:
            with _or_deleted(_new_study(record, name)) as new:
                new.set_user_attr(RENAMED_FROM, record.name)
                copy = Record(new, record.storage, record._journal)
                copy.add(study.get_trials(deepcopy=False))
                _copy_attributes(study, new)
                if not _is_whole(study, new):
                    raise RecordLostError(
                        f"the copy of study {record.name!r} differs from it: it keeps its name"
                    )
                new.set_user_attr(SearchFacts.KEY, study.user_attrs[SearchFacts.KEY])
        _delete(study)
        return copy


@contextmanager
def _connected(record: Record) -> Iterator[None]:
    """Raise RecordLostError if the database is out of reach; its own error may tell a password."""
    try:
        yield
    except lost_connection(record.storage) as error:
        raise RecordLostError(
            f"{record.storage} is out of reach ({type(error).__name__}): study {record.name!r} is "
            "as it was, try again later"
        ) from None


def require_free(record: Record, name: str) -> None:
    """Raise InvalidInputError if a study of that name is there already.

    A copy that an attempt to rename the record's study left when it was killed does not count.
    """
    found = _find(record, name)
    if found is None or _is_partial(found, record.name) or _is_whole(record.study, found):
        return
    raise _taken(record, name)


def _earlier_copy(record: Record, name: str) -> Record | None:
    """Return the whole copy that a killed attempt left; remove a partial one, refuse any other."""
    require_free(record, name)
    found = _find(record, name)
    if found is not None and _is_partial(found, record.name):
        _delete(found)
        return None
    return None if found is None else Record(found, record.storage, record._journal)


def _find(record: Record, name: str) -> optuna.Study | None:
    storage = record.study._storage
    if name not in optuna.get_all_study_names(storage):
        return None
    with quiet_optuna():
        return optuna.load_study(storage=storage, study_name=name)


def _is_partial(copy: optuna.Study, name: str) -> bool:
    """Return whether a study is a part of the copy of one of that name, or has nothing yet."""
    attributes = copy.user_attrs
    if not attributes:
        return not copy.get_trials(deepcopy=False)
    return attributes.get(RENAMED_FROM) == name and SearchFacts.KEY not in attributes


def _taken(record: Record, name: str) -> InvalidInputError:
    return InvalidInputError(
        f"a new name must be free, but {record.storage} has a study named {name!r}: choose "
        "another, or delete that study first"
    )


def _new_study(record: Record, name: str) -> optuna.Study:
    study = record.study
    require_storable(study._storage, record._journal, name, read_facts(study).space.distributions())
    try:
        with quiet_optuna():
            return optuna.create_study(
                storage=study._storage, study_name=name, directions=study.directions
            )
    except DuplicatedStudyError:
        if _find(record, name) is not None:  # another process has just made it
            raise _taken(record, name) from None
        raise InvalidInputError(
            f"a new name must be free, but {record.storage} does not tell {name!r} from the name "
            "of a study that it has, as it ignores case or accents: choose another"
        ) from None


@contextmanager
def _or_deleted(study: optuna.Study) -> Iterator[optuna.Study]:
    """Delete a study if the block fails."""
    try:
        yield study
    except BaseException:
        with suppress(Exception):  # what is left is removed by the next attempt
            _delete(study)
        raise


def _delete(study: optuna.Study) -> None:
    optuna.delete_study(storage=study._storage, study_name=study.study_name)


def _copy_attributes(study: optuna.Study, copy: optuna.Study) -> None:
    """Copy the attributes; what is kept on a trial moves to its copy."""
    storage = study._storage
    for key, value in _system_attributes(study, _ids(study, copy)).items():
        storage.set_study_system_attr(copy._study_id, key, value)
    for key, value in _user_attributes(study).items():
        copy.set_user_attr(key, value)


def _ids(study: optuna.Study, copy: optuna.Study) -> dict[int, int]:
    """Return the trials' ids in the copy by those in the study."""
    pairs = zip(study.get_trials(deepcopy=False), copy.get_trials(deepcopy=False), strict=True)
    return {old._trial_id: new._trial_id for old, new in pairs}


def _user_attributes(study: optuna.Study) -> dict[str, Any]:
    """Return the attributes that a copy is to have too, but for `SearchFacts`."""
    return {
        key: value
        for key, value in study.user_attrs.items()
        if key not in (SearchFacts.KEY, RENAMED_FROM) and not key.startswith(Process.PREFIX)
    }


def _system_attributes(study: optuna.Study, ids: Mapping[int, int]) -> dict[str, Any]:
    """Return Optuna's attributes, with the trials' ids in their keys replaced."""

    def renumbered(match: re.Match[str]) -> str:
        number = int(match[2])
        return f"{match[1]}{ids.get(number, number)}{match[3]}"

    attributes = study._storage.get_study_system_attrs(study._study_id)
    return {_OF_A_TRIAL.sub(renumbered, key): value for key, value in attributes.items()}


def _is_whole(study: optuna.Study, copy: optuna.Study) -> bool:
    """Return whether a study is the whole copy of another."""
    trials, copied = study.get_trials(deepcopy=False), copy.get_trials(deepcopy=False)
    return (
        copy.user_attrs.get(RENAMED_FROM) == study.study_name
        and list(map(_content, trials)) == list(map(_content, copied))
        and _user_attributes(study) == _user_attributes(copy)
        and _system_attributes(study, _ids(study, copy)) == _system_attributes(copy, {})
    )


def _content(trial: FrozenTrial) -> str:
    """Return all that a trial holds, but for its id in the storage."""
    parts: list[Mapping[str, Any]] = [
        trial.params,
        trial.distributions,
        trial.user_attrs,
        trial.system_attrs,
        {str(epoch): loss for epoch, loss in trial.intermediate_values.items()},
    ]
    ordered = [sorted(part.items()) for part in parts]
    times = trial.datetime_start, trial.datetime_complete
    return repr((trial.number, trial.state, trial.values, times, ordered))
