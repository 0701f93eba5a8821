"""Open storages: a journal file, or any database that Optuna has a URL for.

SQLAlchemy is imported only for a database.
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
from optuna.storages import BaseStorage, JournalStorage

from lrtune.exceptions import InvalidInputError, RecordWarning
from lrtune.support.secrets import masked
from lrtune.tuning.record.journal import BlockJournal

DEFAULT_STORAGE = "lrtune.journal"
CONNECT_ATTEMPTS = 5
RETRY_SECONDS = (0.5, 1, 2, 4, 8, 15, 30)
"""Waits between attempts to reach a lost database: a minute in all, enough for it to restart."""
MOUNTS = Path("/proc/self/mounts")
NETWORK_FILE_SYSTEMS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gfs2", "gpfs",
    "lustre", "nfs", "nfs4", "smb3", "smbfs",
)  # fmt: skip
"""File systems whose locks cannot be relied on."""

_T = TypeVar("_T")
_LIKE_A_URL = re.compile(r"[A-Za-z][\w+.-]+:")  # one with a slash too few; not C: of Windows

_OCTAL = re.compile(r"\\([0-7]{3})")  # a space in a table of mounts is \040


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from logging what lrtune reports itself."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


# --- names and places -----------------------------------------------------------------------------


def public_name(storage: str) -> str:
    """Return a storage as it may be shown, without the password of a URL.

    >>> public_name("postgresql+psycopg://me:secret@db/studies")
    'postgresql+psycopg://me:***@db/studies'
    >>> public_name("lrtune.journal")
    'lrtune.journal'
    """
    return masked(storage) if "://" in storage or _LIKE_A_URL.match(storage) else storage


def network_file_system(storage: str, mounts: str | None = None) -> str | None:
    r"""Return the kind of network drive that a file is on; None if on none, or if unknown.

    `mounts` is the text of Linux's table of mounted file systems, by default this machine's.

    >>> mounts = "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0"
    >>> network_file_system("/home/me/lrtune.journal", mounts)
    'nfs4'
    >>> network_file_system("/tmp/lrtune.journal", mounts) is None
    True
    """
    if "://" in storage or (mounts is None and not MOUNTS.is_file()):
        return None
    path = Path(storage).resolve()
    kinds: dict[Path, str] = {}
    if mounts is None:
        mounts = MOUNTS.read_text("utf-8", errors="surrogateescape")
    for line in mounts.splitlines():
        _, folder, kind, *_ = line.split()
        kinds[Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), folder))] = kind
    kind = next((kinds[each] for each in (path, *path.parents) if each in kinds), "")
    return kind if kind in NETWORK_FILE_SYSTEMS else None


# --- opening --------------------------------------------------------------------------------------


def open_storage(
    storage: str, *, must_exist: bool = False, mend: bool = False
) -> tuple[BaseStorage, BlockJournal | None]:
    """Open a journal file, or any storage that Optuna has a URL for.

    With `must_exist`, a missing file is refused rather than created. With `mend`, which is needed
    before anything is appended, a half-written last line is cut off a journal. Return Optuna's
    storage, and the journal behind it if it is a file.
    """
    if "://" in storage:
        return _open_database(storage, must_exist=must_exist), None
    path = Path(storage)
    if must_exist and not path.is_file():
        raise _missing(public_name(storage))
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInputError(
            f"`storage` must be a file in an existing folder, but got {public_name(storage)!r}: "
            "make the folder, or name another file"
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
            f"`storage` must be an Optuna journal that can be read and written, but {storage!r} "
            f"gave {type(error).__name__}: {str(error).rstrip('.')}: name another `storage`"
        ) from error


def _open_database(storage: str, *, must_exist: bool) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    if must_exist:
        _require_database_file(storage)
    try:
        return _connect(storage)
    except (ImportError, SQLAlchemyError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"`storage` must be a file or a database that can be reached, but "
            f"{public_name(storage)} gave {type(error).__name__}: check its address, that it is "
            "writable, and that its driver is installed"
        ) from None  # the original error may quote the password


def _require_database_file(storage: str) -> None:
    """Refuse a SQLite file that does not exist, which connecting would create."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(storage)
    except (ArgumentError, ValueError):
        return
    database = url.database if url.get_backend_name() == "sqlite" else None
    if database not in (None, "", ":memory:") and not Path(str(database)).is_file():
        raise _missing(str(database))


def _missing(file: str) -> InvalidInputError:
    return InvalidInputError(
        f"`storage` must be an existing record, but there is no file {file!r}: run lrtune search "
        "first, or name another `storage`"
    )


def _connect(storage: str) -> BaseStorage:
    """Connect; retry, as processes that create the same tables at once may disturb each other."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    from lrtune.tuning.record.database import BlockDatabase

    for attempt in range(CONNECT_ATTEMPTS):
        try:
            database = BlockDatabase(storage)
        except (OperationalError, IntegrityError, ProgrammingError):
            if attempt + 1 == CONNECT_ATTEMPTS:
                raise
            time.sleep(0.2 * 2**attempt)
        else:
            weakref.finalize(database, database.engine.dispose)  # Optuna leaves connections open
            return optuna.storages.get_storage(database)
    raise AssertionError


# --- databases out of reach -----------------------------------------------------------------------


def lost_connection(storage: str) -> tuple[type[Exception], ...]:
    """Return the errors that a database out of reach raises; none if the storage is a file."""
    if "://" not in storage:
        return ()
    from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

    return StorageInternalError, OperationalError, InterfaceError, InternalError


def with_retries(action: Callable[[], _T], storage: str) -> _T:
    """Return the result of an action on a storage; a database out of reach is retried for a minute.

    `storage` is its public name; a RecordWarning precedes each retry.
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
