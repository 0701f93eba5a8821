"""``lrtune range-test``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BAD = {
    ("nowhere.csv",): "'nowhere.csv' is neither",
    (): "Missing argument 'DATA'",
    ("iris", "--low", "0"): "not in the range x>0",
    ("iris", "--high", "nan"): "finite number",
    ("iris", "--low", "1", "--high", "0.1"): "--low must be below --high, but got 1.0 and 0.1",
    ("iris", "--steps", "9"): "9 is not in the range",
    ("iris", "--replicates", "0"): "0 is not in the range",
    ("iris", "--batch-size", "0"): "0 is not in the range",
    ("iris", "--seed", "-1"): "-1 is not in the range",
    ("iris", "--hidden", "50,x"): "whole numbers separated by commas",
    ("iris", "--optimizer", "lion"): "'lion' is not one of",
    ("iris", "--target", "x"): "target must be left out",
    ("iris", "--task", "regression"): "task must be classification",
    ("iris", "--plot", "no/such/range.png"): "existing folder",
    ("iris", "--plot", "range.xyz"): "end in .png, .svg, .pdf",
    ("iris", "--plot", "range.xyz", "--json"): "end in .png, .svg, .pdf",
}


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_one_clear_line(
    lrtune: Callable[..., Any], folder: Path, words: tuple[str, ...]
) -> None:
    run = lrtune("range-test", *words)

    assert run.code == 2
    assert run.out == ""
    assert run.err.splitlines()[-1].startswith("lrtune: ")
    assert BAD[words] in run.err.splitlines()[-1]
    assert "Traceback" not in run.err
    assert list(folder.iterdir()) == []


def test_the_table_names_edge_suggestions_and_range(lrtune: Callable[..., Any]) -> None:
    told = lrtune("range-test", "iris", "--json").json
    run = lrtune("range-test", "iris")
    low, high = told["learning_rate_range"]

    assert run.code == 0
    assert run.err == ""
    for name in ("valley", "steepest", "minimum"):
        (line,) = (line for line in run.out.splitlines() if line.startswith(f"{name} "))
        assert f"{told['suggestions'][name]['median']:.3g}" in line.split()
    assert f"{told['edge']:.3g}" in run.out
    assert run.out.splitlines()[-1] == f"Search it:  --alpha0 {low:g}:{high:g}"


def test_json_is_one_object_and_nothing_else(lrtune: Callable[..., Any], folder: Path) -> None:
    run = lrtune("range-test", "diabetes", "--json", "--optimizer", "adam", "--steps", "50")
    told = json.loads(run.out, parse_constant=pytest.fail)

    assert [told[key] for key in ("dataset", "task", "optimizer")] == [
        "diabetes",
        "regression",
        "adam",
    ]
    assert len(told["rates"]) == 50
    assert len(told["edges"]) == 5
    assert told["learning_rate_range"][0] < told["edge"] < told["learning_rate_range"][1]
    assert run.err == ""
    assert list(folder.iterdir()) == []


def test_the_same_seed_gives_the_same_answer(lrtune: Callable[..., Any]) -> None:
    first, again, other = (
        lrtune("range-test", "wine", "--replicates", "2", "--seed", seed, "--json").out
        for seed in ("5", "5", "6")
    )

    assert first == again != other


def test_a_range_without_an_edge_is_told_on_standard_error(lrtune: Callable[..., Any]) -> None:
    words = ("range-test", "iris", "--high", "0.01", "--steps", "20", "--replicates", "1")
    run, as_json = lrtune(*words), lrtune(*words, "--json")

    assert run.code == 0
    assert "no replicate diverged up to the highest rate tested, 0.01" in run.err
    assert "> 0.01" in run.out
    assert "--alpha0 1e-05:0.01" in run.out
    assert as_json.json["edge"] is None
    assert "no replicate diverged" in as_json.json["warnings"][0]


def test_divergence_at_the_lowest_rate_is_one_line_and_exit_code_1(
    lrtune: Callable[..., Any],
) -> None:
    run = lrtune("range-test", "diabetes", "--low", "100", "--high", "1000")

    assert run.code == 1
    assert run.out == ""
    assert run.err.startswith("lrtune: training diverged even at the lowest rate, 100,")


def test_a_table_from_a_file_is_tested(lrtune: Callable[..., Any], folder: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5},{(i % 7) * 2 - (i % 5)}.5\n" for i in range(60))
    (folder / "table.csv").write_text("a,b,price\n" + rows)
    run = lrtune("range-test", "table.csv", "--target", "price", "--hidden", "8", "--json")

    assert run.json["task"] == "regression"
    assert "task: regression" in run.err


def test_plot_draws_a_file(lrtune: Callable[..., Any], folder: Path) -> None:
    run = lrtune("range-test", "iris", "--replicates", "2", "--plot", "range.png")

    assert run.code == 0
    assert (folder / "range.png").stat().st_size > 1000
    assert "drawn: range.png" in run.err
