"""``lrtune worker`` joins a search that runs, and ends with its result; stopping by a signal."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris

from lrtune.tuning.record import storage as storages
from lrtune.tuning.record.storage import open_storage

QUICK = ("--epochs", "3", "--hidden", "8")


def trials_of(folder: Path, name: str) -> int:
    try:
        study = optuna.load_study(
            study_name=name, storage=open_storage(str(folder / "lrtune.journal"))[0]
        )
    except KeyError:
        return 0
    return len(study.trials)


def wait_for_trials(folder: Path, name: str, wanted: int, process: Any) -> None:
    while not (folder / "lrtune.journal").exists() or trials_of(folder, name) < wanted:
        assert process.poll() is None
        time.sleep(0.05)


@pytest.fixture
def table(folder: Path) -> Path:
    frame = load_iris(as_frame=True).frame
    frame.to_csv("flowers.csv", index=False)
    return folder / "flowers.csv"


@pytest.mark.slow
def test_a_worker_takes_part_and_comes_to_the_same(
    folder: Path, start: Callable[..., Any], table: Path
) -> None:
    searching = start("search", "flowers.csv", *QUICK, "--trials", "600", "--json")
    wait_for_trials(folder, "flowers", 16, searching)
    working = start("worker", "--name", "flowers", "--json")
    (first, _), (second, told) = searching.communicate(), working.communicate()
    study = optuna.load_study(
        study_name="flowers", storage=open_storage(str(folder / "lrtune.journal"))[0]
    )
    helped = sum("worker" in trial.user_attrs for trial in study.trials)
    found, same = json.loads(first), json.loads(second)

    assert 16 <= helped < 600
    assert 600 <= len(study.trials) <= 616
    for key in ("best", "confirmed_loss", "safe_range", "trials", "confirmation", "study"):
        assert found[key] == same[key]
    assert "Traceback" not in told


def test_a_worker_reads_data_that_lie_elsewhere(
    folder: Path, lrtune: Callable[..., Any], table: Path
) -> None:
    first = lrtune("search", "flowers.csv", *QUICK, "--trials", "16", "--json").json
    Path("elsewhere").mkdir()
    table.rename("elsewhere/flowers.csv")
    run = lrtune("worker", "--name", "flowers", "--data", "elsewhere/flowers.csv", "--json")

    assert run.json["best"] == first["best"]
    missing = lrtune("worker", "--name", "flowers")
    assert missing.code == 2
    assert "flowers.csv'" in missing.err
    assert "spelling" in missing.err


def test_a_worker_with_other_data_is_refused(
    folder: Path, lrtune: Callable[..., Any], table: Path
) -> None:
    lrtune("search", "flowers.csv", *QUICK, "--trials", "16", "--no-confirm")
    table.write_text(table.read_text(encoding="utf-8").replace("5.1", "5.2", 1), encoding="utf-8")
    before = Path("lrtune.journal").read_bytes()
    run = lrtune("worker", "--name", "flowers")

    assert run.code == 2
    assert [word for word in ("'flowers'", "DATA", "keep its options") if word not in run.err] == []
    assert "repeat the first search's options" in run.err
    assert before == Path("lrtune.journal").read_bytes()


def test_a_study_that_is_not_there_or_not_ours_is_refused(
    folder: Path, lrtune: Callable[..., Any]
) -> None:
    nothing = lrtune("worker", "--name", "iris")
    optuna.create_study(storage=open_storage("lrtune.journal")[0], study_name="theirs")
    missing, theirs = lrtune("worker", "--name", "iris"), lrtune("worker", "--name", "theirs")

    assert [nothing.code, missing.code, theirs.code] == [2, 2, 2]
    assert "'lrtune.journal'" in nothing.err
    assert "existing record" in nothing.err
    assert "lrtune search" in nothing.err
    assert "'iris'" in missing.err
    assert "must exist" in missing.err
    assert "it has theirs" in missing.err
    assert "'theirs'" in theirs.err
    assert "start it with lrtune search" in theirs.err


def test_a_journal_on_a_network_drive_is_refused(
    folder: Path, lrtune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lrtune("search", "iris", *QUICK, "--trials", "16", "--no-confirm")
    mounts = folder / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/x {folder.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(storages, "MOUNTS", mounts)
    run = lrtune("worker", "--name", "iris")

    assert run.code == 2
    assert "'lrtune.journal'" in run.err
    assert "network drive (nfs4)" in run.err
    assert "use a database" in run.err


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_stop_keeps_what_is_finished_and_shows_the_best_so_far(
    folder: Path, start: Callable[..., Any], number: signal.Signals, code: int
) -> None:
    process = start("search", "iris", *QUICK, "--trials", "4000", "--json")
    wait_for_trials(folder, "iris", 32, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert process.returncode == code
    assert out == ""
    assert "best so far: learning_rate_init" in err
    assert "\n  lrtune search iris" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in folder.iterdir()) == ["lrtune.journal"]
