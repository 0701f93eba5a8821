"""The trainer of a user's function: its contract, its scale, and what is kept of the function."""

import functools
import linecache
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.support.processes import Workers
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import Loop, LoopTrainer, describe_function
from lrtune.tuning.trainers.protocol import Control, Outcome
from lrtune.tuning.trainers.scale import LossScale

EPOCHS = 3
SPACE = Space.default(EPOCHS, learning_rate_init=(1e-4, 1.0))


class Log:
    """A training whose loss is 1 after the first epoch, and which keeps what it was called with.

    `losses` maps a learning rate and the place of a replicate to the losses of that training.
    """

    def __init__(self, losses: Mapping[tuple[float, int], list[Any]] | None = None) -> None:
        self.losses = losses or {}
        self.calls: list[tuple[float, int]] = []
        self.epochs = 0

    def __call__(self, schedule: Schedule, seed: int) -> Iterator[Any]:
        rate = schedule(0)
        place = sum(rate == other for other, _ in self.calls)
        self.calls.append((rate, seed))
        for loss in self.losses.get((rate, place), [1.0, 0.5, rate + place]):
            if isinstance(loss, Exception):
                raise loss
            self.epochs += 1
            yield loss


def settings(*rates: float) -> list[Setting]:
    return [Setting(rate, "constant", 0.0) for rate in rates]


def train(
    function: Callable[..., Any],
    rates: tuple[float, ...],
    replicates: int = 1,
    *,
    control: Control | None = None,
    scale: bool = True,
    **changes: Any,
) -> list[Outcome]:
    """Train settings, by default with the scale of the losses known."""
    trainer = LoopTrainer(Loop(function, EPOCHS, **changes))
    if scale:
        trainer.scale(SPACE, ())
    found = trainer.train(settings(*rates), range(replicates), control or Control())
    return [outcome for outcomes in found for outcome in outcomes]


# --- the contract ---------------------------------------------------------------------------------


def test_outcomes_come_in_the_order_of_the_settings() -> None:
    log = Log()
    rates = (0.5, 0.1, 0.3)
    outcomes = train(log, rates, 2)

    assert [outcome.setting for outcome in outcomes] == settings(*rates)
    for outcome, rate in zip(outcomes, rates, strict=True):
        assert outcome.is_complete
        assert outcome.validation_curves.tolist() == [[1, 0.5, rate], [1, 0.5, rate + 1]]
        assert outcome.epochs == 2 * EPOCHS
        assert outcome.trainings == 2
        assert outcome.scores is None


def test_a_replicate_has_one_seed_for_all_settings_that_depends_on_the_searchs_alone() -> None:
    log = Log()
    train(log, (0.5, 0.1), 3, scale=False)
    seeds = [seed for _, seed in log.calls]
    trainer = LoopTrainer(Loop(log, EPOCHS))

    assert seeds[:3] == seeds[3:] == [trainer.replicate_seed(number) for number in range(3)]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert LoopTrainer(Loop(log, EPOCHS), seed=1).replicate_seed(0) != seeds[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e9])
def test_a_setting_that_diverges_is_not_trained_on_the_next_replicates(bad: float) -> None:
    log = Log({(0.5, 1): [1.0, bad]})
    first, second = train(log, (0.5, 0.1), 3)

    assert sum(rate == 0.5 for rate, _ in log.calls) == 2
    assert first.diverged is not None
    assert (first.diverged.replicate, first.diverged.epoch) == (2, 2)
    assert first.diverged.loss == (bad if np.isfinite(bad) else None)
    assert first.validation_curves.tolist() == [[1.0], [1.0]]
    assert first.trainings == 2
    assert first.epochs == 5
    assert first.values(3).tolist() == [np.inf] * 3
    assert second.is_complete


def test_a_setting_that_fails_is_not_trained_on_the_next_replicates() -> None:
    log = Log({(0.5, 0): [1.0, MemoryError("full")]})
    first, second = train(log, (0.5, 0.1), 2, catch=(MemoryError,))

    assert first.failure == "MemoryError: full"
    assert not first.is_complete
    assert first.trainings == 1
    assert first.values(2).tolist() == [np.inf] * 2
    assert second.is_complete


