"""Clusters of joblib's backends train what one process would, and lose nothing with a worker."""

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import pytest
from joblib._parallel_backends import ThreadingBackend
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune
from lrtune.support import engines
from lrtune.support.engines import active_cluster, at_engine, open_workers, process_environments

EPOCHS = 3
SCRIPT = """
import os
import random
import time


def train(schedule, seed):
    x = 10.0
    for epoch in range(3):
        time.sleep(0.02)
        x -= schedule(epoch) * (2 * x + random.gauss(0, 1))
        yield {"loss": x * x, "pid": os.getpid()}
"""
"""Draws from Python's global random numbers, from which Dask draws meanwhile."""


class Elsewhere(ThreadingBackend):
    """A backend that is not joblib's own."""

    supports_return_generator = False


joblib.register_parallel_backend("elsewhere", Elsewhere)


def descent(schedule: lrtune.Schedule, seed: int) -> Iterator[float]:
    x = 10.0
    for epoch in range(EPOCHS):
        x -= schedule(epoch) * (2 * x + random.gauss(0, 1))
        yield x * x


def search(train: Callable[..., Any] = descent, **options: Any) -> lrtune.SearchResult:
    return lrtune.search(train, epochs=EPOCHS, trainings=24, **{"storage": None} | options)


def tuned(estimator: Any) -> lrtune.SearchResult:
    model = make_pipeline(StandardScaler(), estimator)
    tuning = lrtune.LearningRateSearchCV(model, n_trials=8, cv=2, random_state=0, refit=False)
    return tuning.fit(*load_iris(return_X_y=True)).result_


def found(result: lrtune.SearchResult) -> Any:
    trials = [(trial.params, trial.value, trial.state) for trial in result.finished]
    return trials, result.schedule, result.confirmed_loss


def all_doors() -> list[Any]:
    networks = (lrtune.MLPClassifier((4,), max_iter=EPOCHS), SGDClassifier(max_iter=EPOCHS))
    return [found(search()), *(found(tuned(each)) for each in networks)]


@pytest.mark.parametrize(
    "doors",
    [lambda: found(search()), pytest.param(all_doors, marks=pytest.mark.slow)],
    ids=["search", "all"],
)
def test_any_backend_of_joblibs_trains_the_same_trials(doors: Callable[[], Any]) -> None:
    expected = doors()
    with joblib.parallel_config("elsewhere", n_jobs=3):
        cluster = active_cluster(None)
        assert cluster is not None
        assert cluster.n_workers == 3
        assert doors() == expected
    with joblib.parallel_config("threading"):
        assert active_cluster(None) is None


def test_an_error_of_a_training_is_raised_with_the_workers_traceback() -> None:
    def broken(schedule: lrtune.Schedule, seed: int) -> Iterator[float]:
        raise KeyError("mine")
        yield 1.0

    with joblib.parallel_config("elsewhere"), pytest.raises(KeyError, match="mine") as caught:
        search(broken)

    assert ", in broken\nKeyError: 'mine'" in str(caught.value.__cause__)


def test_several_processes_share_a_gpu_and_no_cluster_takes_one() -> None:
    seen = [each["CUDA_VISIBLE_DEVICES"] for each in process_environments(None, [0, 3], 2)]

    assert seen == ["0", "3", "0", "3"]
    with (
        joblib.parallel_config("elsewhere"),
        pytest.raises(lrtune.InvalidInputError, match=r"but got `gpus=\[0\]` on a cluster"),
    ):
        open_workers(None, [0])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("spark://host:1", "`engine` must be dask://HOST:PORT or ray://HOST:PORT, but got 'spark:"),
        ("dask://", "`engine` must be dask://HOST:PORT or"),
        ("dask://host", "`engine` must name a host and a port|needs distributed"),
        ("dask://127.0.0.1:{}", "nothing of its kind answers at|needs distributed, .* pip install"),
        ("ray://127.0.0.1:{}", "nothing of its kind answers at|needs ray, .* pip install ray"),
    ],
)
def test_a_cluster_that_is_not_there_is_refused(url: str, message: str) -> None:
    if url.startswith("ray") and find_spec("ray") is not None:
        pytest.skip("its import takes long, and it spins off threads")
    with socket.socket() as free:  # bound, but does not listen
        free.bind(("127.0.0.1", 0))
        with (
            pytest.raises(lrtune.InvalidInputError, match=message),
            at_engine(url.format(free.getsockname()[1])),
        ):
            pass


@pytest.mark.dask
@pytest.mark.slow
def test_a_server_that_is_not_dasks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"dask://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(lrtune.InvalidInputError, match="nothing of its kind answers at"),
            at_engine(url),
        ):
            pass


# --- real clusters --------------------------------------------------------------------------------


def dies_once(mark: Path) -> Callable[..., Iterator[float]]:
    def train(schedule: lrtune.Schedule, seed: int) -> Iterator[float]:
        if schedule(0) > 1 and not mark.exists():
            mark.touch()
            os._exit(3)
        x = 10.0
        for epoch in range(3):
            x -= schedule(epoch) * (2 * x + random.gauss(0, 1))
            yield x * x

    return train


def always_dies(schedule: lrtune.Schedule, seed: int) -> Iterator[float]:
    if schedule(0) > 1:
        os._exit(3)
    yield from (1.0, 1.0, 1.0)


def check_losses(tmp_path: Path, expected: Any) -> None:
    """Check that a training that ended its worker is trained again, or ends the search."""
    mark = tmp_path / "died"
    assert found(search(dies_once(mark))) == expected
    assert mark.exists()

    kept: list[lrtune.Progress] = []
    with pytest.raises(lrtune.WorkersLostError, match="it counts as not done, and all finished"):
        search(always_dies, on_progress=kept.append)
    assert all(progress.trials.diverged == 0 for progress in kept)


@pytest.mark.dask
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Dask's own, as its workers die
def test_dask_trains_the_same_trials_and_a_lost_one_again(
    tmp_path: Path, folder: Path, lrtune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "RETRIES", 1)
    distributed = pytest.importorskip("distributed")
    Path("train.py").write_text(SCRIPT, encoding="utf-8")
    words = ("search", "train.py", "--epochs", "3", "--trainings", "24", "--json", "--quiet")
    here = lrtune(*words, "--name", "here").json
    expected = all_doors()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, local_directory=str(folder)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with joblib.parallel_config("dask", client=client):
            assert all_doors() == expected
            check_losses(tmp_path, expected[0])
        url = cluster.scheduler_address.replace("tcp://", "dask://")
        there = lrtune(*words, "--name", "there", "--engine", url)

    assert there.code == 0, there.err
    own = {"study": None, "seconds": None}
    assert json.loads(there.out) | own == here | own


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_trains_the_same_trials_and_a_lost_one_again(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    expected = all_doors()
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config("ray"):
            assert all_doors() == expected
            check_losses(tmp_path, expected[0])
        with joblib.parallel_config("ray", ray_remote_args={"num_gpus": 1}):

            def gpu(schedule: Any, seed: int) -> Iterator[Any]:
                for epoch in range(3):
                    time.sleep(0.1)
                    device = os.environ["CUDA_VISIBLE_DEVICES"]
                    yield {"loss": schedule(0) / 100 + 1 / (1 + epoch), "gpu": int(device)}

            trials = search(gpu).finished
        devices = {trial.user_attrs["metrics"]["gpu"][0] for trial in trials}
        assert devices == {0, 1}
    finally:
        ray.shutdown()
