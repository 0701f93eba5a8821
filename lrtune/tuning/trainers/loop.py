"""The trainer of a user's own training function, one setting on one replicate at a time."""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError, NothingCompletedError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.support.processes import Workers
from lrtune.tuning.record.schema import DivergedAt, FunctionFacts, TrainerFacts
from lrtune.tuning.setting import SCHEDULE_PARAMETERS, Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.objective import Objective
from lrtune.tuning.trainers.protocol import DEFAULT_CONTROL, Control, Edges, Outcome
from lrtune.tuning.trainers.replicates import Folds
from lrtune.tuning.trainers.scale import LossScale, divergence_limit
from lrtune.tuning.trainers.training_run import (
    Run,
    RunResult,
    function_name,
    require_parameters,
    run_training,
)

Array = npt.NDArray[Any]

SCHEDULE_FIELDS = {each.name: each.default for each in fields(Schedule)}
"""Parameters of a schedule, with their defaults."""
WIDE_RANGE = (1e-5, 10.0)
"""Range of α₀ that is searched if none is given: a user's function takes no single steps, so that
no range test can find it."""
NEGLIGIBLE = 1e-3
"""Share of the lowest rate at which a training does not learn, not even in an epoch of many steps.
The lowest rate itself may do: fine-tuning uses 1e-5."""
SCALE_ATTEMPTS = 3
"""Replicates that may fail, by an error that the user lets pass, before the scale is given up."""


@dataclass(frozen=True)
class Loop:
    """A user's training function, and how it is called.

    Attributes
    ----------
    function : callable
    epochs : int
        Epochs of a training: the number of losses that it yields or reports.
    metric : str
        The user's name for the loss.
    maximize : bool
        Whether higher is better.
    modifiers : mapping
        Fields of `Schedule` that hold for every setting.
    default : Schedule or None
        The untuned schedule to compare with.
    catch : tuple of exception types
        Errors that let a training fail, while the search goes on.
    """

    function: Callable[..., Any]
    epochs: int
    metric: str = "loss"
    maximize: bool = False
    modifiers: Mapping[str, Any] = field(default_factory=dict)
    default: Schedule | None = None
    catch: tuple[type[Exception], ...] = ()

    def schedule(self, setting: Setting) -> Schedule:
        """Return the schedule of a setting; its other parameters may be some of a schedule's."""
        own = {name: value for name, value in setting.others if name in SCHEDULE_FIELDS}
        return Schedule(**{**self.modifiers, **setting.schedule_params, **own})


