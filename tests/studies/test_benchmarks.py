"""The studies on speed measure what they say, on tiny sizes; how long it takes is not judged."""

import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrtune.training.population import Population

FOLDER = Path(__file__).parents[2] / "studies"
NAMES = ("benchmark_scaling", "where_the_time_goes")
LARGEST_PICTURE = 100_000
WORDS = ("search", "iris", "--quiet", "--trials", "4", "--epochs", "2")


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def study(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_has_written_a_table_with_its_command_and_a_small_picture(name: str) -> None:
    written = (FOLDER / "results" / f"{name}.md").read_text(encoding="utf-8")
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith(f"`python studies/{name}.py")
    assert (FOLDER / "results" / f"{name}.png").stat().st_size < LARGEST_PICTURE
    assert f"[{name}.md](results/{name}.md)" in listed


# --- the stopwatch -------------------------------------------------------------------------------


def test_an_inner_part_stops_the_watch_of_the_outer_one() -> None:
    watch = study("stopwatch").Stopwatch()
    clock = iter(range(100))
    watch._since = next(clock)
    watch.now = lambda: next(clock)

    watch.enter("outer", "phase")  # 1
    watch.enter("inner")  # 2
    watch.leave()  # 3
    watch.leave()  # 4

    assert watch.seconds["phase", "outer"] == 2
    assert watch.seconds["phase", "inner"] == 1


def test_what_is_watched_is_put_back() -> None:
    stopwatch = study("stopwatch")
    watch, before = stopwatch.Stopwatch(), Population.train_epoch
    stopwatch.watch_search(watch, Counter())

    assert Population.train_epoch is not before
    watch.restore()
    assert Population.train_epoch is before


@pytest.mark.slow
def test_the_parts_of_a_search_add_up_to_its_wall_time() -> None:
    where = study("where_the_time_goes")
    run = where.watched(WORDS)

    assert sum(run.seconds.values()) == pytest.approx(run.wall, abs=0.01)
    assert {part for _, part in run.seconds} <= set(where.PARTS)
    for part in ("import", "ask", "train", "evaluate", "divergence check", "record"):
        assert run.total(part) > 0, part
    assert run.seconds["confirmation", "train"] > 0
    assert sum(run.steps.values()) >= 4 * 3 * 2


# --- the parts of a step -------------------------------------------------------------------------


def test_the_products_of_a_step_are_those_that_it_needs() -> None:
    parts = study("step_parts")
    step = parts.Step(parts.random_rows(64, 4, 3), (5, 6), batch_size=32, n_settings=2)

    # each layer forward and its gradient, and the gradient in the inputs of all but the first
    per_row = 2 * (5 * 5 + 6 * 6 + 7 * 3) + 2 * (5 * 5 + 6 * 6 + 7 * 3) + 2 * (6 * 6 + 7 * 3)

    # the gradient in the constant input is not needed, but costs nothing to speak of
    assert step.flops == pytest.approx(2 * 32 * per_row, rel=0.05)
    assert step.n_calls > 8


def test_calls_made_again_train_as_the_step_does() -> None:
    parts = study("step_parts")
    rows = parts.random_rows(32, 4, 3)
    step = parts.Step(rows, (5,), batch_size=32)
    with parts.watching() as calls:
        watched = Population(
            step.population.network, parts.SGD(), step.population.parameters[0], batch_size=32
        )
        watched.train_epoch(rows, step.rates, np.arange(32))
    step.population.train_epoch(rows, step.rates, np.arange(32))
    step.population.train_epoch(rows, step.rates, np.arange(32))

    parts.replay(calls)()

    assert watched.parameters.tolist() == step.population.parameters.tolist()


def test_measuring_leaves_numpy_as_it_was() -> None:
    parts = study("step_parts")
    parts.Step(parts.random_rows(64, 4, 3), (5,), batch_size=32).measure()

    assert parts.lrtune.training.workspace.np is np
    assert parts.lrtune.training.population.np is np


# --- benchmark_fit -------------------------------------------------------------------------------


def test_a_network_is_measured_whole_and_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = study("benchmark_fit")
    monkeypatch.setattr(fits, "ROUNDS", 1)
    monkeypatch.setattr(fits, "sgemm_peak", lambda: 1e12)
    X = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    case = fits.Case("tiny", X, np.arange(64) % 3, (5,), 1, 32)

    told = fits.measure(case, 1)

    assert case.flops == 6 * (4 * 5 + 5 * 3) - 2 * 4 * 5
    assert all(0 < share < 1 for share in told.reached)
    assert fits.fit_row(told).startswith("| tiny | ")
    assert fits.step_row(told).count("|") == 10
    skl, own = (told.fits[name] for name in ("scikit-learn", "lrtune"))
    assert told.ratio_if("scikit-learn", "step") == pytest.approx((skl / own).item())
    assert all(row.count("|") == 7 for row in fits.bound_rows(told))


# --- benchmark_scaling ---------------------------------------------------------------------------


@pytest.fixture
def sizes() -> Any:
    return study("benchmark_scaling").Sizes((4, 8), (200, 400), 400, 4)


def test_scaling_is_measured_and_drawn(sizes: Any) -> None:
    scaling = study("benchmark_scaling")
    trials, rows = scaling.measure_trials(sizes, 1), scaling.measure_rows(sizes, 1)
    jobs, memory = np.array([[4.0, 3.5, 2.0, 2.5, 1.2]]), np.full((2, 2), 1.5)
    lines = scaling.report(sizes, trials, rows, memory, jobs, 1)
    figure = scaling.draw(sizes.trials, trials[scaling.FEW_EPOCHS], sizes.rows, rows, memory, jobs)

    assert [line for line in lines if line.startswith("## ")] == [
        "## Trials",
        "## Rows",
        "## Memory",
        "## Jobs",
    ]
    assert all(axes.get_ylabel() for axes in figure.axes)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("what", ["fit", "search"])
def test_a_process_tells_what_it_held_at_most(what: str) -> None:
    command = [sys.executable, str(FOLDER / "benchmark_scaling.py"), "--memory", what, "2000"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)

    assert int(told.stdout) >= 2000 * 50 * 4


@pytest.mark.slow
def test_a_search_is_bound_by_its_products() -> None:
    workspace = importlib.import_module("lrtune.training.workspace").Workspace
    before = workspace.read
    regret = study("regret")
    problem = regret.problem_of("iris")
    parts = study("search_parts").parts_of(
        lambda: regret.lrtune_with(trainings=None)(problem, 4, 0), rounds=1
    )

    assert workspace.read is before
    measured = (parts.products, parts.calls, parts.asking, parts.training, parts.evaluating)
    assert min(measured) > 0
    assert parts.least == parts.total - parts.training + parts.products


# --- lockstep in torch ---------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.slow
def test_lockstep_is_timed_beside_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    recorded = importlib.import_module("lrtune.tuning.trainers.torch.recorded")
    monkeypatch.setattr(recorded, "RECORD_AFTER", recorded.RECORD_AFTER)  # the study changes it
    words = ("--models", "mlp", "--settings", "1,4", "--epochs", "1", "--rounds", "1")
    monkeypatch.setattr(sys, "argv", ["benchmark", *words, "--results", str(tmp_path)])
    study("benchmark_lockstep").main()

    printed = capsys.readouterr().out
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| MLP")]
    assert (tmp_path / "benchmark_lockstep.md").read_text(encoding="utf-8") == printed
    assert [row[1] for row in rows] == ["1", "4"]
    assert rows[0][2] == rows[0][3]
    assert "nowhere slower by more than 10 %" in printed
