"""Whatever happens to a record, no finished trial is lost: random lives, of real processes.

Searches and workers run alone and in pairs, are killed, interrupted or left to end; lines are torn;
readers look on. After each operation all that was ever finished must still be there, and in the end
each study must be what it would have been in a quiet life.
"""

import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lrtune.cli import main
from lrtune.tuning.record.schema import Request, SearchFacts
from lrtune.tuning.sampling.asking import BLOCK_SIZE

JOURNAL, DATABASE = "lrtune.journal", "sqlite:///record.db"
N_TRIALS = {"confirmed": 24, "explored": 40}
"""Of each kind of search; a study's name begins with it."""
QUICK = ("--epochs", "1", "--replicates", "2", "--hidden", "4", "--alpha0", "0.01:10")
READERS = ("show", "studies", "report")
LONGEST = 45
"""Seconds that no command takes, unless it waits in vain."""
KILL, STOPS = signal.SIGKILL, (signal.SIGINT, signal.SIGTERM)

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(  # what the commands import, so that a process is there at once
    ["pytest", "hypothesis", "alembic.command", "optuna.storages._rdb.storage"]
    + [f"lrtune.cli.{command}" for command in ("search", "worker", *READERS)]
    + [
        "lrtune.cli.environment",
        "lrtune.cli.summary",
        "lrtune.tables.dataset",
        "lrtune.estimators.mlp",
    ]
    + ["lrtune.review.report", "lrtune.tuning.table_search"]
    + ["lrtune.tuning.sampling.pruners", "lrtune.tuning.search", "lrtune.review.studies"]
)

# --- what may happen ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A command; a signal may end it after so many hundredths of the time that a search takes."""

    command: str
    which: int
    ending: signal.Signals | None
    instant: int


@dataclass(frozen=True)
class Operation:
    """One or two commands at once; then a crash may leave so many hundredths of a line behind."""

    runs: Sequence[Run]
    torn: int


runs = st.builds(
    Run,
    st.sampled_from(["search"] * 2 + ["resume"] * 6 + ["worker"] * 4 + [*READERS]),
    st.integers(0, 5),
    st.sampled_from([KILL, KILL, *STOPS, None]),
    st.integers(0, 99),
)
operations = st.builds(
    Operation, st.lists(runs, min_size=1, max_size=2), st.sampled_from([0, 0, 0, 1, 50, 99])
)
lives = st.lists(operations, min_size=4, max_size=6, unique_by=repr)

# --- a command as a process -----------------------------------------------------------------------


