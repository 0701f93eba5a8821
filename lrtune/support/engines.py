"""The place where trainings run: in this process, in processes of this machine, or on a cluster.

A cluster is that of joblib's active backend: ``with joblib.parallel_config("dask")``. On Dask and
Ray, tasks are futures of their own: joblib 1.6 waits forever for a task that has ended all Dask
workers it was tried on, and keeps the dead ones of Ray. Other backends, such as Spark's, are used
by way of `joblib.Parallel`, as many tasks at a time as they have workers.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import islice
from multiprocessing import current_process
from numbers import Integral
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.externals.loky.backend.reduction import dumps
from joblib.parallel import get_active_backend

from lrtune._version import __version__
from lrtune.exceptions import InvalidInputError, WorkersLostError
from lrtune.support.processes import Ended, Result, Submit, Task, Workers, attempt

CONNECT_SECONDS = 5.0
"""Seconds in which a cluster must answer."""
START_SECONDS = 120.0
"""Seconds in which a cluster must start its first worker."""
RETRIES = 3
"""Further tries of a training that a cluster lost with its worker."""
LOCAL = "joblib._parallel_backends"
"""Module of joblib's own backends, all of which are on this machine."""

_TURN = threading.Lock()
"""Held while a worker trains: random states and the current folder are a whole process's, so that
its threads take turns."""
_APART: list[Workers] = []
"""The process that trains for this one, if it is a Dask worker."""


def open_workers(
    n_jobs: int | None, gpus: Sequence[int] | None = None, per_gpu: int = 1
) -> AbstractContextManager[Workers | None]:
    """Return the context of the workers that train; None to train in this process."""
    environments = process_environments(n_jobs, gpus, per_gpu)
    cluster = active_cluster(n_jobs)
    if cluster is None:
        return Workers(environments) if environments else nullcontext()
    if gpus is not None:
        raise InvalidInputError(
            f"`gpus` are those of this machine, but got `gpus={list(gpus)}` on a cluster, whose "
            "workers have GPUs of their own: leave it out, and start one Dask worker for each GPU, "
            "or ask Ray for one (`num_gpus`)"
        )
    return cluster


def process_environments(
    n_jobs: int | None, gpus: Sequence[int] | None, per_gpu: int = 1
) -> list[dict[str, str]]:
    """Return the environment of each worker process; none to train in this process."""
    if isinstance(per_gpu, bool) or not isinstance(per_gpu, Integral) or per_gpu < 1:
        raise InvalidInputError(
            f"`per_gpu` must be a whole number of at least 1, but got {per_gpu!r}: give the number "
            "of trainings that a GPU has room for"
        )
    if gpus is None:
        if per_gpu != 1:
            raise InvalidInputError(
                f"`per_gpu={per_gpu}` is the number of trainings on each of `gpus`, which are not "
                "given: name them, or leave it out"
            )
        n_workers = effective_n_jobs(n_jobs)
        return [{} for _ in range(n_workers)] if n_workers > 1 else []
    if n_jobs is not None:
        raise InvalidInputError(
            f"`gpus` sets the number of processes, but got `n_jobs={n_jobs}`, too: leave out one "
            "of them"
        )
    if not gpus or not all(isinstance(gpu, Integral) and gpu >= 0 for gpu in gpus):
        raise InvalidInputError(
            f"`gpus` must hold indices of GPUs, such as [0, 1], but got {gpus!r}"
        )
    return [{"CUDA_VISIBLE_DEVICES": str(gpu)} for _ in range(per_gpu) for gpu in gpus]


# --- joblib's active backend ----------------------------------------------------------------------


def is_elsewhere() -> bool:
    """Return whether joblib's active backend is none of its own, which are on this machine."""
    return type(get_active_backend()[0]).__module__ != LOCAL


def active_cluster(n_jobs: int | None) -> Cluster | None:
    """Return the workers of joblib's active backend; None if it is on this machine.

    Raises
    ------
    InvalidInputError
        If it has no workers, or they have another version of lrtune or none.
    """
    if not is_elsewhere():
        return None
    backend, configured = get_active_backend()
    kind = BACKENDS.get(type(backend).__name__, AnyCluster)
    return kind(backend, configured if n_jobs is None else n_jobs)


