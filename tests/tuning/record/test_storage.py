"""Opening a storage: what is refused, what is shown, what is left open."""

import gc
from pathlib import Path

import optuna
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.record.storage import open_storage, public_name


def test_a_file_of_another_kind_is_left_as_it_is(folder: Path) -> None:
    for content in (b"a precious note", b"line\nline", b'{"json": 1}'):
        Path("note").write_bytes(content)
        with pytest.raises(InvalidInputError, match="Optuna journal"):
            open_storage("note")

        assert content == Path("note").read_bytes()


def open_files(name: str) -> int:
    """How many of this process's open files have that name."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.readlink().name == name for link in links)


@pytest.mark.parametrize("storage", ["record.journal", "sqlite:///record.db"])
def test_a_storage_that_is_let_go_leaves_no_file_open(folder: Path, storage: str) -> None:
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
    ],
)
def test_passwords_are_not_shown(storage: str, shown: str) -> None:
    assert shown == public_name(storage)