def work(words: Sequence[str], folder: Path, told: Path) -> None:
    """Run the command line; once its output is there, it has begun."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside of `main`
    os.chdir(folder)
    for suffix, descriptor in ((".err", 2), (".out", 1)):
        os.dup2(os.open(told.with_suffix(suffix), os.O_CREAT | os.O_WRONLY), descriptor)
    main(list(words))


class Process:
    """The command line at work, to be ended by a signal some seconds after it has begun."""

    def __init__(
        self, words: Sequence[str], life: "Life", ending: signal.Signals | None, seconds: float
    ) -> None:
        life.n_started += 1
        self.words, self.ending, self._seconds = words, ending, seconds
        self._told, self._begun = life.outside / str(life.n_started), 0.0
        arguments = ((*words, "--storage", life.storage), life.folder, self._told)
        self._process = context.Process(target=work, args=arguments, daemon=True)
        self._process.start()

    def runs(self) -> bool:
        """Whether it still runs; the signal is sent when its time has come."""
        now = time.monotonic()
        if not self._begun and self._told.with_suffix(".out").exists():
            self._begun = now
        if self.ending is not None and self._begun and now >= self._begun + self._seconds:
            self._seconds = float("inf")
            with suppress(ProcessLookupError):
                os.kill(self._process.pid or 0, self.ending)
        assert not self._begun or now < self._begun + LONGEST, (self.words, "waits in vain")
        return self._process.is_alive()

    def read(self, suffix: str) -> str:
        return self._told.with_suffix(suffix).read_text()

    def require(self, *codes: int) -> None:
        """It ended with one of the codes or by its signal, and without a traceback."""
        told, code = self.read(".err"), self._process.exitcode
        by_signal = () if self.ending is None else (-self.ending, 128 + self.ending)
        assert code in (*codes, *by_signal), (self.words, told)
        # Python ignores an interruption while it clears away, and says so
        assert "Traceback" not in told or "Exception ignored" in told, (self.words, told)


# --- a record, and what was seen in it ------------------------------------------------------------

Trials = list[tuple[Any, ...]]


def trials_of(study: optuna.Study) -> Trials:
    return [
        (t.number, t.state, t.params, t.values, t.intermediate_values, t.user_attrs, t.constraints)
        for t in study.get_trials(deepcopy=False)
    ]


def timeless(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in values.items() if key not in ("seconds", "study")}


@dataclass(frozen=True)
class Seen:
    """A study as plain Optuna read it."""

    trials: Trials
    facts: Mapping[str, Any]

    @property
    def has_result(self) -> bool:
        return any(trial[1] == TrialState.COMPLETE for trial in self.trials)

    @property
    def timeless(self) -> Trials:
        return [(*t[:5], timeless(t[5]), *t[6:]) for t in self.trials]


def kind_of(study: str) -> str:
    return study.partition("-")[0]


def search_of(study: str, *more: str) -> tuple[str, ...]:
    kind = kind_of(study)
    confirm = "--confirm" if kind == "confirmed" else "--no-confirm"
    words = ("search", "iris", "--trials", str(N_TRIALS[kind]), confirm, *QUICK, *more)
    return (*words, "--name", study)


@dataclass
class Life:
    """Of one record, in a folder of its own."""

    storage: str
    folder: Path
    outside: Path
    seen: dict[str, Seen] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    n_started: int = 0

    @property
    def path(self) -> Path:
        return self.folder / self.storage.removeprefix("sqlite:///")

    def content(self) -> bytes:
        """What looking must not change; a database takes back what was cut short."""
        return self.path.read_bytes() if self.storage == JOURNAL and self.path.exists() else b""

    def read(self) -> dict[str, Seen]:
        """The studies as plain Optuna reads them."""
        if not self.path.exists():
            return {}
        with opened(self.storage, self.path) as storage:
            names = optuna.get_all_study_names(storage)
            studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
            return {study.study_name: Seen(trials_of(study), study.user_attrs) for study in studies}

    def start(
        self, *words: str, ending: signal.Signals | None = None, seconds: float = 0.0
    ) -> Process:
        return Process(words, self, ending, seconds)

    def watch(self, *processes: Process) -> None:
        """Wait until all have ended; meanwhile the whole lines of a journal only grow."""
        lines = b""
        while [process for process in processes if process.runs()]:
            content = self.content()
            assert content.startswith(lines), "what others may have read was taken back"
            lines = content[: content.rfind(b"\n") + 1]
            time.sleep(0.002)

    def tear(self, share: int) -> None:
        """Leave a part of a line behind, as a crash does."""
        content = self.content()
        if share and content.endswith(b"\n"):
            line = content.splitlines()[-1]
            self.path.write_bytes(content + line[: 1 + share * len(line) // 100])

    def words(self, run: Run) -> tuple[str, ...]:
        """The command line, whose last word is the study; of what is not yet done if it writes."""
        names, to_do = sorted(self.seen), [name for name in sorted(self.seen) if self.lacks(name)]
        writes = run.command not in READERS
        if not names or run.command == "search" or (writes and not to_do and len(names) < 3):
            return search_of(list(N_TRIALS)[run.which % 2])
        names = to_do if writes and to_do else names
        study = names[run.which % len(names)]
        page = str(self.outside / f"{self.n_started}{run.which}.html")
        return {
            "resume": search_of(study, "--resume"),
            "worker": ("worker", "--name", study),
            "show": ("show", study),
            "studies": ("studies",),
            "report": ("report", "--output", page, study),
        }[run.command]

    def lacks(self, study: str) -> bool:
        return len(self.seen[study].trials) < N_TRIALS[kind_of(study)]

    def run(self, runs: Sequence[Run]) -> None:
        """Run commands at once."""
        told = [self.words(run) for run in runs]
        if self.storage == DATABASE and "--resume" in told[0] and told[0] == told[-1]:
            del told[1:]  # only a journal can be kept from changing between a look and a write
        self.joined |= {words[-1] for words in told if words[0] == "worker"}
        before, processes = self.content(), []
        for run, words in zip(runs, told, strict=False):
            kind, ending = kind_of(words[-1]), run.ending
            if words[-1] in self.joined and kind == "confirmed" and ending == KILL:
                ending = signal.SIGTERM  # others would wait a minute for what it has to confirm
            quiet = uninterrupted(self.storage, kind if kind in N_TRIALS else "explored")
            seconds = quiet.seconds * run.instant / 100
            processes.append(self.start(*words, ending=ending, seconds=seconds))
        self.watch(*processes)
        for process in processes:
            process.require(*self.codes(process.words, told))
        assert before == self.content() or any(words[0] not in READERS for words in told)

    def codes(self, words: Sequence[str], told: Sequence[Sequence[str]]) -> tuple[int, ...]:
        """What a command may end with, if no signal ends it."""
        if words[0] in ("search", "studies"):  # of two that go on with a study, one may be refused
            return (0, 1) if "--resume" in words and told.count(words) > 1 else (0,)
        seen = self.seen[words[-1]]
        is_ready = Request.KEY in seen.facts if words[0] == "worker" else seen.has_result
        return (0,) if is_ready else (0, 1, 2)

    def check(self) -> None:
        """All that was finished is there, in order, once, and lrtune shows it."""
        now = self.read()
        for name, seen in self.seen.items():
            assert now[name].trials[: len(seen.trials)] == seen.trials
        for name, held in now.items():
            assert kind_of(name) in N_TRIALS, "a claim was left behind"
            assert all(trial[1].is_finished() for trial in held.trials)
            assert [trial[0] for trial in held.trials] == list(range(len(held.trials)))
            assert len({tuple(trial[2].values()) for trial in held.trials}) == len(held.trials)
        changed = [name for name in now if now[name] != self.seen.get(name)]
        self.seen = now
        before = self.content()
        shown = {name: self.start("show", name, "--json") for name in changed}
        listing = [self.start("studies", "--json")] if now else []
        self.watch(*shown.values(), *listing)
        ours = {
            name: len(held.trials) for name, held in now.items() if SearchFacts.KEY in held.facts
        }
        for name, process in shown.items():
            process.require(0 if now[name].has_result else 1 if name in ours else 2)
            if now[name].has_result:
                assert sum(json.loads(process.read(".out"))["trials"].values()) == ours[name]
        for process in listing:
            process.require(0)
            listed = json.loads(process.read(".out"))
            assert {each["study"]: sum(each["trials"].values()) for each in listed} == ours
        assert before == self.content(), "looking changed the record"

    def end(self) -> None:
        """Go on with every study: it becomes what it would have been in a quiet life."""
        resumed = {name: self.start(*search_of(name, "--resume", "--json")) for name in self.seen}
        self.watch(*resumed.values())
        self.check()
        for name, process in resumed.items():
            process.require(0)
            seen, quiet = self.seen[name], uninterrupted(self.storage, kind_of(name))
            if name in self.joined:
                assert 0 <= len(seen.trials) - len(quiet.trials) <= BLOCK_SIZE
            else:
                assert seen.timeless == quiet.trials
                assert timeless(json.loads(process.read(".out"))) == quiet.result
        assert not self.seen or list(self.folder.iterdir()) == [self.path]


@contextmanager
def opened(storage: str, path: Path) -> Iterator[Any]:
    """A record as plain Optuna opens it."""
    if storage == JOURNAL:
        yield JournalStorage(JournalFileBackend(str(path)))
        return
    database = RDBStorage(f"sqlite:///{path}")
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


@contextmanager
def new_life(storage: str) -> Iterator[Life]:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as outside:
        yield Life(storage, Path(folder), Path(outside))


@dataclass(frozen=True)
class Quiet:
    """What a search comes to that nothing happens to, and how long it takes."""

    trials: Trials
    result: Mapping[str, Any]
    seconds: float


@cache
def uninterrupted(storage: str, kind: str) -> Quiet:
    with new_life(storage) as life:
        life.watch(life.start("studies"))  # the first process waits for the imports
        begun = time.monotonic()
        process = life.start(*search_of(kind, "--json"))
        life.watch(process)
        seconds = time.monotonic() - begun
        return Quiet(
            life.read()[kind].timeless, timeless(json.loads(process.read(".out"))), seconds
        )


# --- the tests ------------------------------------------------------------------------------------

real = settings(
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # no two lives take the same course, so there is nothing to shrink
    suppress_health_check=list(HealthCheck),
)


def live(storage: str, operations: Sequence[Operation]) -> None:
    with new_life(storage) as life:
        for operation in operations:
            life.run(operation.runs)
            life.tear(operation.torn)
            life.check()
        life.end()


@pytest.mark.slow
@settings(real, max_examples=1)
@given(lives)
def test_a_journal_loses_nothing_whatever_happens_to_it(operations: Sequence[Operation]) -> None:
    live(JOURNAL, operations)


@pytest.mark.slow
@settings(real, max_examples=1)
@given(lives)
def test_a_database_loses_nothing_whatever_happens_to_it(operations: Sequence[Operation]) -> None:
    live(DATABASE, operations)