class Cluster(Workers):
    """Workers elsewhere, of which `n_jobs` train at a time; all by default.

    They are started, retried and ended by the cluster.
    """

    name: str

    def __init__(self, backend: Any, n_jobs: int | None) -> None:
        super().__init__(())
        self._backend = backend
        self._n_jobs = n_jobs
        self._connect()
        self._require_same_version()

    @property
    def n_workers(self) -> int:
        """The number of workers now: they may come and go."""
        in_all, n_jobs = self._count(), self._n_jobs
        if n_jobs is None:
            return in_all
        return max(1, min(n_jobs, in_all) if n_jobs > 0 else in_all + 1 + n_jobs)

    def _connect(self) -> None:
        raise NotImplementedError

    def _count(self) -> int:
        raise NotImplementedError

    def _submit_packed(self, packed: bytes) -> Future[Ended]:
        raise NotImplementedError

    def _submit(self, work: Callable[[Task], Result], task: Task) -> Future[Ended]:
        return self._submit_packed(bytes(dumps((work, task))))

    def _start(self) -> list[Submit]:
        return [self._submit] * self.n_workers

    def _ended(self, future: Future[Ended]) -> Ended:
        try:
            return future.result()
        except Exception as error:  # run_packed raises none, so it is the cluster's
            raise WorkersLostError(
                f"{self.name} lost a training with all workers that it was tried on, perhaps as "
                f"memory ran out ({_told(error)}): it counts as not done, and all finished "
                "trials are kept"
            ) from error

    def _require_same_version(self) -> None:
        """Raise InvalidInputError unless a worker has this version of lrtune."""
        try:
            ended = self._submit(_version, None).result(timeout=START_SECONDS)
            found = str(ended.result())
        except Exception as error:  # noqa: BLE001 -- whatever the cluster raises without lrtune
            found = f"none ({_told(error)})"
        if found != __version__:
            raise InvalidInputError(
                f"the workers of {self.name} must have lrtune {__version__}, but a worker has "
                f"{found}: install it where they run, and start them anew"
            )

    def __exit__(self, *_: object) -> None:
        """Leave the workers to the cluster."""


class DaskCluster(Cluster):
    """A training at a time beside each of Dask's workers."""

    name = "Dask"

    def _connect(self) -> None:
        self._client = self._backend.client
        self._executor = self._client.get_executor(pure=False, retries=RETRIES)

    def _count(self) -> int:
        if not self._client.nthreads():
            try:
                self._backend.effective_n_jobs(-1)  # waits for one
            except TimeoutError as error:
                raise InvalidInputError(
                    "a cluster must have workers, but Dask has none: start some, `dask worker "
                    f"{self._client.scheduler.address}`"
                ) from error
        return len(self._client.nthreads()) or 1

    def _require_same_version(self) -> None:
        self._count()
        super()._require_same_version()

    def _submit_packed(self, packed: bytes) -> Future[Ended]:
        future: Future[Ended] = self._executor.submit(run_apart, packed)
        return future


