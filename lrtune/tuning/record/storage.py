"""Storages: a journal file, or any database that Optuna has a URL for; opened, reached, named.

SQLAlchemy is imported once there is a database: a journal file does not need it.
"""

from __future__ import annotations

import re
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from lrtune.exceptions import (
    InvalidInputError,
    RecordWarning,
)
from lrtune.support.secrets import masked
from lrtune.tuning.record.journal import BlockJournal

__all__ = [
    "CONNECT_ATTEMPTS",
    "DEFAULT_STORAGE",
    "RETRY_SECONDS",
    "T",
    "lost_connection",
    "open_storage",
    "patiently",
    "public_name",
    "quiet_optuna",
]

DEFAULT_STORAGE = "lrtune.journal"
CONNECT_ATTEMPTS = 5
RETRY_SECONDS = (0.5, 1, 2, 4, 8, 15, 30)
"""Waits between attempts to reach a database that was lost: a minute, in which it may restart."""
T = TypeVar("T")
_LIKE_A_URL = re.compile(r"[A-Za-z][\w+.-]*:")  # for example one with a slash too few


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing what lrtune reports itself."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def public_name(storage: str) -> str:
    """A storage as it may be shown: the password of a URL is left out.

    Examples
    --------
    >>> public_name("postgresql+psycopg://me:secret@db/studies")
    'postgresql+psycopg://me:***@db/studies'
    >>> public_name("lrtune.journal")
    'lrtune.journal'
    """
    return masked(storage) if "://" in storage or _LIKE_A_URL.match(storage) else storage


def _connect(storage: str) -> BaseStorage:
    """Connect; two processes that make the same database's tables at once may trip one up."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for attempt in range(CONNECT_ATTEMPTS):
        try:
            database = RDBStorage(storage)
        except (OperationalError, IntegrityError, ProgrammingError):
            if attempt + 1 == CONNECT_ATTEMPTS:
                raise
            time.sleep(0.2 * 2**attempt)
        else:
            weakref.finalize(database, database.engine.dispose)  # Optuna leaves connections open
            return optuna.storages.get_storage(database)
    raise AssertionError


def _require_database_file(storage: str, *, must_exist: bool) -> None:
    """Looking at a SQLite file that is not there would make it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):
        return
    database = url.database if url.get_backend_name() == "sqlite" else None
    if must_exist and database not in (None, "", ":memory:") and not Path(str(database)).is_file():
        raise InvalidInputError(
            f"storage must be an existing record, but there is no file {database!r}: run "
            "lrtune search first, or name the record with --storage"
        )


def _open_database(storage: str, *, must_exist: bool) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    _require_database_file(storage, must_exist=must_exist)
    try:
        return _connect(storage)
    except (ImportError, SQLAlchemyError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"storage must be a file or a database that can be reached, but "
            f"{public_name(storage)} gave {type(error).__name__}: is its address right, may it "
            "be written, is its driver installed?"
        ) from None  # the original error may quote the password


def lost_connection(storage: str) -> tuple[type[Exception], ...]:
    """What may be raised when a database is out of reach; nothing if the storage is a file."""
    if "://" not in storage:
        return ()
    from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

    return StorageInternalError, OperationalError, InterfaceError, InternalError


def open_storage(
    storage: str, *, must_exist: bool = False, mend: bool = False
) -> tuple[BaseStorage, BlockJournal | None]:
    """Open a journal file, or any storage that Optuna has a URL for.

    Parameters
    ----------
    storage : str
        A path, or a URL such as ``sqlite:///studies.db``.
    must_exist : bool, default=False
        Refuse a file that is not there, rather than make it.
    mend : bool, default=False
        Cut off what a crash left of a journal's last line; who only reads skips it.

    Returns
    -------
    storage : optuna.storages.BaseStorage
    journal : BlockJournal or None
        The journal behind it, if it is a file.

    Raises
    ------
    InvalidInputError
        If the storage cannot be opened.
    """
    if "://" in storage:
        return _open_database(storage, must_exist=must_exist), None
    path = Path(storage)
    if must_exist and not path.is_file():
        raise InvalidInputError(
            f"storage must be an existing record, but there is no file {public_name(storage)!r}: "
            "run lrtune search first, or name the record with --storage"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInputError(
            f"storage must be a file in an existing folder, but got {public_name(storage)!r}"
        )
    try:
        journal = BlockJournal(storage)
        journal.require_journal()
        opened = JournalStorage(journal)
        if mend:
            journal.mend()
        return opened, journal
    except (OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise InvalidInputError(  # Optuna asserts what its own journals hold
            f"storage must be an Optuna journal that can be read and written, but {storage!r} "
            f"gave {type(error).__name__}: {str(error).rstrip('.')}: name another with --storage"
        ) from error


def patiently(action: Callable[[], T], storage: str) -> T:
    """What an action on a storage gives; a database out of reach is tried again for a minute.

    Parameters
    ----------
    action : callable
        May be repeated.
    storage : str
        As it may be shown.

    Warns
    -----
    RecordWarning
        Before each further attempt.
    """
    for wait in RETRY_SECONDS:
        try:
            return action()
        except lost_connection(storage) as error:
            warnings.warn(
                f"{storage} is out of reach ({type(error).__name__}): trying again in {wait:g} s",
                RecordWarning,
                stacklevel=4,
            )
            time.sleep(wait)
    return action()
