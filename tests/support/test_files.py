"""Files are written completely or not at all."""

from pathlib import Path

import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.support.files import require_new, write_file, write_new_file
from tests.full_disk import largest_file


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_new_file_may_be_written(folder: Path) -> None:
    require_new(folder / "new.txt")
    write_new_file(folder / "new.txt", b"content")

    assert (folder / "new.txt").read_bytes() == b"content"
    assert names(folder) == ["new.txt"]


def test_an_existing_file_is_refused_and_unchanged(folder: Path) -> None:
    path = folder / "old.txt"
    path.write_bytes(b"old")

    with pytest.raises(InvalidInputError, match=r"new file, but .*old.txt.*: name another"):
        write_new_file(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"existing folder, but .*missing.* is none"):
        require_new(folder / "missing" / "new.txt")


def test_a_file_is_replaced(folder: Path) -> None:
    path = folder / "old.txt"
    path.write_bytes(b"old")
    write_file(path, b"new")

    assert path.read_bytes() == b"new"


def test_a_link_is_followed(folder: Path) -> None:
    (folder / "old.txt").write_bytes(b"old")
    (folder / "link.txt").symlink_to("old.txt")
    write_file(folder / "link.txt", b"new")

    assert (folder / "link.txt").is_symlink()
    assert (folder / "old.txt").read_bytes() == b"new"


def test_on_a_full_disk_nothing_is_left_behind(folder: Path) -> None:
    with largest_file(10), pytest.raises(InvalidInputError, match=r"enough space, but .*new.txt"):
        write_new_file(folder / "new.txt", b"content" * 10)

    assert names(folder) == []


def test_on_a_full_disk_the_old_file_stays(folder: Path) -> None:
    path = folder / "old.txt"
    path.write_bytes(b"old")
    with largest_file(10), pytest.raises(OSError, match="too large"):
        write_file(path, b"content" * 10)

    assert path.read_bytes() == b"old"
    assert names(folder) == ["old.txt"]


def test_what_an_open_file_prevents_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_bytes(b"old")
    replace, refused = Path.replace, []

    def refuse_twice(path: Path, target: Path) -> Path:
        if len(refused) < 2:
            refused.append(path)
            raise PermissionError(13, "The process cannot access the file")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse_twice)
    write_file(folder / "file", b"new")

    assert (folder / "file").read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["file"]
