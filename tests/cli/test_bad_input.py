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
SHAPE = ("at least 2 columns and 8 rows", "add rows", "--separator")
HIDDEN = ("--hidden", "at least 1 and at most 1000000")
SIZES = ("--hidden", "whole numbers separated by commas", "50,12")
NAME = ("--name", "printable", "not empty")
DECAYS = ("--decay", "among constant, inverse_time")
RANGE = ("LOW:HIGH", "0.001:1")
ORDER = ("two positive numbers", "LOW <= HIGH")
RECORD = ("--storage", "existing record", "lrtune search first", "another --storage")
FOLDER = ("--storage", "existing folder", "make the folder", "another file")
JOURNAL = ("Optuna journal", "first line", "another --storage")
CONFLICT = ("got --no-confirm", "confirm", "leave out one")
AUDIT = ("--audit-pruning", "got --pruner none", "name one of median, percentile")
EPOCHS = ("--epochs", "not in the range 1<=x<=1000000")
COMMANDS = ("there are compare, completion,",)
CASES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("search", "nowhere.csv"): ("'nowhere.csv'", "bundled data set", "spelling"),
    ("search", "."): ("'.' is a folder", "must be a file", "name one in it"),
    ("search", "header.csv"): ("'header.csv' has 3 and 0", *SHAPE),
    ("search", "one_column.csv"): ("'one_column.csv' has 1 and 2", *SHAPE),
    ("search", "one_class.csv"): ("got 1", "at least 2 classes", "another --target"),
    ("search", "tiny.csv"): ("'tiny.csv' has 2 and 4", *SHAPE),
    ("search", "long_rows.csv"): ("'long_rows.csv'", "as many fields as the header", "--separator"),
    ("search", "no_header.csv"): ("'no_header.csv'", "header line", "name the columns"),
    ("search", "huge.csv"): ("1e+300", "'a' of huge.csv", "at most 1e+30", "larger unit"),
    ("search", "constant.csv", "--task", "regression"): ("0.5", "vary", "another --target"),
    ("search", "iris", "--name", ""): ("''", *NAME),
    ("search", "iris", "--name", "two\nlines"): (r"'two\nlines'", *NAME),
    ("search", "iris", "--hidden", "9" * 30): (f"'{'9' * 30}'", *HIDDEN),
    ("search", "iris", "--epochs", "9" * 30): ("9" * 30, *EPOCHS),
    ("search", "iris", "--storage", "sqlite:///typo.db", "--resume"): ("'typo.db'", *RECORD),
    ("studies", "--storage", "sqlite:///typo.db"): ("'typo.db'", *RECORD),
    ("search", "good.csv", "--task", "regression"): ("'u'", "numeric", "--task classification"),
    ("search", "iris", "--target", "x"): ("'x'", "--target must be left out", "'iris'"),
    ("search", "iris", "--task", "regression"): ("got regression", "--task", "classification"),
    ("search",): ("Missing argument 'DATA'", "lrtune search --help"),
    ("search", "iris", "wine"): ("extra argument (wine)", "lrtune search --help"),
    ("serach", "iris"): ("No such command 'serach'", "do you mean search?"),
    ("plant", "iris"): ("No such command 'plant'", *COMMANDS),
    ("search", "iris", "--replicates", "9" * 9): ("9" * 9, "not in the range 1<=x<=10000"),
    ("schedule", "--epochs", "9" * 9): ("9" * 9, *EPOCHS),
    ("search", "iris", "--audit-pruning", "half"): ("--audit-pruning", "'half'", "valid number"),
    ("search", "iris", "--report", "."): ("--report", "'.'", "end in .html"),
    ("search", "iris", "--epochs", "0"): (" 0 is", *EPOCHS),
    ("search", "iris", "--epochs", "-3"): ("-3 is", *EPOCHS),
    ("search", "iris", "--epochs", "many"): ("--epochs", "'many'", "valid integer"),
    ("search", "iris", "--trials", "0"): ("--trials", " 0 is not in the range 1<=x"),
    ("search", "iris", "--batch-size", "0"): ("--batch-size", " 0 is not in the range x>=1"),
    ("search", "iris", "--replicates", "0"): ("--replicates", " 0 is not in the range 1<=x"),
    ("search", "iris", "--seed", "-1"): ("--seed", "-1 is not in the range 0<=x"),
    ("search", "iris", "--hidden", "50,x"): ("'50,x'", *SIZES),
    ("search", "iris", "--hidden", "50,0"): ("'50,0'", *HIDDEN),
    ("search", "iris", "--hidden", ""): ("''", *SIZES),
    ("search", "iris", "--decay", "magic"): ("'magic'", *DECAYS),
    ("search", "iris", "--decay", "cosine,cosine"): ("'cosine,cosine'", "each type once"),
    ("search", "iris", "--alpha0", "1:0.1"): ("--alpha0", "'1:0.1'", *ORDER),
    ("search", "iris", "--alpha0", "nan:1"): ("--alpha0", "'nan:1'", *RANGE),
    ("search", "iris", "--alpha0", "0:1"): ("--alpha0", "'0:1'", *ORDER),
    ("search", "iris", "--alpha0", "0.1:inf"): ("--alpha0", "'0.1:inf'", *RANGE),
    ("search", "iris", "--alpha0", "low"): ("--alpha0", "'low'", *RANGE),
    ("search", "iris", "--decay-rate", "-1:1"): ("--decay-rate", "'-1:1'", *ORDER),
    ("search", "iris", "--optimizer", "lion"): ("--optimizer", "'lion'", "one of 'sgd', 'mom"),
    ("search", "iris", "--timeout", "0"): ("--timeout", "0.0 is", "not in the range x>0"),
    ("search", "iris", "--timeout", "nan"): ("--timeout", "'nan'", "finite number"),
    ("search", "iris", "--storage", "no/such/folder/x.journal"): ("'no/such/folder/x", *FOLDER),
    ("search", "iris", "--storage", "."): ("'.'", *FOLDER),
    ("search", "iris", "--storage", "binary.csv"): ("'binary.csv'", *JOURNAL),
    ("search", "iris", "--storage", "good.csv"): ("'good.csv'", *JOURNAL),
    ("search", "iris", "--storage", "one_line.txt"): ("'one_line.txt'", *JOURNAL),
    ("search", "iris", "--storage", "whole_line.txt"): ("'whole_line.txt'", *JOURNAL),
    ("search", "iris", "--storage", "oracle9://x:secret@y/z"): (
        "oracle9://x:***@y/z", "can be reached", "address", "driver is installed",
    ),
    ("search", "iris", "--baseline", "--no-confirm"): ("--baseline", *CONFLICT),
    ("search", "iris", "--plot", "x.png", "--no-confirm"): ("--plot", *CONFLICT),
    ("search", "iris", "--audit-pruning", "0.5"): AUDIT,
    ("search", "nowhere.csv", "--baseline", "--no-confirm"): ("--baseline", *CONFLICT),  # at once
    ("search", "nowhere.csv", "--plot", "x.png", "--no-confirm"): ("--plot", *CONFLICT),
    ("search", "nowhere.csv", "--audit-pruning", "0.5"): AUDIT,
    ("search", "iris", "--decay", "all,cosine"): ("'all'", *DECAYS),
    ("search", "iris", "--resume"): ("'lrtune.journal'", *RECORD),
    ("search", "iris", "--colour"): ("No such option", "--colour"),
    ("studies",): ("'lrtune.journal'", *RECORD),
    ("studies", "--storage", "binary.csv"): ("'binary.csv'", *JOURNAL),
    ("schedule", "--alpha0", "-1"): ("--alpha0", "-1.0 is not in the range x>0"),
    ("schedule", "--decay", "plateau"): (
        "--decay plateau", "validation loss", "read the model's learning_rate_curve_",
    ),
    ("schedule", "--decay-rate", "-1"): ("--decay-rate", "-1.0 is not in the range x>=0"),
    ("schedule", "--epochs", "0"): (" 0 is", *EPOCHS),
    ("schedule", "--cycle-epochs", "1", "--warmup-epochs", "2"): (
        "--cycle-epochs", "got 1.0", "greater than --warmup-epochs (2.0)",
    ),
    ("schedule", "--min-learning-rate", "2"): (
        "--min-learning-rate", "got 2.0", "at most --alpha0 (0.1)",
    ),
    ("schedule", "--plot", "curve.xyz"): ("--plot", "'curve.xyz'", "end in .png, .svg, .pdf"),
    ("schedule", "--plot", "no/such/curve.png"): ("--plot", "'no/such'", "existing folder"),
    ("frobnicate",): ("No such command 'frobnicate'", *COMMANDS),
}  # fmt: skip
"""The value, the rule and the cure that each message names."""


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
    assert [part for part in CASES[words] if part not in message] == []
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
        ("--seed", "1"): "--seed 0, and now --seed 1",
        ("--epochs", "3"): "--epochs 2, and now --epochs 3",
        ("--decay", "cosine"): "--decay cosine",
        ("--hidden", "5"): "--hidden 50,12, and now --hidden 5",
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
