"""One training of a user's function: what it may yield, how it stops, and what breaks its rules."""

import asyncio
import functools
import os
import random
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrtune
from lrtune.exceptions import Halted, InvalidInputError, NothingCompletedError
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.trainers.training_run import (
    Run,
    RunResult,
    function_name,
    require_function,
    require_parameters,
    run_training,
)

EPOCHS = 4
SCHEDULE = Schedule(learning_rate_init=0.1)


def run(
    function: Callable[..., Any],
    is_pruned: Callable[[int, float], bool] | None = None,
    **changes: Any,
) -> RunResult:
    """Train once at a constant rate of 0.1, with seed 7."""
    arguments = {"schedule": SCHEDULE, "seed": 7, "others": {}, "epochs": EPOCHS} | changes
    training = Run(function, **arguments)
    return run_training(training) if is_pruned is None else run_training(training, is_pruned)


def losses_of(value: Any) -> Callable[..., Iterator[Any]]:
    """Return a training whose loss is always the same value."""

    def train(schedule: Schedule, seed: int) -> Iterator[Any]:
        for _ in range(EPOCHS):
            yield value

    return train


# --- what a training may give ---------------------------------------------------------------------


def test_a_generator_yields_a_loss_for_each_epoch() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            yield schedule(epoch) + epoch + seed

    result = run(train)

    assert result.losses == [7.1, 8.1, 9.1, 10.1]
    assert not result.is_over


def test_a_function_reports_a_loss_for_each_epoch() -> None:
    def train(schedule: Schedule, seed: int, report: Callable[[float], None]) -> str:
        for epoch in range(EPOCHS):
            report(epoch)
        return "what it returns does not matter"

    assert run(train).losses == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), Fraction(1, 2)], ids=repr
)
def test_a_loss_is_any_scalar(value: Any) -> None:
    result = run(losses_of(value))

    assert result.losses == [0.5] * EPOCHS
    assert all(type(loss) is float for loss in result.losses)


@pytest.mark.torch
def test_a_loss_may_be_a_torch_scalar() -> None:
    torch = pytest.importorskip("torch")
    weight = torch.tensor(0.5, requires_grad=True)

    def train(schedule: Schedule, seed: int) -> Iterator[Any]:
        for _ in range(EPOCHS):
            yield {"loss": weight * 1, "double": (2 * weight).detach()}

    result = run(train)

    assert result.losses == [0.5] * EPOCHS
    assert result.metrics == {"double": 1.0}
    with pytest.raises(InvalidInputError, match=r"must yield a number.*tensor\(\[0\.5000"):
        run(losses_of(weight.detach().repeat(2)))


def test_a_mapping_has_the_loss_and_further_metrics_of_which_the_last_are_kept() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[dict[str, Any]]:
        for epoch in range(EPOCHS):
            yield {"error": 1 / (epoch + 1), "accuracy": np.float32(epoch), "f1": np.nan}

    result = run(train, metric="error")

    assert result.losses == [1, 1 / 2, 1 / 3, 1 / 4]
    assert result.metrics == {"accuracy": 3.0, "f1": pytest.approx(np.nan, nan_ok=True)}


def test_where_higher_is_better_losses_are_minus_the_numbers_but_further_metrics_are_not() -> None:
    result = run(losses_of({"accuracy": 0.9, "f1": 0.8}), metric="accuracy", maximize=True)

    assert result.losses == [-0.9] * EPOCHS
    assert result.metrics == {"f1": 0.8}


def test_further_parameters_arrive_by_name() -> None:
    def train(schedule: Schedule, seed: int, *, weight_decay: float, width: int) -> Iterator[float]:
        for _ in range(EPOCHS):
            yield weight_decay * width

    assert run(train, others={"width": 3, "weight_decay": 0.5}).losses == [1.5] * EPOCHS


# --- how it stops ---------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [11.0, np.nan, np.inf, -np.inf])
def test_a_loss_above_the_limit_or_not_finite_stops_the_training(loss: float) -> None:
    reached = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            reached.append(epoch)
            yield loss if epoch == 1 else 1.0

    result = run(train, limit=10.0)

    assert result.diverged
    assert len(result.losses) == 2
    assert reached == [0, 1]


def test_an_infinite_score_is_no_good_one() -> None:
    assert run(losses_of(np.inf), maximize=True).diverged


