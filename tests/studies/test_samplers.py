"""The studies on the sampler: what they count, on tiny sizes; how long it takes is not judged."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState

from lrtune.tuning.space import Space

FOLDER = Path(__file__).parents[2] / "studies"
NAMES = ("cv_samplers", "sampler_time", "divergence")


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def study(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_is_listed_with_its_command_and_its_table(name: str) -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    written = (FOLDER / "results" / f"{name}.md").read_text(encoding="utf-8")

    assert f"`python studies/{name}.py" in listed
    assert f"[{name}.md](results/{name}.md)" in listed
    assert written.splitlines()[2].startswith(f"`python studies/{name}.py")


def test_a_block_is_timed_after_trials_of_which_some_diverge() -> None:
    timing = study("sampler_time")
    trials = timing.finished_trials(Space.default(20, learning_rate_init=(1e-3, 10.0)), 64, 0)
    rates = np.array([trial.params["learning_rate_init"] for trial in trials])
    diverged = np.array([trial.state == TrialState.PRUNED for trial in trials])

    assert 5 < diverged.sum() < 40
    np.testing.assert_array_equal(diverged, rates > timing.DIVERGES_FROM)
    assert [trial.user_attrs["replicates"] for trial in trials[6:9]] == [(0,), (0,), (1,)]
    assert (timing.milliseconds(16, 1) > 0).all()


def test_a_change_against_tpe_is_that_of_the_loss_seed_by_seed() -> None:
    rows = pd.DataFrame(
        [
            {"problem": "iris", "trials": 64, "sampler": sampler, "seed": seed, "regret": regret}
            for sampler, regrets in (("ScheduleSampler", (0.0, 10.0)), ("TPE", (100.0, 120.0)))
            for seed, regret in enumerate(regrets)
        ]
    ).assign(diverged=False)
    *_, row = study("cv_samplers").lines_of(rows)

    assert row == "| iris | 64 | 5.0 / 9.0 | 110.0 / 118.0 | -50.0 ± 0.0 | 0%, 0% |"


def test_where_nothing_diverges_there_is_no_cost() -> None:
    run = {"edge": np.inf, "early": 0.0, "late": 0.0, "diverged": 0, "epochs": 0.0}

    row = study("divergence").row("iris", "adam", [run, run])
    assert row == "| iris | adam | inf | 0.0% | 0.0% | 0.0 | 0.0% |"
