"""The study on TaskSet's tables: how they are read, and that samplers are told whole rows."""

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

FOLDER = Path(__file__).parents[2] / "studies"
N_ROWS = 40
MADE_UP = ("random", "TPE", "random row", "TPE among rows")


@pytest.fixture
def taskset(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("taskset")


@pytest.fixture
def tables(taskset: Any, tmp_path: Path) -> Path:
    """Return the file of two made-up tasks, whose losses depend on the learning rate alone."""
    rng = np.random.default_rng(0)
    lows, highs = np.log(np.array(list(taskset.SPACE.values()))).T
    hp = np.exp(rng.uniform(lows, highs, (N_ROWS, len(lows))))
    hp[:, 1:3] = 1 - hp[:, 1:3]
    valid = np.repeat(np.abs(np.log10(hp[:, :1] / 1e-3)), 5, axis=1)
    valid[:, 0] = 1.0
    valid[0, 2:] = np.nan
    arrays = {
        f"{name}.{kind}": array
        for name in ("first", "second")
        for kind, array in (("hp", hp), ("valid", valid), ("test", valid))
    }
    np.savez(tmp_path / "tables.npz", **arrays)
    return tmp_path / "tables.npz"


def test_a_table_is_read_with_diverged_and_high_losses_capped(taskset: Any, tables: Path) -> None:
    first, second = taskset.read_tasks(tables)

    assert (first.name, second.name) == ("first", "second")
    assert first.diverged.tolist() == [True] + [False] * (N_ROWS - 1)
    assert first.losses[0] == first.losses.max() == 2
    assert first.regret(first.losses.min()) == 0
    assert first.regret(np.median(first.losses)) == 1


@pytest.mark.parametrize("strategy", MADE_UP)
@pytest.mark.parametrize("block", [1, 8])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sampler_is_told_each_row_once_with_its_own_parameters(
    strategy: str, block: int, taskset: Any, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = taskset.read_tasks(tables)[0]
    told = []
    monkeypatch.setattr(
        taskset,
        "tell_row",
        lambda *args, tell=taskset.tell_row, **more: told.append(tell(*args, **more)),
    )
    found, factor = taskset.play(task, strategy, 0, n=N_ROWS, block=block)

    params = np.array([[trial.params[name] for name in taskset.SPACE] for trial in told])
    rows = [int(np.flatnonzero((task.settings == row).all(axis=1))[0]) for row in params]
    assert sorted(rows) == list(range(N_ROWS))
    np.testing.assert_array_equal(found, task.losses[rows])
    np.testing.assert_array_equal([trial.value for trial in told], found)
    assert [trial.user_attrs["diverged"] for trial in told] == task.diverged[rows].tolist()
    assert factor == pytest.approx(1) if strategy in taskset.AMONG_ROWS else factor > 1


def test_what_is_asked_for_is_told_as_failed_so_that_samplers_ignore_it(
    taskset: Any, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies: list[optuna.Study] = []

    def create(create: Any = optuna.create_study, **options: Any) -> optuna.Study:
        studies.append(create(**options))
        return studies[-1]

    monkeypatch.setattr(taskset.optuna, "create_study", create)
    taskset.play(taskset.read_tasks(tables)[0], "random", 0, n=6, block=3)

    states = [trial.state.name for trial in studies[0].trials]
    assert states == (["FAIL"] * 3 + ["COMPLETE"] * 3) * 2


def test_the_schedule_of_a_setting_is_that_of_taskset(taskset: Any) -> None:
    params = {"learning_rate": 0.1, "linear_decay": 1e-4, "exponential_decay": 1e-3}
    schedule = taskset.schedule_of(**params)

    assert schedule(0) == 0.1
    assert schedule(5_000) == pytest.approx(0.1 * 0.5 * math.exp(-5))
    assert schedule(20_000) == 0


def test_it_prints_and_writes_a_row_per_sampler(
    taskset: Any,
    tables: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--strategies", "random,random row", "--repetitions", "2", "--results", str(tmp_path))
    monkeypatch.setattr(taskset, "MARKS", (6, 12))
    monkeypatch.setattr("sys.argv", ["taskset.py", str(tables), *words])
    taskset.main()

    written = (tmp_path / "taskset.md").read_text(encoding="utf-8")
    assert written in capsys.readouterr().out
    assert "2 tasks of TaskSet (first, second), 40 settings" in written
    assert [line.split(" | ")[0] for line in written.splitlines() if line.startswith("| ")] == [
        "| sampler",
        "| random",
        "| random row",
    ]


def test_an_unknown_sampler_is_refused(
    taskset: Any, tables: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["taskset.py", str(tables), "--strategies", "luck"])
    with pytest.raises(SystemExit):
        taskset.main()

    assert "ScheduleSampler among rows, but got 'luck'" in capsys.readouterr().err


def test_it_has_written_a_table_with_its_command() -> None:
    written = (FOLDER / "results" / "taskset.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith("`python studies/taskset.py taskset.npz ")
    assert "[taskset.md](results/taskset.md)" in (FOLDER / "README.md").read_text(encoding="utf-8")