def test_a_stopped_generator_is_closed_so_that_finally_and_with_blocks_run(tmp_path: Path) -> None:
    ended, opened = [], []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        with (tmp_path / "log").open("w") as file:
            opened.append(file)
            try:
                while True:
                    yield 1.0
            finally:
                ended.append(seed)

    result = run(train, is_pruned=lambda epoch, _loss: epoch == 2)

    assert result.pruned
    assert result.losses == [1.0, 1.0]
    assert ended == [7]
    assert opened[0].closed


def test_the_pruner_does_not_judge_the_last_epoch_nor_one_that_diverged() -> None:
    asked = []

    def is_pruned(epoch: int, loss: float) -> bool:
        asked.append(epoch)
        return False

    run(losses_of(1.0), is_pruned)

    assert asked == [1, 2, 3]

    assert run(losses_of(np.nan), is_pruned).diverged
    assert asked == [1, 2, 3]


def test_a_reporting_function_is_stopped_by_an_exception() -> None:
    seen = []

    def train(schedule: Schedule, seed: int, report: Callable[[float], None]) -> None:
        try:
            for epoch in range(EPOCHS):
                report(np.nan if epoch == 1 else 1.0)
        except Halted as error:
            seen.append(error)
            raise

    assert run(train).diverged
    assert len(seen) == 1


def test_a_function_that_swallows_the_halt_may_return() -> None:
    def train(schedule: Schedule, seed: int, report: Callable[[float], None]) -> None:
        try:
            report(np.nan)
        except Halted:
            return

    result = run(train)

    assert result.diverged
    assert len(result.losses) == 1


def test_a_function_that_swallows_the_halt_and_reports_again_is_halted_again() -> None:
    halts = []

    def train(schedule: Schedule, seed: int, report: Callable[[float], None]) -> None:
        for _ in range(EPOCHS):
            try:
                report(np.nan)
            except Halted as error:
                halts.append(error)

    result = run(train)

    assert result.diverged
    assert len(result.losses) == 1
    assert len(halts) == EPOCHS


def test_a_broken_rule_that_a_reporting_function_swallows_is_not_lost() -> None:
    def train(schedule: Schedule, seed: int, report: Callable[[Any], None]) -> None:
        for epoch in range(2 * EPOCHS):
            with suppress(Exception):
                report(epoch)

    with pytest.raises(InvalidInputError, match="once per epoch, 4 times, but `train` did more"):
        run(train)


def test_an_error_that_is_let_pass_ends_this_training_alone() -> None:
    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        yield 1.0
        raise RuntimeError("out of memory")

    result = run(train, catch=(RuntimeError,))

    assert result.failure == "RuntimeError: out of memory"
    assert result.losses == [1.0]
    assert result.is_over
    with pytest.raises(RuntimeError, match="out of memory"):
        run(train, catch=(ValueError,))


def test_a_broken_rule_ends_the_search_whatever_errors_are_let_pass() -> None:
    with pytest.raises(InvalidInputError, match="must yield a number"):
        run(losses_of("1.0"), catch=(Exception,))


# --- what it leaves behind ------------------------------------------------------------------------


def test_global_seeds_are_those_of_the_replicate_and_restored() -> None:
    drawn = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        drawn.append((random.random(), np.random.random()))  # noqa: NPY002, S311
        yield from [1.0] * EPOCHS

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    undisturbed = random.random(), np.random.random()  # noqa: NPY002, S311
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    run(train, seed=3)

    assert (random.random(), np.random.random()) == undisturbed  # noqa: NPY002, S311

    run(train, seed=3)
    run(train, seed=4)

    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == (random.Random(3).random(), np.random.RandomState(3).random())  # noqa: S311


@pytest.mark.torch
def test_torch_is_seeded_too_and_restored() -> None:
    torch = pytest.importorskip("torch")
    drawn = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        drawn.append(float(torch.rand(())))
        yield from [1.0] * EPOCHS

    torch.manual_seed(1)
    undisturbed = torch.rand(())
    torch.manual_seed(1)
    run(train, seed=3)

    assert torch.rand(()) == undisturbed

    run(train, seed=3)
    run(train, seed=4)

    assert drawn[0] == drawn[1] != drawn[2]


def test_a_training_that_changes_global_seeds_does_not_change_the_next() -> None:
    drawn = []

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        drawn.append(random.random())  # noqa: S311
        random.seed(len(drawn))
        np.random.seed(len(drawn))  # noqa: NPY002
        yield from [1.0] * EPOCHS

    run(train)
    run(train)

    assert drawn[0] == drawn[1]