def test_the_pruner_judges_a_setting_on_its_first_replicate() -> None:
    asked = []

    def prune(index: int, epoch: int, loss: float) -> bool:
        asked.append((index, epoch, loss))
        return index == 1 and epoch == 2

    first, second = train(Log(), (0.5, 0.1), 2, control=Control(prune=prune))

    assert asked == [(0, 1, 1.0), (0, 2, 0.5), (1, 1, 1.0), (1, 2, 0.5)]
    assert first.is_complete
    assert second.pruned
    assert second.trainings == 1
    assert second.validation_curves.tolist() == [[1.0, 0.5]]


def test_after_the_deadline_no_further_training_begins() -> None:
    log = Log()

    assert train(log, (0.5, 0.1), control=Control(deadline=time.monotonic()), scale=False) == []
    assert log.calls == []


def test_a_setting_that_the_deadline_cuts_short_is_left_out() -> None:
    log = Log()
    trainer = LoopTrainer(Loop(log, EPOCHS))
    ended: list[float] = []
    deadline = time.monotonic() + 3600
    control = Control(deadline=deadline, on_training=ended.append)
    outcomes = trainer.train(settings(0.5, 0.1), range(2), control)

    assert next(outcomes)[0].is_complete
    assert len(ended) == 2
    object.__setattr__(control, "deadline", 0.0)  # as if an hour had passed
    assert list(outcomes) == []
    assert len(log.calls) == 2


def test_further_metrics_are_those_that_all_replicates_have() -> None:
    log = Log(
        {
            (0.5, 0): [{"loss": 1.0, "a": 1, "b": 2}] * EPOCHS,
            (0.5, 1): [{"loss": 1.0, "a": 3}] * EPOCHS,
        }
    )
    (outcome,) = train(log, (0.5,), 2)

    assert {name: values.tolist() for name, values in outcome.metrics.items()} == {"a": [1, 3]}


def test_a_rate_below_the_floor_lowers_the_floor_of_the_schedule_alone() -> None:
    seen = []

    def record(schedule: Schedule, seed: int) -> Iterator[float]:
        seen.append(schedule)
        yield from [1.0] * EPOCHS

    trainer = LoopTrainer(Loop(record, EPOCHS, modifiers={"min_learning_rate": 0.1}))
    below = Setting(0.01, "constant", 0.0, (("min_learning_rate", 0.01),))
    ((outcome,),) = trainer.train([below], [0], Control())

    assert outcome.is_complete
    assert seen == [Schedule(learning_rate_init=0.01, min_learning_rate=0.01)]


def test_the_default_keeps_its_own_step_size() -> None:
    default = Schedule(learning_rate_init=0.1, decay="step", decay_rate=0.5, step_size=2)
    loop = Loop(Log(), EPOCHS, default=default)
    setting = LoopTrainer(loop).default_setting(SPACE)

    assert setting is not None
    assert loop.schedule(setting) == default


def test_the_default_has_the_functions_own_further_parameters() -> None:
    def function(schedule: Schedule, seed: int, width: int, depth: int = 2) -> Iterator[float]:
        yield from [1.0] * EPOCHS

    default = Schedule(learning_rate_init=0.1)
    trainer = LoopTrainer(Loop(function, EPOCHS, default=default))
    space = Space.of({"depth": [1, 2, 3], "width": [8, 16]}, EPOCHS)
    setting = trainer.default_setting(space)

    assert setting is not None
    assert dict(setting.others) == {"depth": 2, "width": 8}


