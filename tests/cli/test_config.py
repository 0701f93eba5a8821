"""``--config``: options from a TOML file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from lrtune.cli import COMMANDS, cli
from lrtune.cli.config import read_config

FORMS: dict[str, list[tuple[str, list[str]]]] = {
    "alpha0": [("[0.01, 1.0]", ["0.01:1.0"]), ('"0.01:1"', ["0.01:1"]), ("0.1", ["0.1"])],
    "audit-pruning": [("0.5", ["0.5"])],
    "baseline": [("true", [])],
    "batch-size": [("16", ["16"])],
    "class-weight": [('"balanced"', ["balanced"])],
    "confirm": [("true", [])],
    "no-confirm": [("true", [])],
    "no-header": [("true", [])],
    "column": [
        ('"zip=category"', ["zip=category"]),
        ('["a=number", "b=date:%d/%m"]', ["a=number", "--column", "b=date:%d/%m"]),
    ],
    "cycle-epochs": [("2.5", ["2.5"])],
    "decay": [('["linear", "cosine"]', ["linear,cosine"]), ('"all"', ["all"])],
    "decay-rate": [("[1, 2]", ["1:2"])],
    "default": [("0.01", ["0.01"])],
    "direction": [('"maximize"', ["maximize"])],
    "encoding": [('"utf-16"', ["utf-16"])],
    "engine": [('"dask://host:8786"', ["dask://host:8786"])],
    "epochs": [("3", ["3"])],
    "gpus": [("[0, 1]", ["0,1"]), ("0", ["0"]), ('"0,1"', ["0,1"])],
    "group": [('"patient"', ["patient"])],
    "header": [("true", [])],
    "hidden": [("[8, 4]", ["8,4"]), ("8", ["8"]), ('"8,4"', ["8,4"])],
    "jobs": [("2", ["2"])],
    "json": [("true", [])],
    "metric": [('"accuracy"', ["accuracy"])],
    "missing": [('[".."]', [".."]), ('["..", "n.a."]', ["..,n.a."])],
    "min-learning-rate": [("0.001", ["0.001"])],
    "name": [('"größe 1"', ["größe 1"])],
    "optimizer": [('"adam"', ["adam"])],
    "param": [
        ('"a=1:2"', ["a=1:2"]),
        ('["a=1:2", "b=x,3"]', ["a=1:2", "--param", "b=x,3"]),
    ],
    "per-gpu": [("2", ["2"])],
    "plot": [('"new plot.png"', ["new plot.png"])],
    "preprocessor": [('"skrub"', ["skrub"])],
    "pruner": [('"median"', ["median"])],
    "quiet": [("true", [])],
    "replicates": [("2", ["2"])],
    "report": [('"new.html"', ["new.html"])],
    "resume": [("true", [])],
    "save": [('"new.skops"', ["new.skops"])],
    "seed": [("7", ["7"])],
    "separator": [('";"', [";"])],
    "skip-lines": [("2", ["2"])],
    "storage": [('"sqlite:///s.db"', ["sqlite:///s.db"])],
    "target": [('"y"', ["y"])],
    "task": [('"regression"', ["regression"])],
    "test": [('"new.csv"', ["new.csv"])],
    "time": [('"day"', ["day"])],
    "timeout": [("2.5", ["2.5"]), ("60", ["60"])],
    "trainings": [("20", ["20"])],
    "trials": [("5", ["5"])],
    "update": [('"batch"', ["batch"])],
    "warmup-epochs": [("2", ["2"])],
}
"""Options of search: values in TOML, and the words that say the same on the command line."""


def search() -> click.Command:
    command = cli.get_command(click.Context(cli), "search")
    assert command is not None
    return command


def names() -> set[str]:
    options = [each for each in search().params if isinstance(each, click.Option)]
    words = {word for each in options for word in (*each.opts, *each.secondary_opts)}
    return {word.lstrip("-") for word in words} - {"config"}


def parsed(words: list[str]) -> dict[str, Any]:
    with search().make_context("search", ["iris", *words], obj=words) as ctx:
        return dict(ctx.params)


@pytest.mark.parametrize("name", sorted(names()))
def test_every_option_of_search_can_be_set_from_a_file(folder: Path, name: str) -> None:
    for value, words in FORMS[name]:
        expected = parsed([f"--{name}", *words])
        for key in (name, name.replace("-", "_")):
            (folder / "run.toml").write_text(f"{key} = {value}\n", encoding="utf-8")

            assert expected == parsed(["--config", "run.toml"])
    assert len(names()) >= 25


def test_the_command_line_wins(lrtune: Callable[..., Any], folder: Path) -> None:
    (folder / "run.toml").write_text(
        'trials = 3\nepochs = 2\nconfirm = false\njson = true\nname = "from file"\nseed = 5\n'
    )
    run = lrtune("search", "iris", "--config", "run.toml", "--name", "given", "--trials", "4")
    same = lrtune(
        "search", "iris", "--trials", "4", "--epochs", "2", "--no-confirm", "--seed", "5", "--json"
    )

    assert run.json["study"] == "given"
    assert sum(run.json["trials"].values()) == 4
    assert run.json["best"] == same.json["best"]
    assert run.json["confirmed_loss"] is None


def test_other_commands_take_a_file_too(lrtune: Callable[..., Any], folder: Path) -> None:
    (folder / "run.toml").write_text('decay = ["linear"]\ndecay-rate = 0.1\nepochs = 2\n')
    run = lrtune("schedule", "--config", "run.toml")
    same = lrtune("schedule", "--decay", "linear", "--decay-rate", "0.1", "--epochs", "2")

    assert run.out == same.out
    assert "linear" in run.out


BAD = {
    "epochs = ": "must be a readable TOML file, with lines such as epochs = 50, but 'run.toml'",
    "epochs = 3\nepochs = 4": "must be a readable TOML file",
    "epoch = 3": "'run.toml': epoch must be an option of lrtune search, but there is none of that "
    "name: do you mean epochs?",
    "zzz = 3": "the keys are alpha0, audit-pruning",
    'data = "iris"': "data is not an option: give DATA on the command line",
    'config = "other.toml"': "config must be an option",
    "[search]\nepochs = 3": "search must be an option",
    'epochs = "20"': "'run.toml': epochs: must be a whole number, but got '20'",
    "epochs = 20.5": "must be a whole number, but got 20.5",
    "epochs = true": "must be a whole number, but got true",
    "epochs = [20]": "must be a whole number, but got [20]",
    "epochs = 0": "epochs: 0 is not in the range",
    "epochs = 1979-05-27": "must be a whole number, but got a date",
    "timeout = nan": "timeout: must be a finite number, but got 'nan'",
    "timeout = inf": "timeout: must be a finite number, but got 'inf'",
    "timeout = -1": "timeout: -1.0 is not in the range x>0",
    "timeout = true": "timeout: must be a number, but got true",
    "audit-pruning = 2": "audit-pruning: 2.0 is not in the range",
    "alpha0 = [1.0, 0.1]": "alpha0: must be two positive numbers with LOW <= HIGH, but got",
    "alpha0 = [0.1, 0.2, 0.3]": "alpha0: must be LOW:HIGH",
    "alpha0 = []": "alpha0: must be [LOW, HIGH]",
    "alpha0 = {low = 1}": "alpha0: must be [LOW, HIGH]",
    'decay = ["magic"]': "decay: must be among constant",
    "decay = [1]": "decay: must be a list of names, but got [1]",
    "hidden = [50, 2.5]": "hidden: must be a list of whole numbers, but got [50, 2.5]",
    "hidden = [0]": "hidden: must be at least 1",
    "resume = 1": "resume: must be true or false, but got 1",
    'quiet = "yes"': "quiet: must be true or false, but got 'yes'",
    "confirm = true\nno-confirm = true": "must be given once, but is there twice",
    "batch-size = 1\nbatch_size = 2": "batch_size must be given once",
    'optimizer = "lion"': "optimizer: 'lion' is not one of",
    'gpus = ["a"]': "gpus: must be indices of GPUs separated by commas, for example 0,1",
    "param = 3": 'param: must be a list of texts such as "batch_size=32,64", but got 3',
    'param = ["a"]': "param: must be NAME=LOW:HIGH or NAME=A,B",
    'name = ""': "name: must be printable",
    "name = 3": "name: must be text in quotes, but got 3",
    'save = "run.toml"': "save: must end in .skops, but got 'run.toml'",
    'save = "no/such.skops"': "save: must be a file in an existing folder",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_one_clear_line(lrtune: Callable[..., Any], folder: Path, text: str) -> None:
    (folder / "run.toml").write_text(text)
    run = lrtune("search", "iris", "--config", "run.toml")

    assert (run.code, run.out) == (2, "")
    assert BAD[text] in run.err
    assert "run.toml" in run.err
    assert len(run.err.splitlines()) == 1
    assert [path.name for path in folder.iterdir()] == ["run.toml"]


def test_a_file_that_cannot_be_read_is_named(lrtune: Callable[..., Any], folder: Path) -> None:
    (folder / "binary.toml").write_bytes(bytes(range(256)))
    for path in ("none.toml", ".", "binary.toml"):
        run = lrtune("search", "iris", "--config", path)

        assert run.code == 2
        assert f"{path!r} gave: " in run.err
        assert len(run.err.splitlines()) == 1


def test_help_and_completion_do_not_read_the_file(lrtune: Callable[..., Any]) -> None:
    ctx = click.Context(search(), resilient_parsing=True)
    search().parse_args(ctx, ["iris", "--config", "none.toml"])

    assert ctx.default_map is None


def test_every_command_with_a_config_knows_its_own_options(folder: Path) -> None:
    (folder / "empty.toml").write_text("")
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None

        assert read_config(folder / "empty.toml", click.Context(command)) == {}