def test_the_current_folder_is_as_before(folder: Path) -> None:
    (folder / "below").mkdir()

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        os.chdir(folder / "below")
        yield from [1.0] * EPOCHS

    run(train)

    assert Path.cwd() == folder


# --- the functions themselves ---------------------------------------------------------------------


class Trainer:
    """A callable object."""

    def __call__(self, schedule: Schedule, seed: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            yield schedule(0) + seed / (1 + epoch)

    def fit(self, schedule: Schedule, seed: int) -> Iterator[float]:
        return self(schedule, seed)


def good(schedule: Schedule, seed: int, width: int = 3) -> Iterator[float]:
    for epoch in range(EPOCHS):
        yield (schedule(0) - 0.1) ** 2 + 1 / (1 + epoch)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (good, "good"),
        (Trainer(), "Trainer"),
        (Trainer().fit, "fit"),
        (functools.partial(good, width=4), "good"),
        (functools.partial(functools.partial(good), width=4), "good"),
        (lambda schedule, seed: good(schedule, seed), "<lambda>"),
        (functools.wraps(good)(lambda *args, **kwargs: good(*args, **kwargs)), "good"),
    ],
)
def test_functions_that_are_fine(function: Callable[..., Any], name: str) -> None:
    require_function(function)
    require_parameters(function, ())

    assert function_name(function) == name
    assert len(run(function).losses) == EPOCHS


# --- bad trainings --------------------------------------------------------------------------------
# Each is searched: after so many trainings it does what is bad (at once, unless `AFTER` says more),
# so that a table shows what the user sees and that nothing that had finished is lost.

FINISHED = 3
"""Trainings that end well before one of the late kind does not."""


def loss_of(schedule: Schedule, epoch: int) -> float:
    return float((np.log10(schedule(0)) + 1) ** 2 + 1 / (1 + epoch))


class Late:
    """A training that is good but for its fourth one, which gives what `bad` yields."""

    def __init__(self, bad: Callable[[int, float], Iterator[Any]]) -> None:
        self.bad = bad
        self.calls = 0

    def __call__(self, schedule: Schedule, seed: int) -> Iterator[Any]:  # noqa: ARG002
        self.calls += 1
        is_bad = self.calls == FINISHED + 2  # the first one gives the scale
        for epoch in range(EPOCHS):
            loss = loss_of(schedule, epoch)
            if is_bad:
                yield from self.bad(epoch, loss)
            else:
                yield loss


def instead(value: Any, at: int = 0) -> Late:
    """Return a training that yields a value in place of a loss."""

    def bad(epoch: int, loss: float) -> Iterator[Any]:
        yield value if epoch == at else loss

    return Late(bad)


def too_few(epoch: int, loss: float) -> Iterator[float]:
    if epoch < 2:
        yield loss


def too_many(epoch: int, loss: float) -> Iterator[float]:
    yield from [loss] * 2


def raises(error: BaseException, at: int = 2) -> Late:
    def bad(epoch: int, loss: float) -> Iterator[float]:
        if epoch == at:
            raise error
        yield loss

    return Late(bad)


def recurses(epoch: int, loss: float) -> Iterator[float]:
    yield from recurses(epoch, loss)


def exits(code: Any) -> Late:
    def bad(epoch: int, loss: float) -> Iterator[float]:
        sys.exit(code)
        yield loss

    return Late(bad)


def swallows(schedule: Schedule, seed: int) -> Iterator[float]:
    try:
        yield 1.0
        yield np.nan
    except GeneratorExit:
        yield 1.0


def no_parameters() -> Iterator[float]:
    yield from [1.0] * EPOCHS


def three_parameters(schedule: Schedule, seed: int, model: Any) -> Iterator[float]:
    yield from [1.0] * EPOCHS


async def coroutine(schedule: Schedule, seed: int) -> float:
    await asyncio.sleep(0)
    return 1.0


async def async_generator(schedule: Schedule, seed: int) -> Any:
    yield 1.0


class AsyncTrainer:
    """A callable object whose call is a coroutine."""

    async def __call__(self, schedule: Schedule, seed: int) -> float:
        return schedule(0) + seed


def returns(value: Any) -> Callable[..., Any]:
    def train(schedule: Schedule, seed: int) -> Any:
        return value

    return train


def yields_and_reports(
    schedule: Schedule, seed: int, report: Callable[[float], None]
) -> Iterator[float]:
    for epoch in range(EPOCHS):
        report(loss_of(schedule, epoch))
        yield loss_of(schedule, epoch)


