"""Run one training of a user's function: a generator of losses, or a function that reports them."""

from __future__ import annotations

import inspect
import math
import os
import random
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Number, Real
from typing import Any

import numpy as np

from lrtune.exceptions import Halted, InvalidInputError
from lrtune.schedules.schedule import Schedule

FORKED = 70
"""Exit status of a process that a user's function forked and let return."""


@dataclass(frozen=True)
class Run:
    """One training of a user's function, as it is to be run.

    Attributes
    ----------
    function : callable
    schedule : Schedule
    seed : int
    others : dict
        Further parameters, by name.
    epochs : int
    metric : str
        Key of the loss in a mapping that the function yields.
    maximize : bool
    limit : float
        Loss above which the training has diverged; minus the user's number if higher is better.
    catch : tuple of exception types
        Errors that end this training alone.
    stop_after : int or None
        Epochs after which to halt it all the same.
    """

    function: Callable[..., Any]
    schedule: Schedule
    seed: int
    others: Mapping[str, Any]
    epochs: int
    metric: str = "loss"
    maximize: bool = False
    limit: float = math.inf
    catch: tuple[type[Exception], ...] = ()
    stop_after: int | None = None


@dataclass
class RunResult:
    """The outcome of one training.

    The losses, by epoch, are minus the user's numbers if higher is better; `metrics` are the other
    numbers of the last epoch.
    """

    losses: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    diverged: bool = False
    pruned: bool = False
    failure: str | None = None
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Return whether the setting needs no training on further replicates."""
        return self.diverged or self.pruned or self.failure is not None


def run_training(
    run: Run, is_pruned: Callable[[int, float], bool] = lambda _epoch, _loss: False
) -> RunResult:
    """Train once, from a seeded state, and return what the function yielded or reported.

    Raises
    ------
    InvalidInputError
        If the function breaks a rule: no number, too few or too many epochs, an exit.
    """
    result = RunResult()

    def accept(value: Any) -> bool:
        """Keep the loss of an epoch; return whether the training is to stop."""
        epoch = len(result.losses) + 1
        if epoch > run.epochs:
            raise InvalidInputError(
                f"a training must {_verb(run)} once per epoch, {run.epochs} times, but "
                f"{_name(run)} did more often: set `epochs` to its number of epochs"
            )
        loss, result.metrics = _numbers(value, run, epoch)
        result.losses.append(loss)
        result.diverged = not loss <= run.limit
        is_last = epoch >= run.epochs
        result.pruned = not result.diverged and not is_last and is_pruned(epoch, loss)
        return result.diverged or result.pruned or epoch == run.stop_after

    started, process = time.perf_counter(), os.getpid()
    with seeded(run.seed):
        try:
            halted = _run(run, accept)
        except SystemExit as error:
            raise InvalidInputError(
                f"a training must end by returning, but {_name(run)} called sys.exit("
                f"{'' if error.code is None else repr(error.code)}): raise an error instead"
            ) from error
        except run.catch as error:
            if isinstance(error, InvalidInputError):  # a rule that every training breaks
                raise
            result.failure = f"{type(error).__name__}: {error}".strip(": ")
            halted = True
        finally:
            if os.getpid() != process:  # a child must not go on with its parent's search
                os._exit(FORKED)
    result.seconds = time.perf_counter() - started
    if not halted and len(result.losses) < run.epochs:
        raise InvalidInputError(
            f"a training must {_verb(run)} once per epoch, {run.epochs} times, but {_name(run)} "
            f"did {len(result.losses)} times: set `epochs` to its number of epochs"
        )
    return result


def _run(run: Run, accept: Callable[[Any], bool]) -> bool:
    """Run the function to its end or until `accept` stops it; return whether it was stopped."""
    if takes_report(run.function):
        return _run_reporting(run, accept)
    values = run.function(run.schedule, run.seed, **run.others)
    if not isinstance(values, Iterator):
        raise InvalidInputError(
            f"a training must be a generator that yields the loss once per epoch, or take "
            f"`report`, but {_name(run)} returned {_shown(values)}: yield the loss"
        )
    try:
        return any(accept(value) for value in values)
    finally:
        _close(values, run)


def _close(values: Iterator[Any], run: Run) -> None:
    if not isinstance(values, Generator):
        return
    try:
        values.close()
    except RuntimeError as error:
        if "ignored GeneratorExit" not in str(error):
            raise
        raise InvalidInputError(
            f"a training must end when it is halted, but {_name(run)} went on after GeneratorExit: "
            "let it pass (`except Exception` does, a bare `except` does not)"
        ) from error


def _run_reporting(run: Run, accept: Callable[[Any], bool]) -> bool:
    halted = False

    def report(loss: Any) -> None:
        nonlocal halted
        halted = halted or accept(loss)
        if halted:
            raise Halted("this training is to stop: let this exception pass")

    try:
        returned = run.function(run.schedule, run.seed, **run.others, report=report)
    except Halted:
        return True
    if isinstance(returned, Iterator):
        raise InvalidInputError(
            f"a training must either yield its losses or report them, but {_name(run)} takes "
            "`report` and yields: do one of them"
        )
    return halted


def takes_report(function: Callable[..., Any]) -> bool:
    """Return whether a function has a parameter named `report`."""
    return "report" in inspect.signature(function).parameters


RULE = (
    "`train` must be a generator function train(schedule, seed), or train(schedule, seed, report)"
)


def require_function(function: Any) -> None:
    """Raise InvalidInputError unless this is a function that says what it takes."""
    if isinstance(function, type) or not callable(function):
        kind = "a class" if isinstance(function, type) else f"a {type(function).__name__}"
        raise InvalidInputError(f"{RULE}, but got {kind}, {_shown(function)}: pass a function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInputError(
            f"{RULE}, but `{function_name(function)}` is a coroutine: make it a plain `def`"
        )
    try:
        inspect.signature(function)
    except ValueError as error:
        raise InvalidInputError(
            f"{RULE}, but {_shown(function)} does not say what it takes: wrap it in a `def`"
        ) from error


def require_parameters(function: Callable[..., Any], names: Sequence[str]) -> None:
    """Raise InvalidInputError unless a function takes these further parameters, and no others."""
    signature = inspect.signature(function)
    arguments: dict[str, Any] = dict.fromkeys(names)
    if "report" in signature.parameters:
        arguments["report"] = None
    try:
        signature.bind(None, None, **arguments)
    except TypeError as error:
        wanted = ", ".join(["schedule", "seed", *arguments])
        raise InvalidInputError(
            f"`train` must take ({wanted}), but got {function_name(function)}{signature} ({error}):"
            " change its parameters, or name those to search in `space`"
        ) from error


def function_name(function: Callable[..., Any]) -> str:
    """Return a function's name; that of the function within a partial, or of an object's class."""
    inner = getattr(function, "func", function)
    return getattr(inner, "__name__", None) or type(inner).__name__


def _name(run: Run) -> str:
    return f"`{function_name(run.function)}`"


def _verb(run: Run) -> str:
    return "report" if takes_report(run.function) else "yield"


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}…"


def _numbers(value: Any, run: Run, epoch: int) -> tuple[float, dict[str, float]]:
    """Return the loss to minimise, and the further metrics by name."""
    further: dict[str, float] = {}
    if isinstance(value, Mapping):
        if run.metric not in value:
            raise InvalidInputError(
                f"a mapping of metrics must have `metric`, {run.metric!r}, but {_name(run)} gave "
                f"{', '.join(map(repr, value)) or 'none'} after epoch {epoch}: add it, or set "
                "`metric`"
            )
        further = {str(k): _number(v, run, epoch) for k, v in value.items() if k != run.metric}
        value = value[run.metric]
    loss = _number(value, run, epoch)
    return (-loss if run.maximize else loss), further


def _number(value: Any, run: Run, epoch: int) -> float:
    """Return a Python, NumPy or torch scalar as a float."""
    is_scalar = isinstance(value, Number) or getattr(value, "shape", None) == ()
    if is_scalar and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise InvalidInputError(
        f"a training must {_verb(run)} a number, or a mapping with {run.metric!r}, but "
        f"{_name(run)} gave {_shown(value)} after epoch {epoch}: {_verb(run)} the validation loss "
        "as a float"
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and, if loaded, torch's global generators; restore them afterwards."""
    python, array = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")
    tensor = None if torch is None else torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    if torch is not None:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(array)  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(tensor)