class LoopTrainer:
    """Trains settings by a user's function, in this process or in those of `workers`.

    A replicate is a seed. Outcomes do not depend on the number of processes. A setting that
    diverges or fails on a replicate is not trained on those after it.
    """

    def __init__(self, loop: Loop, *, seed: int = 0, workers: Workers | None = None) -> None:
        self.loop = loop
        self.epochs = loop.epochs
        self.metric: str | None = None
        self.objective: Objective | None = None
        self.n_validation: int | None = None
        self.folds: Folds | None = None
        self._seed = seed
        self._workers = workers
        self._scale: LossScale | None = None
        self._with_torch = False

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control = DEFAULT_CONTROL,
    ) -> Iterator[list[Outcome]]:
        """Train each setting on each replicate; yield each outcome when it is complete.

        The pruner judges a setting on its first replicate, in this process.
        """
        is_over = [False] * len(settings)
        initial = np.inf if self._scale is None else self._scale.initial
        limit = divergence_limit(initial, control.best)

        def runs() -> Iterator[tuple[int, int, Run]]:
            for index, setting in enumerate(settings):
                for place, number in enumerate(replicates):
                    if time.monotonic() > control.deadline:
                        return
                    if not is_over[index]:
                        yield index, place, self._run(setting, number, limit)

        results: list[RunResult] = []
        for index, result in self._results(runs(), control):
            if is_over[index]:  # another process had begun it before
                continue
            results.append(result)
            if control.on_training is not None:
                control.on_training(result.seconds)
            if result.is_over or len(results) == len(replicates):
                is_over[index] = True
                yield [self._outcome(settings[index], results)]
                results = []

    def _results(
        self, runs: Iterator[tuple[int, int, Run]], control: Control
    ) -> Iterator[tuple[int, RunResult]]:
        """Yield the index of each run's setting and its result, in order."""
        prune = control.prune
        if self._workers is not None and prune is None:
            tasks = ((index, run) for index, _, run in runs)
            yield from self._workers.in_turn(run_training, tasks)
            return
        for index, place, run in runs:

            def is_pruned(epoch: int, loss: float, index: int = index, run: Run = run) -> bool:
                is_lagging = prune is not None and prune(index, epoch, loss)
                return is_lagging and run.schedule.is_comparable(epoch)

            yield index, run_training(run, is_pruned) if place == 0 else run_training(run)

    def _run(self, setting: Setting, replicate: int, limit: float) -> Run:
        loop = self.loop
        return Run(
            loop.function,
            loop.schedule(setting),
            self.replicate_seed(replicate),
            {name: value for name, value in setting.others if name not in SCHEDULE_FIELDS},
            loop.epochs,
            metric=loop.metric,
            maximize=loop.maximize,
            limit=limit,
            catch=loop.catch,
            with_torch=self._with_torch,
        )

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate, below 2³¹; it depends on the search's seed alone."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=(replicate,))
        return int(sequence.generate_state(1)[0] >> 1)

    def _outcome(self, setting: Setting, results: Sequence[RunResult]) -> Outcome:
        last = results[-1]
        n_finished = min(len(result.losses) - result.diverged for result in results)
        curves = np.array([result.losses[:n_finished] for result in results])
        epochs = sum(len(result.losses) for result in results)
        diverged = None
        if last.diverged:
            loss = last.losses[-1]
            finite = loss if np.isfinite(loss) else None
            diverged = DivergedAt(len(results), len(last.losses), len(last.losses), finite)
        metrics = {}
        if not last.is_over:
            shared = set.intersection(*(set(result.metrics) for result in results))
            metrics = {
                name: np.array([result.metrics[name] for result in results])
                for name in sorted(shared)
            }
        return Outcome(
            setting,
            curves,
            None,
            epochs=float(epochs),
            trainings=len(results),
            diverged=diverged,
            pruned=last.pruned,
            failure=last.failure,
            metrics=metrics,
            seconds=sum(result.seconds for result in results),
        )

    # --- facts ------------------------------------------------------------------------------------

    def facts(self) -> TrainerFacts:
        """Return the facts of the function, and the parameters of its schedules."""
        loop = self.loop
        default = {}
        if loop.default is not None:
            default = {name: getattr(loop.default, name) for name in SCHEDULE_PARAMETERS}
        return TrainerFacts(
            estimator=function_name(loop.function),
            task="training",
            loss=loop.metric,
            epochs=loop.epochs,
            parameters={**loop.modifiers, **default},
            changed=tuple(sorted(loop.modifiers)),
            function=describe_function(loop.function),
            is_network=False,
            maximize=loop.maximize,
        )

    def hashes(self) -> tuple[str, str]:
        """Return two empty texts: the data are the function's own."""
        return "", ""

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the function or a schedule does not accept the space."""
        require_parameters(self.loop.function, [name for name, _ in space.others])
        for name, _ in space.others:
            if name in SCHEDULE_FIELDS:
                raise InvalidInputError(
                    f"`space` must name parameters of `train`, but got {name!r}, which is the "
                    "schedule's: pass it to the search itself, where it holds for every setting"
                )
        for decay in space.decay:
            if DECAYS[decay].feedback:
                raise InvalidInputError(
                    f"`decay` must be a function of time in a search of a training function, but "
                    f"got {decay!r}, which follows the loss: leave it out"
                )
            for rate in space.learning_rate_init or WIDE_RANGE:
                self.loop.schedule(Setting(rate, decay, space.decay_rate[0]))

    def find_rates(
        self,
        space: Space,  # noqa: ARG002
        replicates: Sequence[int],  # noqa: ARG002
    ) -> tuple[tuple[float, float], Edges]:
        """Return a wide range: the first block finds the edge."""
        floor = self.loop.modifiers.get("min_learning_rate", 0.0)
        return (max(WIDE_RANGE[0], floor), max(WIDE_RANGE[1], floor)), ()

    def default_setting(self, space: Space) -> Setting | None:
        """Return the user's default, with the function's own further parameters."""
        default = self.loop.default
        if default is None:
            return None
        own = ((name, getattr(default, name)) for name in ("step_size", "power"))
        changed = tuple((name, value) for name, value in own if value != SCHEDULE_FIELDS[name])
        return Setting(
            default.learning_rate_init,
            default.decay,
            default.decay_rate,
            (*self._others(space), *changed),
        )

    def _others(self, space: Space) -> tuple[tuple[str, Any], ...]:
        """Return further parameters as the function has them by default, else the first value."""
        parameters = inspect.signature(self.loop.function).parameters
        values = {}
        for name, dimension in space.others:
            has_default = name in parameters and parameters[name].default is not inspect._empty
            values[name] = parameters[name].default if has_default else dimension.ends[0]
        return tuple(values.items())

    def floor(self, setting: Setting) -> float:  # noqa: ARG002
        """Return the learning rate that a schedule never falls below."""
        return float(self.loop.modifiers.get("min_learning_rate", 0.0))

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:  # noqa: ARG002
        """Return the scale of the loss after one epoch at a negligible rate.

        Such a training neither diverges nor learns. It is run once, before all others, so that a
        function that breaks a rule is found out before anything is recorded.

        Raises
        ------
        NothingCompletedError
            If that loss is not finite, or its training failed.
        """
        if self._scale is None:
            rate = NEGLIGIBLE * min(space.rates[0], WIDE_RANGE[0])
            initial = self._initial_loss(rate, self._others(space))
            if not np.isfinite(initial):
                raise NothingCompletedError(
                    f"`train` must give a finite loss before it learns, but gave {initial:g} after "
                    f"one epoch at a learning rate of {rate:g}: check its loss and its data"
                )
            self._scale = LossScale.from_initial(initial)
        return self._scale

    def _initial_loss(self, rate: float, others: tuple[tuple[str, Any], ...]) -> float:
        """Return the loss after one epoch at a rate, on the first replicate that does not fail."""
        setting = Setting(rate, "constant", 0.0, (("min_learning_rate", 0.0), *others))
        for replicate in range(SCALE_ATTEMPTS):
            run = replace(self._run(setting, replicate, np.inf), stop_after=1)
            if replicate == SCALE_ATTEMPTS - 1:
                run = replace(run, catch=())
            result = self._run_alone(run)
            if result.loaded_torch:  # so this training was not seeded in full: again
                self._with_torch = True
                result = self._run_alone(replace(run, with_torch=True))
            if result.losses and result.failure is None:
                return result.losses[0]
        raise AssertionError

    def _run_alone(self, run: Run) -> RunResult:
        if self._workers is None:
            return run_training(run)
        ((_, result),) = self._workers.in_turn(run_training, iter([(0, run)]))  # on the user's GPU
        return result

    def dead_loss(self, space: Space) -> float | None:
        """Return the loss of a training that does not learn."""
        return self.scale(space, ()).initial


def describe_function(function: Callable[..., Any]) -> FunctionFacts:
    """Return a function's name, file and source."""
    inner = inspect.unwrap(getattr(function, "func", function))
    inner = inner if inspect.isroutine(inner) else type(inner).__call__
    try:
        source = inspect.getsource(inner)
    except (OSError, TypeError):
        source = ""
    file = inspect.getsourcefile(inner) if source else None
    path = None if file is None or not Path(file).is_file() else str(Path(file).resolve())
    code = source.encode() if path is None else Path(path).read_bytes().replace(b"\r\n", b"\n")
    if not code and hasattr(inner, "__code__"):  # made by exec
        code = inner.__code__.co_code + repr(inner.__code__.co_names).encode()
    digest = hashlib.sha256(code).hexdigest()
    return FunctionFacts(function_name(function), path, digest, source)