def never_reports(schedule: Schedule, seed: int, report: Callable[[float], None]) -> None:
    pass


def reports_text(schedule: Schedule, seed: int, report: Callable[[Any], None]) -> None:
    report("0.1")


def nan_always(schedule: Schedule, seed: int) -> Iterator[float]:
    yield from [np.nan] * EPOCHS


AT_ONCE: dict[str, tuple[Any, str]] = {
    "no parameters": (
        no_parameters,
        r"^`train` must take \(schedule, seed\), but got no_parameters",
    ),
    "one parameter more": (three_parameters, r"missing a required argument: 'model'\): change"),
    "a class": (Trainer, r"^`train` must be a generator function.*a class, .*Trainer.*: pass a"),
    "a generator": (good(SCHEDULE, 1), r"but got a generator, <generator object good.*pass a func"),
    "a number": (0.1, r"^`train` must be .*, but got a float, 0\.1: pass a function"),
    "a coroutine": (coroutine, r"but `coroutine` is a coroutine: make it a plain `def`"),
    "a coroutine in a partial": (functools.partial(coroutine), r"`coroutine` is a coroutine"),
    "an object that is a coroutine": (AsyncTrainer(), r"`AsyncTrainer` is a coroutine: make"),
    "an async generator": (async_generator, r"`async_generator` is a coroutine: make it a plain"),
    "returns a list": (returns([1.0] * 4), r"`train` returned \[1\.0, 1\.0, 1\.0, 1\.0\]: yield"),
    "returns a number": (returns(0.5), r"must be a generator .*`train` returned 0\.5: yield the"),
    "returns nothing": (returns(None), r"must be a generator .*`train` returned None: yield the"),
    "a plain lambda": (
        lambda schedule, _seed: schedule(0),
        r"`<lambda>` returned .*: yield the loss",
    ),
    "yields nothing": (losses_of(None), r"gave None after epoch 1: yield the validation loss as a"),
    "yields and reports": (
        yields_and_reports,
        r"must either yield its losses or report them, but `yields_and_reports` takes `report` and",
    ),
    "never reports": (
        never_reports,
        r"must report once per epoch, 4 times, but `never_reports` di",
    ),
    "reports text": (
        reports_text,
        r"must report a number, .*'0\.1' after epoch 1: report the vali",
    ),
    "swallows GeneratorExit": (
        swallows,
        r"must end when it is halted, but `swallows` went on afte",
    ),
}
"""What breaks a rule from the first training on: the message, and nothing is recorded."""

LATE: dict[str, tuple[Late, type[BaseException], str]] = {
    "None": (instead(None), InvalidInputError, "must yield a number, .*gave None after epoch 1: y"),
    "text": (instead("0.3", 1), InvalidInputError, "`Late` gave '0.3' after epoch 2: yield the"),
    "a list": (instead([0.3, 0.4]), InvalidInputError, r"gave \[0\.3, 0\.4\] after epoch 1: yield"),
    "a bool": (instead(True), InvalidInputError, "gave True after epoch 1: yield the validation"),
    "NumPy's bool": (
        instead(np.True_),
        InvalidInputError,
        r"gave (np\.)?True_? after epoch 1: y",
    ),
    "complex": (instead(1j), InvalidInputError, "gave 1j after epoch 1: yield the validation loss"),
    "two": (instead(np.ones(2)), InvalidInputError, r"gave array\(\[1\., 1\.\]\) after epoch 1: y"),
    "no loss": (
        instead({"accuracy": 0.9}),
        InvalidInputError,
        "must have `metric`, 'loss', but `Late` gave 'accuracy' after epoch 1: add it, or set `met",
    ),
    "too few": (
        Late(too_few),
        InvalidInputError,
        "yield once per epoch, 4 times, .* did 2 times: ",
    ),
    "too many": (Late(too_many), InvalidInputError, "4 times, but `Late` did more often: set `epo"),
    "an error": (raises(OSError("disk on fire")), OSError, "^disk on fire$"),
    "a stop": (raises(StopIteration()), RuntimeError, "generator raised StopIteration"),
    "a key": (raises(KeyboardInterrupt()), KeyboardInterrupt, "^$"),
    "recursion": (Late(recurses), RecursionError, "recursion depth exceeded"),
    "exit": (exits(None), InvalidInputError, r"must end by returning, .*sys\.exit\(\): raise an e"),
    "exit 3": (exits(3), InvalidInputError, r"but `Late` called sys\.exit\(3\): raise an error"),
}
"""What goes wrong in the fourth training: those that ended before are kept, and gone on with."""


