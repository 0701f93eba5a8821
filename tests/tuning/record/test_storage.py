"""Opening a storage: what is refused, how it is shown, where it lies, and that it is closed."""

import gc
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError

from lrtune.exceptions import InvalidInputError, RecordWarning
from lrtune.tuning.record import storage as storages
from lrtune.tuning.record.storage import (
    NETWORK_FILE_SYSTEMS,
    RETRY_SECONDS,
    lost_connection,
    network_file_system,
    open_storage,
    public_name,
    quiet_optuna,
    with_retries,
)


def test_a_file_of_another_kind_is_left_as_it_is(folder: Path) -> None:
    for content in (b"a precious note", b"line\nline", b'{"json": 1}'):
        Path("note").write_bytes(content)
        with pytest.raises(InvalidInputError, match="Optuna journal"):
            open_storage("note")

        assert content == Path("note").read_bytes()


def open_files(name: str) -> int:
    """Count this process's open files of that name."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.readlink().name == name for link in links)


@pytest.mark.parametrize(
    "storage", [pytest.param("record.journal", marks=pytest.mark.slow), "sqlite:///record.db"]
)
def test_a_storage_that_is_no_longer_used_leaves_no_file_open(folder: Path, storage: str) -> None:
    opened, journal = open_storage(storage)
    optuna.create_study(storage=opened, study_name="study")
    before = open_files("record.journal") + open_files("record.db")
    del opened, journal
    gc.collect()

    assert before
    assert not open_files("record.journal") + open_files("record.db")


@pytest.mark.parametrize(
    ("storage", "shown"),
    [
        ("a/b.journal", "a/b.journal"),
        ("sqlite:///s.db", "sqlite:///s.db"),
        ("mysql://u:p4ss@h/d", "mysql://u:***@h/d"),
        ("bad port://u:p4ss@h:x/d", "bad port://u:***@h:x/d"),
        ("mysql:/u:p@4/ss@h/d", "mysql:/u:***@h/d"),
        ("mysql://h/d?user=u&sslpassword=p4ss", "mysql://h/d?user=u&sslpassword=***"),
        ("at 12:30:15 me@home.journal", "at 12:30:15 me@home.journal"),
        (r"C:\studies\at 12:30 me@home.journal", r"C:\studies\at 12:30 me@home.journal"),
    ],
)
def test_passwords_are_not_shown(storage: str, shown: str) -> None:
    assert shown == public_name(storage)


@pytest.mark.parametrize(
    ("storage", "fragment"),
    [
        ("none.journal", "no file 'none.journal'"),
        ("sqlite:///none.db", "no file 'none.db'"),
        ("mysql:/u:p4ss@h/d", "no file 'mysql:/u:***@h/d'"),
    ],
)
def test_a_missing_record_is_refused_and_not_created(
    folder: Path, storage: str, fragment: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        open_storage(storage, must_exist=True)

    assert fragment in str(refused.value)
    assert "`storage`" in str(refused.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("storage", [".", "no/such/folder/x.journal"])
def test_a_file_must_be_in_an_existing_folder(folder: Path, storage: str) -> None:
    with pytest.raises(InvalidInputError, match="existing folder, but got"):
        open_storage(storage)


@pytest.mark.parametrize("storage", ["nonsense://u:p4ss@h/d", "sqlite:///no/such/x.db"])
def test_a_database_that_cannot_be_opened_is_refused_without_its_password(
    folder: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storages, "CONNECT_ATTEMPTS", 1)
    with pytest.raises(InvalidInputError, match="can be reached, but") as refused:
        open_storage(storage)

    assert "p4ss" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_lost_database_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(storages.time, "sleep", waits.append)
    failures = iter([StorageInternalError("gone")] * 2)

    def action() -> str:
        for failure in failures:
            raise failure
        return "done"

    with pytest.warns(RecordWarning, match=r"db is out of reach .* trying again in") as warned:
        assert with_retries(action, "mysql://db") == "done"
    assert waits == list(RETRY_SECONDS[:2])
    assert len(warned) == 2


def test_a_database_that_stays_lost_raises_its_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages.time, "sleep", lambda _: None)

    def action() -> None:
        raise StorageInternalError("gone")

    with pytest.warns(RecordWarning), pytest.raises(StorageInternalError, match="gone"):
        with_retries(action, "mysql://db")


def test_a_file_that_fails_is_not_tried_again() -> None:
    def action() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        with_retries(action, "record.journal")
    assert lost_connection("record.journal") == ()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/x.journal", "nfs4"),
        ("/home/local/x.journal", None),
        ("/my share/x.journal", "cifs"),
        ("/var/x.journal", None),
        ("sqlite:////home/me/x.db", None),
    ],
)
def test_a_network_drive_is_recognised_by_the_nearest_mount(path: str, kind: str | None) -> None:
    mounts = (
        "/dev/sda / ext4 rw 0 0\n"
        "server:/home /home nfs4 rw 0 0\n"
        "/dev/sdb /home/local xfs rw 0 0\n"
        "//nas/share /my\\040share cifs rw 0 0\n"
    )

    assert network_file_system(path, mounts) == kind
    assert kind is None or kind in NETWORK_FILE_SYSTEMS


def test_without_a_table_of_mounts_no_drive_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "MOUNTS", Path("/no/such/file"))

    assert network_file_system("/home/me/x.journal") is None


def test_optuna_is_quiet_only_inside() -> None:
    before = optuna.logging.get_verbosity()
    with quiet_optuna():
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING

    assert optuna.logging.get_verbosity() == before