class RayCluster(Cluster):
    """A training at a time for each CPU of Ray's, or for what ``ray_remote_args`` asks for."""

    name = "Ray"

    def _connect(self) -> None:
        import ray

        if not ray.is_initialized():
            ray.init()  # as joblib's backend would; heeds RAY_ADDRESS
        self._needs = {"num_cpus": 1, **(self._backend.ray_remote_args or {})}
        self._remote = ray.remote(**self._needs, max_retries=RETRIES)(run_packed)

    def _count(self) -> int:
        import ray

        in_all = ray.cluster_resources()
        needs = {"CPU": self._needs["num_cpus"], "GPU": self._needs.get("num_gpus", 0)}
        found = min(int(in_all.get(name, 0) // need) for name, need in needs.items() if need)
        if found < 1:
            raise InvalidInputError(
                f"a cluster must have room for one training, but Ray has {in_all.get('CPU', 0):g} "
                f"CPUs and {in_all.get('GPU', 0):g} GPUs, and `ray_remote_args` asks for "
                f"{self._needs}: ask for less, or start more nodes"
            )
        return found

    def _require_same_version(self) -> None:
        self._count()  # a task that finds no room would wait forever
        super()._require_same_version()

    def _submit_packed(self, packed: bytes) -> Future[Ended]:
        import ray

        reference = self._remote.remote(packed)
        future: Future[Ended] = reference.future()

        def cancel(future: Future[Ended]) -> None:
            if future.cancelled():
                ray.cancel(reference, force=True)

        future.add_done_callback(cancel)
        return future


class AnyCluster(Cluster):
    """The workers of another backend of joblib's: as many tasks at a time as it has workers."""

    name = "joblib's backend"

    def _connect(self) -> None:
        pass

    @property
    def n_workers(self) -> int:
        """The number of workers, as joblib counts them."""
        return int(effective_n_jobs(-1 if self._n_jobs is None else self._n_jobs))

    def _require_same_version(self) -> None:
        pass

    def in_turn(
        self, work: Callable[[Task], Result], tasks: Iterator[tuple[int, Task]]
    ) -> Iterator[tuple[int, Result]]:
        """Yield each task's index and result, in the order of the tasks."""
        while together := list(islice(tasks, n_jobs := self.n_workers)):
            packed = [bytes(dumps((work, task))) for _, task in together]
            all_ended = Parallel(n_jobs=n_jobs)(delayed(run_packed)(each) for each in packed)
            for (index, _), ended in zip(together, all_ended, strict=True):
                yield index, ended.result()


BACKENDS: dict[str, type[Cluster]] = {
    "DaskDistributedBackend": DaskCluster,
    "RayBackend": RayCluster,
}
"""Clusters by the class of joblib's backend."""


def run_packed(packed: bytes) -> Ended:
    """Run a task on a worker of a cluster, one at a time in each process."""
    with _TURN:
        return attempt(_run_pair, packed)


def run_apart(packed: bytes) -> Ended:
    """Run a task beside a Dask worker, in a process that it starts for the first one and keeps.

    In the worker itself, Dask draws from Python's global random numbers meanwhile (`dask.sizeof`),
    so that a training would not see those of its seed; nor would it run in the main thread.
    """
    with _TURN:
        if not _APART:
            current_process()._config["daemon"] = False  # type: ignore[attr-defined] # may start one
            _APART.append(Workers([{}]))
        try:
            ((_, ended),) = _APART[0].in_turn(partial(attempt, _run_pair), iter([(0, packed)]))
        except BaseException:  # it has died: Dask tries again
            _APART.pop().__exit__()
            raise
        return ended


def _run_pair(packed: bytes) -> Any:
    work, task = pickle.loads(packed)  # noqa: S301 -- from the search itself
    return work(task)


def _version(_: object) -> str:
    return __version__


def _told(error: BaseException) -> str:
    """Return an error's kind and first sentence."""
    sentence = " ".join(str(error).split()).partition(". ")[0]
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__


# --- clusters by their URL ------------------------------------------------------------------------


def at_engine(url: str | None) -> AbstractContextManager[Any]:
    """Return a context in which joblib's backend is the cluster of a URL; None is this machine.

    Raises
    ------
    InvalidInputError
        If the URL has no scheme of `SCHEMES`, its package is not installed, or nothing answers.
    """
    if url is None:
        return nullcontext()
    scheme, _, address = url.partition("://")
    if scheme not in SCHEMES or not address:
        raise InvalidInputError(
            f"`engine` must be dask://HOST:PORT or ray://HOST:PORT, but got {url!r}: leave it out "
            "to train on this machine"
        )
    return SCHEMES[scheme](url, address)


@contextmanager
def _dask(url: str, address: str) -> Iterator[None]:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise _not_installed(url, "distributed") from error
    _require_answer(url, address)
    _require_scheduler(url, address)
    try:
        client = Client(f"tcp://{address}", timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise _no_answer(url, error) from error
    with client, parallel_config("dask", client=client):
        yield


@contextmanager
def _ray(url: str, address: str) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ModuleNotFoundError as error:
        raise _not_installed(url, "ray") from error
    is_here = address == "auto"  # the cluster that this machine is a node of
    if not is_here:
        _require_answer(url, address)
    try:
        ray.init(address if is_here else url, log_to_driver=True)
    except (OSError, RuntimeError) as error:
        raise _no_answer(url, error) from error
    try:
        register_ray()
        with parallel_config("ray"):
            yield
    finally:
        ray.shutdown()


SCHEMES: dict[str, Callable[[str, str], AbstractContextManager[None]]] = {
    "dask": _dask,
    "ray": _ray,
}
"""Connects to a cluster, by the scheme of its URL."""


def _require_answer(url: str, address: str) -> None:
    """Raise InvalidInputError unless something listens there: the libraries try for long."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidInputError(
            f"`engine` must name a host and a port, such as {url.partition(':')[0]}://host:8786, "
            f"but got {url!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(url, error) from error


def _require_scheduler(url: str, address: str) -> None:
    """Raise InvalidInputError unless Dask answers; its client waits for other servers forever."""
    from distributed.core import connect

    async def greet() -> None:
        (await connect(f"tcp://{address}", timeout=CONNECT_SECONDS)).abort()

    try:
        asyncio.run(asyncio.wait_for(greet(), CONNECT_SECONDS))
    except (OSError, TimeoutError) as error:
        raise _no_answer(url, error) from error


def _no_answer(url: str, error: BaseException) -> InvalidInputError:
    return InvalidInputError(
        f"`engine` must be a cluster that runs, but nothing of its kind answers at {url} "
        f"({_told(error)}): check the address, and that it can be reached from here"
    )


def _not_installed(url: str, package: str) -> InvalidInputError:
    return InvalidInputError(
        f"{url} needs {package}, which is not installed: pip install {package}"
    )
