"""Options of a search on a table: how it is validated, what it optimises, what it is scored on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrtune.cli.flags import with_flags

QUICK = ("--trials", "8", "--epochs", "3", "--hidden", "8", "--alpha0", "0.01:0.3")


@pytest.fixture
def visits(folder: Path) -> pd.DataFrame:
    """Visits of patients who differ from each other; whether one is ill is chance."""
    rng = np.random.default_rng(0)
    patient = np.arange(240) // 12
    frame = pd.DataFrame(rng.normal(size=(20, 4))[patient], columns=list("abcd"))
    frame += 0.1 * rng.normal(size=(240, 4))
    frame.insert(0, "patient", patient)
    frame["ill"] = np.where(rng.permutation(20) % 2, "yes", "no")[patient]
    frame.to_csv("visits.csv", index=False)
    return frame


def test_groups_do_not_leak(lrtune: Callable[..., Any], visits: pd.DataFrame) -> None:
    words = ("search", "visits.csv", "--trials", "8", "--epochs", "20", "--hidden", "20")
    leaking = lrtune(*words, "--json")
    grouped = lrtune(*words, "--json", "--group", "patient")

    assert leaking.json["score"] > 0.9
    assert grouped.json["score"] < 0.75
    assert "use --group patient" in leaking.err
    assert "group: the rows of each of 20 values of column 'patient'" in grouped.err
    assert leaking.json["validation"] == {"group": None, "time": None}
    assert grouped.json["validation"] == {"group": "patient", "time": None}


def test_how_it_was_validated_is_told_wherever_a_result_is(
    lrtune: Callable[..., Any], visits: pd.DataFrame, folder: Path
) -> None:
    run = lrtune("search", "visits.csv", *QUICK, "--group", "patient", "--report", "report.html")
    report = Path("report.html").read_text(encoding="utf-8")

    quick = lrtune("search", "visits.csv", *QUICK, "--group", "patient", "--no-confirm")
    assert "validated on" in quick.out
    for text in (run.out, lrtune("show", "visits").out):
        assert "splits of this table by whole groups of 'patient'" in " ".join(text.split())
    assert "whole groups by column &#39;patient&#39;, which is no feature" in report


def test_a_worker_and_a_resumed_search_split_alike(
    lrtune: Callable[..., Any], visits: pd.DataFrame
) -> None:
    words = ("search", "visits.csv", *QUICK[2:], "--no-confirm", "--group", "patient", "--trials")
    lrtune(*words, "8")
    assert lrtune("worker", "--name", "visits", "--json").code == 0
    resumed = lrtune(*words, "16", "--resume", "--json")
    whole = lrtune(*words, "16", "--json", "--name", "whole")

    assert resumed.json["best"] == whole.json["best"]
    other = lrtune(*words[:-3], "--trials", "16", "--resume")
    assert other.code == 2
    assert "was searched with --group patient, and now --group None is given" in other.err


def test_later_rows_are_validated_with(lrtune: Callable[..., Any], folder: Path) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2020-01-01", periods=300)
    price = 100 + rng.normal(size=300).cumsum()
    frame = pd.DataFrame({"day": days, "before": np.roll(price, 1), "price": price})[1:]
    frame.sample(frac=1, random_state=0).to_csv("prices.csv", index=False)
    run = lrtune("search", "prices.csv", *QUICK, "--time", "day", "--json")

    assert run.code == 0
    assert run.json["validation"] == {"group": None, "time": "day"}
    assert "validated with that are later, by column 'day'" in run.err
    assert "'before'" not in run.err
    ranged = lrtune("range-test", "prices.csv", "--time", "day", "--hidden", "8", "--json")
    assert ranged.code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--group patient --time a", "--group and --time each say which rows to validate with"),
        (
            "--group clinic",
            "--group must be a column of visits.csv, or a position from 0 to 5, but got",
        ),
        ("--group ill", "--group must be another column than the target"),
        ("--time ill --target a", "--time must be a column of numbers or dates, but 'ill'"),
        ("--metric r2", "--metric must be one of a classification, but got 'r2'"),
        ("--test gone.csv", "--test: DATA must be"),
        ("--class-weight fair", "'fair' is not 'balanced'"),
    ],
)
def test_what_does_not_fit_is_one_line(
    lrtune: Callable[..., Any], visits: pd.DataFrame, words: str, message: str
) -> None:
    run = lrtune("search", "visits.csv", *QUICK, *words.split())

    assert (run.code, run.out) == (2, "")
    assert message in run.err.splitlines()[-1]
    assert not Path("lrtune.journal").exists()


@pytest.mark.parametrize(
    ("name", "known_as"), [("auc", "roc_auc"), ("f1", "f1"), ("balanced_accuracy",) * 2]
)
def test_a_metric_is_searched_confirmed_and_named(
    lrtune: Callable[..., Any], visits: pd.DataFrame, name: str, known_as: str
) -> None:
    words = ("search", "visits.csv", *QUICK, "--metric", name)
    run = lrtune(*words, "--json")
    shown = lrtune("show", "visits").out

    assert run.code == 0
    assert run.json["confirmation"]["metric"] == known_as
    assert 0 <= run.json["confirmed_score"] <= 1
    assert known_as in shown
    assert ("metric: f1 of class" in run.err) == (name == "f1")


def test_balanced_classes_and_a_test_by_a_config_file(
    lrtune: Callable[..., Any], folder: Path
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    y = np.where(x[:, 0] + rng.normal(size=600) > 2.2, 1, 0)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "fraud": y})
    frame[:400].to_csv("table.csv", index=False)
    frame[400:].to_csv("new.csv", index=False)
    plain = lrtune("search", "table.csv", *QUICK, "--json")
    Path("run.toml").write_text(
        'class-weight = "balanced"\nmetric = "auc"\ntest = "new.csv"\n', encoding="utf-8"
    )
    weighted = lrtune("search", "table.csv", *QUICK, "--json", "--config", "run.toml")
    shown = lrtune("show", "table-2")

    balance = plain.json["balance"]
    assert balance["share"] == pytest.approx(1 - y[:400].mean())
    assert balance["balanced_accuracy"] < 0.75
    note = next(each for each in plain.json["warnings"] if "largest class" in each)
    assert "--metric balanced_accuracy" in note
    assert "--class-weight balanced" in note
    assert weighted.json["balance"] is None
    test = weighted.json["test"]
    assert (test["file"], test["rows"], test["metric"]) == ("new.csv", 200, "roc_auc")
    assert test["metric_score"] > 0.7
    assert "weighted by class_weight" in shown.out
    assert f"{test['metric_score']:.4g}" in shown.out


@pytest.mark.parametrize("unit", [1e-27, 1e26])
def test_the_json_is_valid_in_any_unit_of_the_target(
    lrtune: Callable[..., Any], folder: Path, unit: float
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "mass": (x[:, 0] + 5) * unit})
    frame.to_csv("masses.csv", index=False)
    run = lrtune("search", "masses.csv", "--trials", "8", "--epochs", "10", "--json")
    result = json.loads(run.out, parse_constant=refuse)

    naive = result["confirmation"]["naive_loss"]
    assert naive == pytest.approx(unit * unit, rel=0.4)
    assert result["confirmed_loss"] < naive / 5
    assert not any("predicts no better" in each for each in result["warnings"])


@pytest.mark.parametrize(
    ("unit", "cure"), [(1e-160, "smaller unit"), (1e-312, "smaller unit"), (1e150, "larger unit")]
)
def test_a_target_that_cannot_be_squared_is_refused(
    lrtune: Callable[..., Any], folder: Path, unit: float, cure: str
) -> None:
    frame = pd.DataFrame({"a": range(40), "mass": np.arange(1, 41) * unit})
    frame.to_csv("masses.csv", index=False)
    run = lrtune("search", "masses.csv", *QUICK)

    assert run.code == 2
    assert f"express it in a {cure}" in run.err


def test_names_with_spaces_are_quoted_in_advice() -> None:
    assert with_flags("use `group='patient no'`") == "use --group 'patient no'"
