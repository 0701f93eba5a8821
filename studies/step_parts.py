"""What a training step is made of: its NumPy calls, written down once and then run alone.

A population trains for real while its arrays write down every ufunc that they are given to (a
matrix product is one). The same calls, on the same arrays and in the same order, are then run again
by themselves, and the products once more without the others. The rest of a step is Python and
reading rows.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

import lrtune.training.population
import lrtune.training.workspace  # noqa: F401 -- found as an attribute
from lrtune.training.network import Network
from lrtune.training.optimizers import SGD
from lrtune.training.population import Population
from lrtune.training.rows import Rows

Array = npt.NDArray[Any]
RATE = 0.01
SQUARES = (1024, 1536, 2048)
"""Sizes of the matrices whose products tell what the machine can do."""
WARM_UP = 10
"""Rounds that are not measured: Python makes code faster as it runs it more often."""
ARRAYS, STEPS = 3, 40
"""New arrays for each shape (where they lie in memory matters), and steps in a round on them."""
MADE = ("empty", "empty_like", "ones", "repeat", "zeros")


@dataclass(frozen=True)
class Call:
    """One call of a ufunc, as it was made, and its floating-point operations if a product."""

    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    keywords: dict[str, Any]
    flops: int


def replay(calls: Sequence[Call]) -> Callable[[], None]:
    """Return a function that repeats calls, one line each, with almost no overhead."""
    names: dict[str, Any] = {"errstate": np.errstate}
    lines = ["def again():", "    with errstate(all='ignore'):"]
    for number, call in enumerate(calls):
        values = [("", value) for value in call.inputs]
        values += [(f"{key}=", value) for key, value in call.keywords.items()]
        given = []
        for place, (prefix, value) in enumerate(values):
            names[f"a{number}_{place}"] = value
            given.append(f"{prefix}a{number}_{place}")
        names[f"f{number}"] = call.function
        lines.append(f"        f{number}({', '.join(given)})")
    exec("\n".join(lines), names)  # noqa: S102
    again: Callable[[], None] = names["again"]
    return again


class _Watched(np.ndarray):
    """An array that writes down the ufuncs that it meets."""

    calls: ClassVar[list[Call]] = []

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **keywords: Any
    ) -> Any:
        plain = tuple(map(_plain, inputs))
        if out:
            keywords["out"] = _plain(out[0])
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        result = function(*plain, **keywords)
        flops = 2 * result.size * plain[0].shape[-1] if ufunc is np.matmul else 0
        self.calls.append(Call(function, plain, keywords, flops))
        if out:
            return out[0]
        return result.view(_Watched) if isinstance(result, np.ndarray) else result


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Watched) else value


class _WatchedNumpy:
    """NumPy, but that the arrays it makes are watched."""

    def __getattr__(self, name: str) -> Any:
        known = getattr(np, name)
        if name not in MADE:
            return known
        return lambda *args, **keywords: known(*args, **keywords).view(_Watched)


@contextmanager
def watching() -> Iterator[list[Call]]:
    """Record the calls that populations make on arrays inside the block."""
    training = lrtune.training
    modules: tuple[Any, ...] = (training.workspace, training.population)
    _Watched.calls = []
    for module in modules:
        module.np = _WatchedNumpy()
    try:
        yield _Watched.calls
    finally:
        for module in modules:
            module.np = np


@dataclass(frozen=True)
class StepParts:
    """Seconds of a step, of its NumPy calls alone, and of its matrix products alone."""

    step: float
    calls: float
    products: float

    @property
    def others(self) -> float:
        """Calls but products: elementwise operations and sums."""
        return self.calls - self.products

    @property
    def rest(self) -> float:
        """What the step takes beyond its calls: Python, reading rows."""
        return self.step - self.calls


class Step:
    """The training step of K settings of a network, whole and in parts.

    Parameters
    ----------
    rows : Rows
        An epoch of them, of some 40 steps, is a round of measurement.
    hidden : tuple of int
    batch_size : int
    n_settings : int, default=1
        K.
    """

    def __init__(
        self, rows: Rows, hidden: tuple[int, ...], batch_size: int, n_settings: int = 1
    ) -> None:
        network = Network((rows.X.shape[1], *hidden, rows.y.shape[1]))
        start = network.initial_parameters(np.random.default_rng(0), rows.y.dtype)

        def population() -> Population:
            return Population(network, SGD(), start, n_settings=n_settings, batch_size=batch_size)

        self.rows = rows
        self.n_steps = population().steps_per_epoch(len(rows))
        self.rates = np.full((self.n_steps, n_settings), RATE)
        self.order = np.random.default_rng(0).permutation(len(rows))
        with watching() as calls:
            watched = population()
            watched.train_epoch(rows, self.rates, self.order)
        assert len(watched) == n_settings, "a rate that diverges is no measure"
        self.population = population()
        self.calls, self.products = replay(calls), replay([call for call in calls if call.flops])
        self.n_calls = len(calls) / self.n_steps
        self.flops = sum(call.flops for call in calls) / self.n_steps
        self.measure(WARM_UP)

    def measure(self, rounds: int = 1) -> StepParts:
        """Medians over rounds, in each of which whole and parts run in turn."""
        parts = (self.train, self.calls, self.products)
        times = np.array([[seconds(part) for part in parts] for _ in range(rounds)])
        return StepParts(*(np.median(times, axis=0) / self.n_steps).tolist())

    def train(self) -> None:
        """Train for an epoch."""
        self.population.train_epoch(self.rows, self.rates, self.order)


def seconds(function: Callable[[], Any]) -> float:
    """Wall time of a call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def random_rows(n_rows: int, n_columns: int, n_classes: int) -> Rows:
    """Rows to train on for the sake of the time that it takes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    classes = X[:, :n_classes].argmax(axis=1)
    return Rows(X, np.eye(n_classes, dtype=np.float32)[classes])


def sgemm_peak(repetitions: int = 4) -> float:
    """Return the highest rate of floating-point operations that a large product reaches."""
    rng, best = np.random.default_rng(0), 0.0
    for n in SQUARES:
        a, b = (rng.standard_normal((n, n), dtype=np.float32) for _ in range(2))
        out = np.empty_like(a)
        for _ in range(repetitions):
            best = max(best, 2 * n**3 / seconds(lambda: np.matmul(a, b, out=out)))  # noqa: B023
    return best


@dataclass(frozen=True)
class Training:
    """Seconds that the steps of a search take when they are made again, and parts of them.

    Attributes
    ----------
    arithmetic : float
        At the rate of a large product.
    products, calls, steps : float
        The matrix products alone, all NumPy calls, whole steps.
    peak : float
        That rate, in operations per second.
    """

    arithmetic: float
    products: float
    calls: float
    steps: float
    peak: float


def train_again(steps: Mapping[tuple[int, ...], int], rounds: int) -> Training:
    """Measure each shape, several times on new arrays, and multiply by its number of steps."""
    flops, sums, peak = 0.0, np.zeros(3), 0.0
    with threadpool_limits(1, user_api="blas"):
        for (n_inputs, *hidden, n_outputs, n_settings, n_rows), n_steps in steps.items():
            rows = random_rows(STEPS * n_rows, n_inputs, n_outputs)
            times = []
            for _ in range(ARRAYS):
                step = Step(rows, tuple(hidden), n_rows, n_settings)
                parts = step.measure(rounds)
                times.append([parts.products, parts.calls, parts.step])
            flops += n_steps * step.flops
            sums += n_steps * np.median(times, axis=0)
            peak = max(peak, sgemm_peak(1))
    return Training(flops / peak, *sums.tolist(), peak)
