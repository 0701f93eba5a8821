"""Bad options, records and files: one clear line, exit code 2, nothing written or changed."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OPTIONS = {
    ("--epochs", "nan"): "'nan' is not a valid integer",
    ("--epochs", "inf"): "'inf' is not a valid integer",
    ("--epochs", "-1"): "-1 is not in the range 1<=x<=1000000",
    ("--epochs", "2.5"): "'2.5' is not a valid integer",
    ("--trials", "-5"): "-5 is not in the range 1<=x<=1000000",
    ("--trials", "inf"): "'inf' is not a valid integer",
    ("--replicates", "-1"): "-1 is not in the range 1<=x<=10000",
    ("--batch-size", "-32"): "-32 is not in the range x>=1",
    ("--jobs", "0"): "0 is not in the range 1<=x<=1024",
    ("--seed", "nan"): "'nan' is not a valid integer",
    ("--seed", "4294967296"): "4294967296 is not in the range",
    ("--timeout", "inf"): "must be a finite number, but got 'inf'",
    ("--timeout", "-inf"): "-inf is not in the range x>0",
    ("--timeout", "-1"): "-1.0 is not in the range x>0",
    ("--timeout", "soon"): "'soon' is not a valid number",
    ("--alpha0", "nan"): "must be LOW:HIGH, for example 0.001:1, but got 'nan'",
    ("--alpha0", "inf:inf"): "must be LOW:HIGH",
    ("--alpha0", "-1:1"): "two positive numbers with LOW <= HIGH, but got '-1:1'",
    ("--alpha0", "1:1e-3"): "two positive numbers with LOW <= HIGH, but got '1:1e-3'",
    ("--alpha0", "1:2:3"): "must be LOW:HIGH",
    ("--decay-rate", "10:0.1"): "two positive numbers with LOW <= HIGH, but got '10:0.1'",
    ("--decay-rate", "0"): "two positive numbers",
    ("--decay-rate", "nan:1"): "must be LOW:HIGH",
    ("--decay", ""): "must be among constant, inverse_time, compound",
    ("--decay", "cosine,"): "but got ''",
    ("--decay", "Cosine"): "but got 'Cosine'",
    ("--audit-pruning", "nan", "--pruner", "median"): "nan",
    ("--audit-pruning", "1.5", "--pruner", "median"): "1.5 is not in the range 0<x<=1",
    ("--hidden", "nan"): "whole numbers separated by commas",
    ("--hidden", "-5"): "at least 1",
    ("--save", "mine.skops"): "must be a new file, but 'mine.skops' exists: name another",
    ("--save", "model.pkl"): "must end in .skops, but got 'model.pkl'",
    ("--save", "no such/model.skops"): "existing folder, but 'no such' is none",
    ("--report", "mine.html"): "must be a new file, but 'mine.html' exists: name another",
    ("--report", "report.pdf"): "must end in .html, but got 'report.pdf'",
    ("--report", "no/report.html"): "existing folder, but 'no' is none",
    ("--plot", "no/plot.png"): "existing folder, but 'no' is none",
    ("--config", "mine.html"): "must be a readable TOML file",
    ("--save", "m.skops", "--preprocessor", "skrub"): "--save takes models that can be loaded "
    "without running code, but got --preprocessor skrub: leave out one of them",
    ("--task", "clustering"): "'clustering' is not one of",
    ("iris",): "unexpected extra argument (iris)",
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def require_one_line(run: Any, message: str) -> None:
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert len(run.err.splitlines()) == 1
    assert run.err.startswith("lrtune: ")


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_a_bad_option_is_one_clear_line(
    lrtune: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    for name in ("mine.skops", "mine.html"):
        (folder / name).write_text("precious")
    before = contents(folder)

    require_one_line(lrtune("search", "iris", *words), OPTIONS[words])
    assert before == contents(folder)


@pytest.fixture
def journal(lrtune: Callable[..., Any], folder: Path) -> Path:
    """A record of a study named iris."""
    lrtune("search", "iris", "--trials", "3", "--epochs", "1", "--no-confirm")
    return folder / "lrtune.journal"


CORRUPTIONS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "text between": lambda lines: [*lines[:2], b"a precious note\n", *lines[2:]],
    "a torn line between": lambda lines: [*lines[:2], lines[2][:20] + b"\n", *lines[3:]],
    "a line of another kind": lambda lines: [*lines[:2], b"[1, 2]\n", *lines[2:]],
    "an unknown operation": lambda lines: [*lines[:2], b'{"op_code":99}\n', *lines[2:]],
    "zeros": lambda lines: [*lines[:2], bytes(100) + b"\n", *lines[2:]],
}


@pytest.mark.parametrize("command", ["search iris --resume", "search iris", "studies", "show iris"])
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corrupt_journal_is_refused_and_left_alone(
    lrtune: Callable[..., Any], folder: Path, journal: Path, kind: str, command: str
) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(CORRUPTIONS[kind](lines)))
    before = contents(folder)

    require_one_line(lrtune(*command.split()), "must be an Optuna journal that can be read")
    assert before == contents(folder)


def test_a_study_of_another_data_set_is_not_gone_on_with(
    lrtune: Callable[..., Any], folder: Path, journal: Path
) -> None:
    before = contents(folder)
    words = ("--name", "iris", "--trials", "3", "--epochs", "1", "--no-confirm")
    run = lrtune("search", "wine", *words, "--resume")

    require_one_line(run, "dataset='wine'")
    assert before == contents(folder)
    assert lrtune("search", "wine", *words, "--json").json["study"] == "iris-2"


def test_a_hostile_model_runs_nothing(lrtune: Callable[..., Any], folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (exec, ("open('canary', 'w').close()",))

    (folder / "evil.skops").write_bytes(pickle.dumps(Bomb()))
    before = contents(folder)
    run = lrtune("predict", "evil.skops", "iris")

    require_one_line(run, "'evil.skops' is not, so nothing in it was loaded")
    assert before == contents(folder)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no folder to fail in")
def test_a_file_that_cannot_be_written_costs_no_result(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    words = ("search", "iris", "--trials", "3", "--epochs", "1", "--no-confirm", "--json")
    run = lrtune(*words, "--save", "/proc/model.skops")

    assert run.code == 2
    assert run.json["study"] == "iris"
    last = run.err.splitlines()[-1]
    assert last.startswith("lrtune: ")
    assert "'/proc/model.skops'" in last
    assert [path.name for path in folder.iterdir()] == ["lrtune.journal"]


def test_spaces_and_letters_of_all_kinds_are_welcome(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    place = folder / "größe & ‘co’"
    place.mkdir()
    (place / "my täble.csv").write_text("a,b,ÿ\n" + "1,2,u\n2,3,v\n" * 8, encoding="utf-8")
    (place / "ein stellung.toml").write_text("epochs = 1\ntrials = 3\nconfirm = false\n")
    name = f"{place.name}/"
    run = lrtune(
        "search", f"{name}my täble.csv", "--config", f"{name}ein stellung.toml",
        "--storage", f"{name}mein journal", "--name", "日本 1", "--json",
    )  # fmt: skip

    assert (run.code, run.json["study"]) == (0, "日本 1")
    assert lrtune("show", "日本 1", "--storage", f"{name}mein journal").code == 0
    assert json.loads(lrtune("studies", "--json", "--storage", f"{name}mein journal").out)