def search(function: Any, **changes: Any) -> SearchResult:
    return lrtune.search(
        function, **({"epochs": EPOCHS, "trainings": 12, "study_name": "bad"} | changes)
    )


@functools.cache
def uninterrupted() -> SearchResult:
    """Search with a training that does nothing bad."""
    return search(Late(lambda _epoch, loss: iter([loss])), storage=None)


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_bad_training_is_refused_in_one_line_and_nothing_is_recorded(
    folder: Path, name: str
) -> None:
    function, message = AT_ONCE[name]

    with pytest.raises(InvalidInputError, match=message) as caught:
        search(function)

    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", LATE)
def test_a_training_that_goes_wrong_loses_nothing_that_had_ended(folder: Path, name: str) -> None:
    function, error, message = LATE[name]

    with pytest.raises(error, match=message) as caught:
        search(function)

    is_rule = isinstance(caught.value, InvalidInputError)
    assert not is_rule or "\n" not in str(caught.value)
    frames = {frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert is_rule or __file__ in frames  # the user's own traceback
    assert len(read_result("bad", "lrtune.journal").finished) == FINISHED

    resumed = search(function, resume=True)

    anew = uninterrupted()
    assert resumed.best == anew.best
    assert [trial.value for trial in resumed.finished] == [trial.value for trial in anew.finished]
    assert resumed.confirmation == anew.confirmation


def test_parameters_of_other_names_are_taken_by_place(folder: Path) -> None:
    def train(rates: Schedule, number: int) -> Iterator[float]:
        for epoch in range(EPOCHS):
            yield loss_of(rates, epoch)

    assert search(train, storage=None).confirmation is not None


def test_a_parameter_that_the_function_lacks_is_refused(folder: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"`train` must take \(schedule, seed, depth\), but got good\("
    ):
        search(good, space={"depth": [1, 2]})

    assert list(folder.iterdir()) == []


def test_a_loss_that_is_never_finite_is_told_from_a_high_rate(folder: Path) -> None:
    with pytest.raises(NothingCompletedError, match="must give a finite loss before it lea"):
        search(nan_always)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("value", "at"), [(np.nan, 0), (np.inf, 2), (-np.inf, 3)])
def test_a_loss_that_is_not_finite_is_a_diverged_trial(value: float, at: int) -> None:
    result = search(instead(value, at), storage=None)

    assert result.trials.diverged == 1
    assert result.finished[FINISHED].user_attrs["diverged"]["epoch"] == at + 1
    assert result.confirmation is not None


def test_an_error_that_is_let_pass_is_a_failed_trial() -> None:
    result = search(raises(RuntimeError("once")), storage=None, catch=(RuntimeError,))

    assert result.trials.failed == 1
    assert result.finished[FINISHED].user_attrs["failure"] == "RuntimeError: once"
    assert result.confirmation is not None


def test_prints_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def bad(epoch: int, loss: float) -> Iterator[float]:
        print("loss", 1)
        yield loss

    result = search(Late(bad), storage=None)

    assert result.confirmation is not None
    assert capsys.readouterr().out == "loss 1\n" * EPOCHS


def test_a_changed_folder_does_not_move_the_record(folder: Path) -> None:
    (folder / "below").mkdir()

    def train(schedule: Schedule, seed: int) -> Iterator[float]:
        os.chdir(folder / "below")
        for epoch in range(EPOCHS):
            yield loss_of(schedule, epoch)

    result = search(train)

    assert read_result("bad", "lrtune.journal").finished == result.finished
    assert list((folder / "below").iterdir()) == []


FORKS = """
import itertools, os
import lrtune

calls = itertools.count()

def child(number):
    if number == 1:
        raise ValueError("of the child")
    if number == 2:
        os._exit(0)
    return number == 0

def train(schedule, seed):
    for epoch in range(3):
        if epoch == 1:
            number = next(calls) % 4
            if os.fork() == 0:
                if child(number):
                    return
            else:
                os.wait()
        yield (schedule(0) - 0.1) ** 2 + 1 / (1 + epoch)

result = lrtune.search(train, epochs=3, trainings=12)
print("end", result.trainings["total"], len(result.finished))
"""
"""Forks in every training: the child returns, raises an error, exits, or trains on."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_a_forked_child_does_not_go_on_with_the_search(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("end") == 1
    assert len(read_result("train", "lrtune.journal").finished) == int(done.stdout.split()[-1])
