"""A search of a function that is killed goes on as uninterrupted; what it halts leaves nothing."""

import gc
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import GeneratorType, ModuleType
from typing import Any

import numpy as np
import pytest

from lrtune.schedules.schedule import Schedule
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.result import SearchResult
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.loop import Loop, LoopTrainer
from lrtune.tuning.trainers.protocol import Control

SCRIPT = """
from pathlib import Path

import numpy as np
import lrtune

EPOCHS = 5

def train(schedule, seed):
    noise = np.random.default_rng(seed)
    x = np.full(16, 3.0)
    for epoch in range(EPOCHS):
        with Path("epochs").open("a") as file:
            file.write(".")
        x = x - schedule(epoch) * (x + 0.3 * noise.standard_normal(16))
        yield {"loss": float(np.mean(x**2)), "largest": float(np.abs(x).max())}

def search(**options):
    return lrtune.search(train, epochs=EPOCHS, trainings=48, default=0.1, **options)

if __name__ == "__main__":
    search(resume=Path("lrtune.journal").exists())
"""
N_EPOCHS = 200
"""About the number of epochs of this search."""


def outcome(result: SearchResult) -> list[Any]:
    """Return all of a result that does not tell the time."""
    trials: list[Any] = [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.intermediate_values,
            replace(TrialFacts.of(trial), seconds=0.0),
        )
        for trial in result.finished
    ]
    return [*trials, result.confirmation, result.best, result.warnings]


@pytest.fixture
def script(folder: Path) -> ModuleType:
    path = folder / "mine.py"
    path.write_text(SCRIPT)
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def n_epochs() -> int:
    return Path("epochs").stat().st_size if Path("epochs").exists() else 0


@pytest.mark.filterwarnings("ignore:the lock on")  # which a killed search may leave behind
@pytest.mark.slow
def test_killed_at_random_instants_a_search_ends_as_one_that_was_not(
    folder: Path, script: ModuleType
) -> None:
    kills = 3
    rng = np.random.default_rng(kills)
    expected = outcome(script.search(storage=None))
    Path("epochs").unlink()
    n_killed = 0
    for _ in range(kills):
        instant = n_epochs() + rng.integers(1, N_EPOCHS // kills)
        run = subprocess.Popen([sys.executable, "mine.py"], stderr=subprocess.PIPE)
        while run.poll() is None and n_epochs() < instant:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.01))
        run.send_signal(signal.SIGKILL)
        _, error = run.communicate()
        assert run.returncode in (0, -signal.SIGKILL), error
        n_killed += run.returncode != 0

    resumed = script.search(resume=Path("lrtune.journal").exists())

    assert n_killed >= kills / 2
    assert outcome(resumed) == expected
    assert {path.name for path in folder.iterdir()} <= {
        "mine.py", "epochs", "lrtune.journal", "__pycache__",
    }  # fmt: skip


# --- halted trainings -----------------------------------------------------------------------------


def halt(function: Callable[..., Any], n: int) -> None:
    """Halt a training n times, after its second epoch, by turns by the pruner and by its loss."""
    trainer = LoopTrainer(Loop(function, 10))
    settings = [Setting(0.1 if index % 2 else 1.0, "constant", 0.0) for index in range(n)]
    control = Control(prune=lambda _index, epoch, _loss: epoch == 2)
    outcomes = [each for (each,) in trainer.train(settings, [0], control)]
    assert [each.pruned for each in outcomes] == [bool(index % 2) for index in range(n)]
    assert all(each.epochs == 2 for each in outcomes)


def n_alive(kind: type, name: str = "") -> int:
    return sum(
        type(each) is kind and (not name or each.__name__ == name) for each in gc.get_objects()
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
def test_halted_trainings_leave_no_generator_file_or_thread(folder: Path) -> None:
    def leaky(schedule: Schedule, seed: int) -> Iterator[float]:
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        with Path("log").open("w", encoding="utf-8") as file:
            try:
                for epoch in range(10):
                    file.write(f"{epoch}\n")
                    yield np.inf if epoch and schedule(0) > 0.5 else 1.0
            finally:
                stop.set()
                thread.join()

    def before_and_after() -> tuple[int, int, int]:
        return (
            n_alive(GeneratorType, "leaky"),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            len(threading.enumerate()),
        )

    halt(leaky, 2)
    before = before_and_after()
    halt(leaky, 60)

    assert before_and_after() == before
    assert before[0] == 0


def test_halted_functions_that_report_leave_no_exception_behind() -> None:
    from lrtune.exceptions import Halted

    def reporting(schedule: Schedule, seed: int, report: Callable[[float], None]) -> None:
        for epoch in range(10):
            report(np.inf if epoch and schedule(0) > 0.5 else 1.0)

    halt(reporting, 60)
    gc.collect()

    assert n_alive(Halted) == 0


@pytest.mark.torch
def test_halted_trainings_keep_no_tensor_of_a_graph_alive() -> None:
    torch = pytest.importorskip("torch")

    def graph(schedule: Schedule, seed: int) -> Iterator[Any]:
        weight = torch.ones(100, requires_grad=True)
        for epoch in range(10):
            loss = (weight * torch.rand(100)).mean() + (1e9 if epoch and schedule(0) > 0.5 else 0)
            yield {"loss": loss if schedule(0) < 0.5 or not epoch else loss * np.inf, "w": loss}

    halt(graph, 2)
    gc.collect()
    before = n_alive(torch.Tensor)
    halt(graph, 200)

    assert n_alive(torch.Tensor) == before
