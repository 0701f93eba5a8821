"""The study of any training: what it writes, and that its plain code trains as lrtune's does."""

import importlib
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lrtune import Schedule
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.loop import Loop, LoopTrainer
from lrtune.tuning.trainers.protocol import Control

FOLDER = Path(__file__).parents[2] / "studies"
LARGEST_PICTURE = 100_000
FRAMEWORKS = {
    "torch": pytest.mark.torch,
    "keras": pytest.mark.keras,
    "lightning": pytest.mark.lightning,
    "transformers": pytest.mark.transformers,
}


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


@pytest.fixture
def any_training(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the study, with 200 rows."""
    study = importlib.import_module("any_training")
    trainings = importlib.import_module("digits_trainings")
    X, y = (array[:200] for array in trainings.images())
    for module in (study, trainings):
        monkeypatch.setattr(module, "images", lambda: (X, y))
    return study


def run(study: Any, monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["any_training", "--results", str(folder), *words])
    study.main()


def test_it_has_written_a_table_with_its_command_and_a_small_picture() -> None:
    written = (FOLDER / "results" / "any_training.md").read_text(encoding="utf-8")
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert written.splitlines()[2].startswith("`python studies/any_training.py --trainings 32 ")
    assert (FOLDER / "results" / "any_training.png").stat().st_size < LARGEST_PICTURE
    assert "[any_training.md](results/any_training.md)" in listed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("network", "lrtune's network"),
        pytest.param("sgd_classifier", "scikit-learn's `SGDClassifier`", marks=pytest.mark.slow),
        pytest.param(
            "torch_trainer",
            "torch, a `TorchTrainer`",
            marks=[pytest.mark.torch, pytest.mark.slow],
        ),
    ],
)
def test_a_door_is_tuned_and_written_down(
    name: str,
    title: str,
    any_training: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in any_training.DOORS[name].needs:
        pytest.importorskip(module)
    words = ("--doors", name, "--trainings", "12", "--seeds", "2", "--searches", "1")
    run(any_training, monkeypatch, tmp_path, *words)

    printed = capsys.readouterr().out
    written = (tmp_path / "any_training.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]

    assert written.startswith(printed.rstrip("\n"))
    assert [len(row) for row in rows[:2]] == [len(any_training.COLUMNS)] * 2
    assert rows[1][0] == f"| {title}"
    assert rows[3] == ["| searches", "1 |"]
    assert "The further seeds' mean lies " in printed
    assert 5_000 < (tmp_path / "any_training.png").stat().st_size < LARGEST_PICTURE


def test_a_missing_framework_is_named_with_the_cure(
    any_training: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(any_training.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="no door is left"):
        run(any_training, monkeypatch, tmp_path, "--doors", "torch")

    expected = "torch is left out: it needs torch, which you can install by pip install torch\n"
    assert capsys.readouterr().out == expected


def test_an_unknown_door_is_refused(
    any_training: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run(any_training, monkeypatch, tmp_path, "--doors", "window")

    assert "sgd_classifier, but got 'window'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        "sgd_classifier",
        *(pytest.param(name, marks=[mark, pytest.mark.slow]) for name, mark in FRAMEWORKS.items()),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_seed_says_all_so_that_plain_code_trains_as_the_search_does(
    any_training: Any, name: str
) -> None:
    door = any_training.DOORS[name]
    for module in door.needs:
        pytest.importorskip(module)
    trainer = LoopTrainer(Loop(door.train, any_training.EPOCHS))
    setting = Setting(door.default, "cosine", 0.1)
    ((outcome,),) = trainer.train([setting], [7], Control())

    schedule = Schedule(learning_rate_init=door.default, decay="cosine", decay_rate=0.1)
    loss = any_training.last_loss(door.train, schedule, trainer.replicate_seed(7))

    assert outcome.values(1)[0] == loss


def test_a_network_that_diverges_counts_as_such(any_training: Any) -> None:
    train = any_training.DOORS["network"].train

    assert any_training.last_loss(train, Schedule(learning_rate_init=1e3), 0) == math.inf


def test_a_claim_is_held_against_the_errors_of_both(any_training: Any) -> None:
    result = SimpleNamespace(
        confirmed_loss=0.1, confirmed_se=0.03, confirmation=SimpleNamespace(replicates=2)
    )
    losses = np.array([0.16, 0.24, 0.16, 0.24])
    door = any_training.DOORS["torch"]
    tuned = any_training.Tuned(door, result, losses, losses, 0.0)
    error = 0.08 / math.sqrt(3) / 2

    assert tuned.distance == pytest.approx(0.1 / math.hypot(0.03, error))
    assert tuned.distance_by_spread == pytest.approx(0.1 / math.hypot(math.sqrt(2) * error, error))
    assert any_training.verdict([tuned]).endswith("above the claim: torch, a loop by hand.")
    assert any_training.gains([tuned]).endswith("at 0 of 1 doors.")


def test_a_claim_is_exceeded_if_a_further_seed_diverges(any_training: Any) -> None:
    result = SimpleNamespace(
        confirmed_loss=0.1, confirmed_se=0.03, confirmation=SimpleNamespace(replicates=2)
    )
    losses = np.array([0.1, 0.11, np.inf])
    tuned = any_training.Tuned(any_training.DOORS["network"], result, losses, losses, 0.0)
    counts = [line.split(" | ")[-1] for line in any_training.how_often([tuned])[-8:]]

    assert tuned.distance == tuned.distance_by_spread == math.inf
    assert counts == ["1 |", "1 |", "0 |", "1 |", "0 |", "1 |", "1 |", "0 |"]