def test_without_a_range_the_first_block_finds_the_edge_above_the_floor() -> None:
    trainer = LoopTrainer(Loop(Log(), EPOCHS))

    assert trainer.find_rates(SPACE, ()) == ((1e-5, 10.0), ())

    floored = LoopTrainer(Loop(Log(), EPOCHS, modifiers={"min_learning_rate": 0.01}))

    assert floored.find_rates(SPACE, ())[0] == (0.01, 10.0)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"decay": ["plateau"]}, "`decay` must be a function of time .*'plateau'.*: leave it out"),
        (
            {"warmup_epochs": [0, 1]},
            "'warmup_epochs', which is the schedule's: pass it to the sear",
        ),
        ({"width": [1, 2]}, "`train` must take .schedule, seed, width., but got"),
        ({"learning_rate_init": (1e-4, 1.0)}, "`min_learning_rate` must be at most `learning_rate"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(space: dict[str, Any], message: str) -> None:
    def function(
        schedule: Schedule, seed: int, warmup_epochs: float = 0, **options: int
    ) -> Iterator[float]:
        yield 1.0

    def bare(schedule: Schedule, seed: int, warmup_epochs: float = 0) -> Iterator[float]:
        yield 1.0

    trainer = LoopTrainer(Loop(bare, EPOCHS, modifiers={"min_learning_rate": 0.01}))
    whole = {"learning_rate_init": (0.1, 1.0)} | space
    with pytest.raises(InvalidInputError, match=message):
        trainer.check(Space.of(whole, EPOCHS))


# --- the scale of the loss ------------------------------------------------------------------------


def test_the_scale_is_the_loss_at_a_rate_that_does_not_learn() -> None:
    log = Log()
    trainer = LoopTrainer(Loop(log, EPOCHS))
    scale = trainer.scale(SPACE, ())

    assert scale == trainer.scale(SPACE, ()) == LossScale(1.0, 2.0)
    assert trainer.dead_loss(SPACE) == 1.0
    ((rate, seed),) = log.calls  # once, and stopped after an epoch
    assert log.epochs == 1
    assert rate < SPACE.rates[0] / 100
    assert seed == trainer.replicate_seed(0)


@pytest.mark.parametrize("initial", [3.0, -3.0, 0.0, 1e-9])
def test_a_first_loss_that_is_blown_up_does_not_become_the_scale(initial: float) -> None:
    def function(schedule: Schedule, seed: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            yield initial + (1e6 if schedule(0) > 0.1 else -schedule(0) * epoch)

    first, second = train(function, (0.5, 0.1))

    assert first.diverged is not None
    assert first.diverged.epoch == 1
    assert second.is_complete


def test_where_higher_is_better_a_fall_far_below_the_start_diverges() -> None:
    def function(schedule: Schedule, seed: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            yield 10.0 * epoch if schedule(0) < 0.4 else 5.0 - 1000.0 * epoch

    first, second = train(function, (0.5, 0.1), maximize=True)

    assert first.diverged is not None
    assert first.diverged.epoch == 2
    assert second.values(1).tolist() == [-20.0]


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_without_a_finite_loss_at_that_rate_there_is_nothing_to_search(loss: float) -> None:
    def function(schedule: Schedule, seed: int) -> Iterator[float]:
        yield from [loss] * EPOCHS

    with pytest.raises(
        NothingCompletedError, match=r"must give a finite loss before it learns, but gave .*: check"
    ):
        LoopTrainer(Loop(function, EPOCHS)).scale(SPACE, ())


def test_the_scale_may_fail_on_a_replicate_by_an_error_that_is_let_pass() -> None:
    calls = []

    def function(schedule: Schedule, seed: int) -> Iterator[float]:
        calls.append(seed)
        if len(calls) <= n_failures:
            raise RuntimeError(f"failure {len(calls)}")
        yield from [4.0] * EPOCHS

    n_failures = 2
    loop = Loop(function, EPOCHS, catch=(RuntimeError,))

    assert LoopTrainer(loop).scale(SPACE, ()).initial == 4.0
    assert len(set(calls)) == 3

    n_failures, calls[:] = 3, []
    with pytest.raises(RuntimeError, match="failure 3"):
        LoopTrainer(loop).scale(SPACE, ())


# --- processes ------------------------------------------------------------------------------------


def noisy(schedule: Schedule, seed: int) -> Iterator[dict[str, float]]:
    for epoch in range(EPOCHS):
        if schedule(0) > 0.6 and epoch == 1:
            raise RuntimeError("too high")
        loss = np.random.random() / (1 + epoch)  # noqa: NPY002
        yield {"loss": np.nan if schedule(0) > 0.4 else loss, "seed": seed}


@pytest.mark.slow
def test_outcomes_do_not_depend_on_the_number_of_processes() -> None:
    rates = (0.3, 0.5, 0.7, 0.1, 0.2)
    loop = Loop(noisy, EPOCHS, catch=(RuntimeError,))
    trained = []
    with Workers([{}, {}]) as workers:
        for processes in (None, workers):
            trainer = LoopTrainer(loop, workers=processes)
            trainer.scale(SPACE, ())
            outcomes = [each for (each,) in trainer.train(settings(*rates), range(3), Control())]
            trained.append([_without_time(outcome) for outcome in outcomes])

    assert trained[0] == trained[1]
    assert [each["diverged"] is not None for each in trained[0]] == [
        False,
        True,
        True,
        False,
        False,
    ]


def _without_time(outcome: Outcome) -> dict[str, Any]:
    metrics = {name: values.tolist() for name, values in outcome.metrics.items()}
    return vars(outcome) | {
        "validation_curves": outcome.validation_curves.tolist(),
        "metrics": metrics,
        "seconds": 0.0,
    }


LAZY = """
def train(schedule, seed):
    import numpy as np
    import torch

    for _ in range(3):
        yield float(torch.rand(()))
"""


@pytest.mark.slow
@pytest.mark.torch
def test_torch_that_a_function_itself_loads_is_seeded_all_the_same(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    script = f"""{LAZY}
from lrtune.support.processes import Workers
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import Loop, LoopTrainer
from lrtune.tuning.trainers.protocol import Control

with Workers([{{}}, {{}}]) as workers:
    for processes in (workers, None):
        trainer = LoopTrainer(Loop(train, 3), workers=processes)
        scale = trainer.scale(Space.default(3, learning_rate_init=(0.1, 1.0)), ())
        same = [Setting(0.1, "constant", 0.0)] * 4
        found = trainer.train(same, [0], Control())
        print(scale.initial, *[each.validation_curves.tolist() for (each,) in found])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == second
    assert len(set(first.split(" ", 1)[1].split("] "))) <= 2


# --- what is kept of the function -----------------------------------------------------------------


class Callable_:  # noqa: N801
    def __call__(self, schedule: Schedule, seed: int) -> Iterator[float]:
        yield schedule(0) + seed


@pytest.mark.parametrize(
    ("function", "name", "beginning"),
    [
        (noisy, "noisy", "def noisy(schedule"),
        (functools.partial(noisy), "noisy", "def noisy(schedule"),
        (Callable_(), "Callable_", "    def __call__(self, schedule"),
        (Callable_().__call__, "__call__", "    def __call__(self, schedule"),
        (
            lambda schedule, seed: noisy(schedule, seed),
            "<lambda>",
            "            lambda schedule, seed: noisy(",
        ),
    ],
)
def test_a_function_is_kept_by_its_name_its_file_and_its_source(
    function: Any, name: str, beginning: str
) -> None:
    facts = describe_function(function)

    assert facts.name == name
    assert facts.path == str(Path(__file__).resolve())
    assert facts.source.startswith(beginning)
    assert facts.digest == describe_function(noisy).digest  # that of the file


def executed(body: str, file: str = "<string>") -> Any:
    """Return a function made by exec, as a notebook does."""
    source = f"def train(schedule, seed):\n    {body}\n"
    names: dict[str, Any] = {}
    exec(compile(source, file, "exec"), names)  # noqa: S102
    linecache.cache.pop(file, None)
    if file != "<string>":
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    return names["train"]


def test_a_function_of_a_notebook_has_a_source_but_no_file() -> None:
    facts = describe_function(executed("yield 1.0", "<ipython-input-3-abc>"))

    assert facts.path is None
    assert facts.source == "def train(schedule, seed):\n    yield 1.0\n"


def test_a_function_without_a_source_is_known_by_its_code() -> None:
    first, same, other = map(executed, ("yield 1.0", "yield 1.0", "yield schedule(0)"))

    assert describe_function(first).source == ""
    assert describe_function(first).path is None
    assert describe_function(first) == describe_function(same)
    assert describe_function(first).digest != describe_function(other).digest


def test_a_functions_file_may_be_in_any_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = textwrap.dedent(
        """\
        # -*- coding: latin-1 -*-
        def train(schedule, seed):
            "Trainiert für eine Weile."
            yield 1.0
        """
    )
    path = tmp_path / f"latin_{os.getpid()}.py"
    path.write_bytes(source.encode("latin-1"))
    monkeypatch.syspath_prepend(tmp_path)
    function = __import__(path.stem).train
    facts = describe_function(function)

    assert facts.path == str(path.resolve())
    assert "für" in facts.source
    path.write_bytes(source.encode("latin-1").replace(b"\n", b"\r\n"))
    assert describe_function(function).digest == facts.digest
