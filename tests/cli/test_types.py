"""Types of options: accepted values, and refusals that name value and rule."""

import math
from pathlib import Path
from typing import Any

import click
import pytest

from lrtune.cli.types import (
    FIGURE_ENDINGS,
    DecayList,
    FiniteNumber,
    GpuList,
    HiddenSizes,
    OutputFile,
    ParameterRange,
    RangeType,
    StudyName,
    WholeNumber,
)
from lrtune.schedules.decays import DECAYS

POSITIVE = FiniteNumber(0, min_open=True)

ACCEPTED = [
    (WholeNumber(1), "7", 7),
    (FiniteNumber(0), "0", 0.0),
    (POSITIVE, "1e-3", 0.001),
    (RangeType(), "0.01:1", (0.01, 1.0)),
    (RangeType(), "0.1", (0.1, 0.1)),
    (RangeType(), (0.01, 1.0), (0.01, 1.0)),
    (HiddenSizes(), "50,12", (50, 12)),
    (HiddenSizes(), (8,), (8,)),
    (DecayList(), "linear, cosine", ("linear", "cosine")),
    (DecayList(), "all", tuple(DECAYS)),
    (StudyName(), "größe 1", "größe 1"),
    (GpuList(), "0, 1", (0, 1)),
    (GpuList(), (3,), (3,)),
    (ParameterRange(), "weight_decay=1e-6:1e-2", ("weight_decay", (1e-6, 1e-2))),
    (ParameterRange(), "layers=1:4", ("layers", (1, 4))),
    (ParameterRange(), "batch_size=32,64", ("batch_size", [32, 64])),
    (ParameterRange(), "act=relu, tanh,0.5,true", ("act", ["relu", "tanh", 0.5, True])),
    (ParameterRange(), "size=8", ("size", [8])),
    (ParameterRange(), ("size", [8]), ("size", [8])),
]
REFUSED = [
    (WholeNumber(1), "0", "0 is not in the range x>=1"),
    (WholeNumber(1), "2.5", "'2.5' is not a valid integer"),
    (POSITIVE, "0", "0.0 is not in the range x>0"),
    (POSITIVE, "nan", "must be a finite number, but got 'nan'"),
    (POSITIVE, "inf", "must be a finite number, but got 'inf'"),
    (POSITIVE, "soon", "'soon' is not a valid number"),
    (RangeType(), "1:0.1", "LOW <= HIGH, but got '1:0.1'"),
    (RangeType(), "0:1", "two positive numbers"),
    (RangeType(), "nan", "must be LOW:HIGH"),
    (RangeType(), "1:inf", "must be LOW:HIGH"),
    (HiddenSizes(), "8,", "whole numbers separated by commas"),
    (HiddenSizes(), "0", "at least 1"),
    (HiddenSizes(), "9999999", "at most 1000000"),
    (DecayList(), "cosinus", "must be among constant, "),
    (DecayList(), "linear,linear", "must name each type once"),
    (GpuList(), "-1", "must be indices of GPUs separated by commas, for example 0,1"),
    (GpuList(), "0,", "but got '0,'"),
    (ParameterRange(), "a", "must be NAME=LOW:HIGH or NAME=A,B"),
    (ParameterRange(), "a b=1:2", "must be NAME=LOW:HIGH"),
    (ParameterRange(), "a=", "must be NAME=LOW:HIGH"),
    (ParameterRange(), "a=2:1", "two numbers with LOW <= HIGH after a=, but got '2:1'"),
    (ParameterRange(), "a=1:inf", "two numbers"),
    (ParameterRange(), "a=1:x", "two numbers"),
    (ParameterRange(), "a=1:2:3", "two numbers"),
    (ParameterRange(), "a=x,,y", "must name each choice once"),
    (ParameterRange(), "a=1,1", "must name each choice once"),
    (ParameterRange(), "decay=linear", "but got 'decay': use --decay"),
    (ParameterRange(), "learning_rate_init=1:2", "use --alpha0"),
    (StudyName(), " ", "must be printable and not empty"),
    (StudyName(), "a\nb", "must be printable and not empty"),
]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_a_good_value_is_converted(kind: click.ParamType, text: Any, value: Any) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize(("kind", "text", "message"), REFUSED)
def test_a_bad_value_is_refused(kind: click.ParamType, text: str, message: str) -> None:
    with pytest.raises(click.BadParameter) as refusal:
        kind.convert(text, None, None)

    assert message in refusal.value.message
    assert "\n" not in refusal.value.message


def test_no_number_is_taken_that_is_not_finite() -> None:
    for kind in (FiniteNumber(), POSITIVE):
        for value in (math.nan, math.inf, -math.inf):
            with pytest.raises(click.BadParameter):
                kind.convert(value, None, None)


def test_a_new_file_must_not_exist_and_its_folder_must(folder: Path) -> None:
    (folder / "old.html").touch()
    kind = OutputFile(".html")

    assert kind.convert("new.HTML", None, None) == Path("new.HTML")
    for name, message in {
        "old.html": "must be a new file, but 'old.html' exists: name another",
        "none/new.html": "existing folder, but 'none' is none",
        "new.txt": "must end in .html, but got 'new.txt'",
    }.items():
        with pytest.raises(click.BadParameter, match=message):
            kind.convert(name, None, None)


def test_a_figure_may_replace_a_file_but_no_folder(folder: Path) -> None:
    (folder / "old.png").touch()
    (folder / "folder.png").mkdir()
    kind = OutputFile(*FIGURE_ENDINGS, overwrite=True)

    assert kind.convert("old.png", None, None) == Path("old.png")
    with pytest.raises(click.BadParameter, match=r"'folder\.png' is a directory"):
        kind.convert("folder.png", None, None)
