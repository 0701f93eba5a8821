"""Bad input: one clear line on standard error, exit code 2, nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TABLES = {
    "header.csv": "a,b,c\n",
    "one_column.csv": "a\n1\n2\n",
    "one_class.csv": "a,y\n" + "1,x\n2,x\n" * 8,
    "good.csv": "a,b,y\n" + "1,2,u\n2,3,v\n" * 8,
    "one_line.txt": "a precious note",
    "whole_line.txt": "a precious note\n",
    "long_rows.csv": "a,y\n" + "1.5,1,0\n2.5,0,1\n" * 8,
    "no_header.csv": "1,2,3\n4,5,6\n" * 8,
    "huge.csv": "a,y\n" + "1e300,u\n2,v\n" * 8,
    "constant.csv": "a,y\n" + "1,0.5\n2,0.5\n" * 8,
    "tiny.csv": "a,y\n1,u\n2,v\n3,u\n4,v\n",
}
CASES = {
    ("search", "nowhere.csv"): "'nowhere.csv'",
    ("search", "."): "'.' is a folder: name one in it",
    ("search", "header.csv"): "has 3 and 0",
    ("search", "one_column.csv"): "has 1 and 2",
    ("search", "one_class.csv"): "at least 2 classes, but got 1",
    ("search", "tiny.csv"): "8 rows",
    ("search", "long_rows.csv"): "header",
    ("search", "no_header.csv"): "header line",
    ("search", "huge.csv"): "at most 1e+30",
    ("search", "constant.csv", "--task", "regression"): "vary",
    ("search", "iris", "--name", ""): "printable",
    ("search", "iris", "--name", "two\nlines"): "printable",
    ("search", "iris", "--hidden", "9" * 30): "at most 1000000",
    ("search", "iris", "--epochs", "9" * 30): "not in the range",
    ("search", "iris", "--storage", "sqlite:///typo.db", "--resume"): "no file 'typo.db'",
    ("studies", "--storage", "sqlite:///typo.db"): "no file 'typo.db'",
    ("search", "good.csv", "--task", "regression"): "numeric, but column 'y'",
    ("search", "iris", "--target", "x"): "target",
    ("search", "iris", "--task", "regression"): "classification",
    ("search",): "Missing argument 'DATA': lrtune search --help shows how",
    ("search", "iris", "wine"): "extra argument (wine): lrtune search --help shows how",
    ("serach", "iris"): "No such command 'serach': do you mean search?",
    ("plant", "iris"): "No such command 'plant': there are completion, dashboard,",
    ("search", "iris", "--replicates", "9" * 9): "not in the range 1<=x<=10000",
    ("schedule", "--epochs", "9" * 9): "not in the range 1<=x<=1000000",
    ("search", "iris", "--audit-pruning", "half"): "'half' is not a valid number",
    ("search", "iris", "--report", "."): "must end in .html, but got '.'",
    ("search", "iris", "--epochs", "0"): "0 is not in the range",
    ("search", "iris", "--epochs", "-3"): "-3 is not in the range",
    ("search", "iris", "--epochs", "many"): "'many' is not a valid integer",
    ("search", "iris", "--trials", "0"): "0 is not in the range",
    ("search", "iris", "--batch-size", "0"): "0 is not in the range",
    ("search", "iris", "--replicates", "0"): "0 is not in the range",
    ("search", "iris", "--seed", "-1"): "-1 is not in the range",
    ("search", "iris", "--hidden", "50,x"): "whole numbers separated by commas",
    ("search", "iris", "--hidden", "50,0"): "at most 1000000",
    ("search", "iris", "--hidden", ""): "whole numbers separated by commas",
    ("search", "iris", "--decay", "magic"): "among constant, inverse_time",
    ("search", "iris", "--decay", "cosine,cosine"): "each type once",
    ("search", "iris", "--alpha0", "1:0.1"): "LOW <= HIGH",
    ("search", "iris", "--alpha0", "nan:1"): "LOW:HIGH",
    ("search", "iris", "--alpha0", "0:1"): "positive",
    ("search", "iris", "--alpha0", "0.1:inf"): "LOW:HIGH",
    ("search", "iris", "--alpha0", "low"): "LOW:HIGH",
    ("search", "iris", "--decay-rate", "-1:1"): "positive",
    ("search", "iris", "--optimizer", "lion"): "'lion' is not one of",
    ("search", "iris", "--timeout", "0"): "not in the range x>0",
    ("search", "iris", "--timeout", "nan"): "finite number",
    ("search", "iris", "--storage", "no/such/folder/x.journal"): "existing folder",
    ("search", "iris", "--storage", "."): "existing folder",
    ("search", "iris", "--storage", "binary.csv"): "Optuna journal",
    ("search", "iris", "--storage", "good.csv"): "Optuna journal",
    ("search", "iris", "--storage", "one_line.txt"): "Optuna journal",
    ("search", "iris", "--storage", "whole_line.txt"): "Optuna journal",
    ("search", "iris", "--storage", "oracle9://x:secret@y/z"): "reached",
    ("search", "iris", "--baseline", "--no-confirm"): "got --no-confirm: leave out one",
    ("search", "iris", "--plot", "x.png", "--no-confirm"): "got --no-confirm: leave out one",
    ("search", "iris", "--audit-pruning", "0.5"): "got --pruner none: name one of median",
    ("search", "nowhere.csv", "--baseline", "--no-confirm"): "leave out one",  # at once
    ("search", "nowhere.csv", "--plot", "x.png", "--no-confirm"): "leave out one",
    ("search", "nowhere.csv", "--audit-pruning", "0.5"): "but got --pruner none",
    ("search", "iris", "--decay", "all,cosine"): "among constant, inverse_time",
    ("search", "iris", "--resume"): "no file 'lrtune.journal'",
    ("search", "iris", "--colour"): "No such option",
    ("studies",): "no file 'lrtune.journal'",
    ("studies", "--storage", "binary.csv"): "Optuna journal",
    ("schedule", "--alpha0", "-1"): "-1.0 is not in the range x>0",
    ("schedule", "--decay", "plateau"): "follows the validation loss",
    ("schedule", "--decay-rate", "-1"): "-1.0 is not in the range x>=0",
    ("schedule", "--epochs", "0"): "0 is not in the range",
    ("schedule", "--cycle-epochs", "1", "--warmup-epochs", "2"): "greater than --warmup-epochs",
    ("schedule", "--min-learning-rate", "2"): "at most --alpha0",
    ("schedule", "--plot", "curve.xyz"): "end in .png, .svg, .pdf",
    ("schedule", "--plot", "no/such/curve.png"): "existing folder",
    ("frobnicate",): "No such command 'frobnicate'",
}


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_bad_input_is_one_clear_line(
    lrtune: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    for name, content in TABLES.items():
        (folder / name).write_text(content)
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 8)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run = lrtune(*words)
    message = run.err.splitlines()[-1]

    assert run.code == 2
    assert run.out == ""
    assert message.startswith("lrtune: ")
    assert CASES[words] in message
    assert "Traceback" not in run.err
    assert "secret" not in run.err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("words", [("search", "iris"), ("schedule",)], ids=" ".join)
def test_a_figure_is_not_drawn_in_place_of_a_folder(
    lrtune: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    (folder / "figures.png").mkdir()
    run = lrtune(*words, "--plot", "figures.png")

    assert (run.code, run.out) == (2, "")
    assert "'figures.png' is a directory" in run.err
    assert [path.name for path in folder.iterdir()] == ["figures.png"]


def test_a_resumed_search_must_keep_its_options(lrtune: Callable[..., Any], folder: Path) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "2")
    before = (folder / "lrtune.journal").read_bytes()
    for words, value in {
        ("--seed", "1"): "seed=0",
        ("--epochs", "3"): "epochs=2",
        ("--decay", "cosine"): "decay=",
        ("--hidden", "5"): "hidden=",
    }.items():
        run = lrtune("search", "iris", "--trials", "2", "--epochs", "2", "--resume", *words)

        assert run.code == 2
        assert value in run.err
        assert "repeat" in run.err
    assert before == (folder / "lrtune.journal").read_bytes()


def test_a_study_of_another_name_cannot_be_resumed(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "2")
    run = lrtune("search", "wine", "--resume")

    assert run.code == 2
    assert "'wine'; it has iris" in run.err
