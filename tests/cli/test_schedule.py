"""``lrtune schedule``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_the_table_starts_at_t_0_and_tells_two_decays_apart(lrtune: Callable[..., Any]) -> None:
    words = ("--alpha0", "0.2", "--decay", "compound,inverse_time", "--decay-rate", "0.01")
    run = lrtune("schedule", *words, "--epochs", "5")

    assert run.code == 0
    assert [line.split() for line in run.out.splitlines()] == [
        ["t", "compound", "inverse_time"],
        ["0", "0.2", "0.2"],
        ["1", "0.19802", "0.19802"],
        ["2", "0.194137", "0.196078"],
        ["3", "0.188483", "0.194175"],
        ["4", "0.181233", "0.192308"],
        ["5", "0.172603", "0.190476"],
    ]


def test_json_holds_the_same_table(lrtune: Callable[..., Any]) -> None:
    words = ("--decay", "linear", "--decay-rate", "0.5", "--epochs", "2", "--json")

    assert lrtune("schedule", *words).json == {
        "t": [0, 1, 2],
        "learning_rate": {"linear": [0.1, 0.05, 0.0]},
    }


def test_one_cycle_is_cosine_with_a_warm_up(lrtune: Callable[..., Any]) -> None:
    words = ("--decay", "cosine", "--decay-rate", "0.5", "--warmup-epochs", "2", "--json")
    rates = lrtune("schedule", *words, "--epochs", "4").json["learning_rate"]["cosine"]

    assert rates == pytest.approx([0, 0.05, 0.1, 0.05, 0])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_draws_a_file(lrtune: Callable[..., Any], folder: Path, ending: str) -> None:
    run = lrtune("schedule", "--decay", "cosine,step", "--plot", f"rates.{ending}")

    assert run.code == 0
    assert (folder / f"rates.{ending}").stat().st_size > 1000
    assert f"drawn: rates.{ending}" in run.err
