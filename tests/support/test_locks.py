"""A lock on a file is held by one at a time, with and without fcntl."""

import sys
import threading
import time
from pathlib import Path

import pytest

from lrtune.support import locks
from tests.as_on_windows import stand_in_for_msvcrt


@pytest.mark.parametrize("has_fcntl", [True, False])
def test_one_holds_the_lock_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_fcntl: bool
) -> None:
    if not has_fcntl and sys.platform != "win32":
        monkeypatch.setitem(sys.modules, "msvcrt", stand_in_for_msvcrt())
        monkeypatch.setattr(locks, "fcntl", None)
    path, order = tmp_path / "file", []
    path.write_bytes(b"content")

    def second() -> None:
        with locks.exclusive_lock(path):
            order.append("second")

    with locks.exclusive_lock(path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
    assert path.read_bytes() == b"content"


def test_a_file_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locks.exclusive_lock(tmp_path / "file"):
        pass
