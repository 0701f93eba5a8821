"""``lrtune report``."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from lrtune.cli import main
from lrtune.review.gallery import GALLERY

SEARCH = ("search", "iris", "--trials", "4", "--epochs", "2", "--quiet")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with a study named iris."""
    folder = tmp_path_factory.mktemp("record")
    with contextlib.chdir(folder):
        main([*SEARCH])
    return folder / "lrtune.journal"


@pytest.fixture
def searched(record: Path, folder: Path) -> None:
    """A study named iris."""
    shutil.copy(record, folder)


def test_the_page_is_named_after_the_study(
    lrtune: Callable[..., Any], searched: None, folder: Path
) -> None:
    run = lrtune("report", "iris")
    page = (folder / "iris.html").read_text(encoding="utf-8")

    assert (run.code, run.out, run.err) == (0, "", "written: iris.html\n")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    assert list(folder.glob(".lrtune-*")) == []


@pytest.mark.slow
def test_a_name_that_is_no_file_name_is_made_one(lrtune: Callable[..., Any], folder: Path) -> None:
    name = "../a b/<i>.x"
    short = ("--trials", "1", "--epochs", "1", "--no-confirm")
    assert lrtune(*SEARCH[:2], *short, "--name", name).code == 0
    run = lrtune("report", name)

    assert (run.code, run.err) == (0, "written: a-b-i-.x.html\n")
    assert (folder / "a-b-i-.x.html").is_file()


@pytest.mark.slow
def test_figures_go_to_a_new_folder(lrtune: Callable[..., Any], folder: Path) -> None:
    words = ("search", "iris", "--trainings", "200", "--epochs", "2", "--quiet")
    lrtune(*words)  # enough for importances and the sensitivity, too
    run = lrtune("report", "iris", "--format", "png")
    written = sorted((folder / "iris-figures").iterdir())

    assert (run.code, run.err) == (0, "written: iris-figures\n")
    assert [path.name for path in written] == sorted(f"{name}.png" for name in GALLERY)
    assert (folder / "iris-figures").stat().st_mode == folder.stat().st_mode
    assert list(folder.glob(".lrtune-*")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wine",), "a study to report on must exist, but lrtune.journal has none named 'wine'"),
        (("iris", "--format", "pdf"), "'pdf' is not one of"),
        (("iris", "--storage", "none.journal"), "no file 'none.journal'"),
        (("iris", "--output", "no/such/f.html"), "existing folder"),
        (("iris", "--output", "mine.html"), "must be a new file, but 'mine.html' exists"),
        (("iris", "--format", "png", "--output", "full"), "'full' exists"),
        (("mine",), "'--output': must be a new file, but 'mine.html' exists: name another"),
        ((), "Missing argument 'STUDY'"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    lrtune: Callable[..., Any], searched: None, folder: Path, words: tuple[str, ...], message: str
) -> None:
    (folder / "mine.html").write_text("precious")
    (folder / "full").mkdir()
    before = sorted(folder.rglob("*"))
    run = lrtune("report", *words)

    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before
    assert (folder / "mine.html").read_text() == "precious"


def test_a_study_of_another_program_is_refused(lrtune: Callable[..., Any], folder: Path) -> None:
    optuna.create_study(storage="sqlite:///s.db", study_name="foreign")
    run = lrtune("report", "foreign", "--storage", "sqlite:///s.db")

    assert run.code == 2
    assert "made by another program: look at it with optuna-dashboard" in run.err
    assert not (folder / "foreign.html").exists()


@pytest.mark.slow
def test_a_failure_while_drawing_leaves_nothing(
    lrtune: Callable[..., Any], searched: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "rename", fail)
    run = lrtune("report", "iris", "--format", "png")

    assert run.code == 2
    assert "free space, but 'iris-figures' gave: no space left" in run.err
    assert [path.name for path in folder.iterdir() if "journal" not in path.name] == []
