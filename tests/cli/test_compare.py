"""``lrtune compare``."""

from collections.abc import Callable
from math import hypot
from typing import Any

import pytest

QUICK = ("search", "iris", "--epochs", "4", "--quiet", "--json")


def test_two_studies_stand_side_by_side_and_the_better_one_is_named(
    lrtune: Callable[..., Any],
) -> None:
    good = lrtune(*QUICK, "--alpha0", "0.1:1", "--trainings", "32", "--name", "good").json
    bad = lrtune(*QUICK, "--alpha0", "1e-5:2e-5", "--trainings", "32", "--name", "bad").json
    run, told = lrtune("compare", "bad", "good"), lrtune("compare", "bad", "good", "--json").json

    assert told["gain"] == pytest.approx(bad["confirmed_loss"] - good["confirmed_loss"])
    assert told["gain_se"] == pytest.approx(hypot(bad["confirmed_se"], good["confirmed_se"]))
    assert (told["comparable"], told["better"], told["differences"]) == (True, "good", [])
    assert [each["study"] for each in told["studies"]] == ["bad", "good"]
    assert run.code == 0
    assert f"{good['confirmed_loss']:.4g} ± " in run.out
    assert f"{bad['best']['learning_rate_init']:.4g} " in run.out
    assert run.out.splitlines()[-1] == told["verdict"]
    assert told["verdict"].startswith("'good' is better: 'good' has the lower loss, by ")


def test_studies_of_other_data_cannot_be_compared(lrtune: Callable[..., Any]) -> None:
    few = ("--trials", "4", "--epochs", "2", "--quiet")
    lrtune("search", "iris", *few)
    lrtune("search", "wine", *few)
    run = lrtune("compare", "iris", "wine")
    told = lrtune("compare", "iris", "wine", "--json").json

    assert run.code == 0
    assert "They cannot be compared, as they do not have the same data (iris" in run.out
    assert (told["comparable"], told["better"], told["gain"]) == (False, None, None)
    assert {"data", "validation"} <= {each["name"] for each in told["differences"]}


def test_a_study_must_exist(lrtune: Callable[..., Any]) -> None:
    lrtune("search", "iris", "--trials", "2", "--epochs", "1", "--no-confirm", "--quiet")
    run = lrtune("compare", "iris", "tulips")

    assert (run.code, run.out) == (2, "")
    assert "a study to compare must exist" in run.err
