"""The trainer of a search of a torch module: its settings in lockstep, or one by one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import isclass
from typing import Any

import joblib
import numpy as np
import torch

from lrtune.exceptions import InvalidInputError, LrtuneWarning, NothingCompletedError
from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule, epoch_rates
from lrtune.tuning.record.schema import LockstepChoice, TrainerFacts
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.loop import (
    SCHEDULE_FIELDS,
    WIDE_RANGE,
    Loop,
    LoopTrainer,
    describe_function,
)
from lrtune.tuning.trainers.protocol import DEFAULT_CONTROL, Control, Outcome, Prune
from lrtune.tuning.trainers.scale import divergence_limit
from lrtune.tuning.trainers.torch.batches import Data, steps_per_epoch
from lrtune.tuning.trainers.torch.check import choose, require_mean_loss, stackable
from lrtune.tuning.trainers.torch.memory import is_out_of_memory, settings_at_once
from lrtune.tuning.trainers.torch.single import (
    Single,
    SingleTraining,
    precision,
    seeded_everywhere,
)
from lrtune.tuning.trainers.torch.stack import Member, Stack, StackedModule
from lrtune.tuning.trainers.torch.trainer import OPTIONS, TorchTrainer
from lrtune.tuning.trainers.training_run import Run, RunResult, function_name, run_training


@dataclass(frozen=True)
class Training:
    """One training of a stack: a setting, by its index, and a replicate, by its place."""

    index: int
    place: int
    seed: int
    schedule: Schedule
    setting: Setting


class LockstepTrainer(LoopTrainer):
    """Trains settings of a torch module many at once, where that is possible and faster.

    Outcomes are those of one training after the other, up to rounding: a setting that diverges on a
    replicate has no results on those after it. With a pruner, the settings that are stacked
    together compete epoch by epoch.
    """

    def __init__(
        self,
        trainer: TorchTrainer,
        loop: Loop,
        *,
        seed: int = 0,
        choice: LockstepChoice | None = None,
    ) -> None:
        super().__init__(loop, seed=seed)
        self.trainer = trainer
        device = _usable(trainer.device)
        self.data = Data.read(trainer.train, trainer.validation, device, precision(trainer))
        self.n_validation = self.data.n_validation
        self.choice = choice
        self._defaults = trainer.defaults()
        self._modules: dict[str, StackedModule | None] = {}
        self._at_once: int | None = trainer.max_stacked

    # --- training ---------------------------------------------------------------------------------

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control = DEFAULT_CONTROL,
    ) -> Iterator[list[Outcome]]:
        """Train each setting on each replicate; yield the outcomes of a stack when it ends."""
        choice = self._choice(settings[0].others if settings else ())
        if not choice.lockstep:
            yield from super().train(settings, replicates, control)
            return
        done: dict[int, Outcome] = {}
        n_yielded = 0
        for members in self._alike(settings):
            module = self._stacked(settings[members[0]])
            if module is None or len(members) * len(replicates) == 1:
                for index in members:
                    own = replace(control, prune=_as_first(control.prune, index))
                    for outcomes in super().train([settings[index]], replicates, own):
                        done[index] = outcomes[0]
            else:
                for part in self._parts(members, len(replicates), module, settings):
                    if time.monotonic() > control.deadline:
                        break
                    chosen = {index: settings[index] for index in part}
                    done.update(self._train_part(module, chosen, replicates, control))
            ended = []
            while n_yielded in done:
                ended.append(done.pop(n_yielded))
                n_yielded += 1
            if ended:
                yield ended

    def _alike(self, settings: Sequence[Setting]) -> list[list[int]]:
        """Return the indices of settings that can be stacked: of one module, and batch size."""
        groups: dict[str, list[int]] = {}
        for index, setting in enumerate(settings):
            others = dict(setting.others)
            size = self.trainer.options(others).batch_size
            groups.setdefault(f"{size} {self._key(others)}", []).append(index)
        return list(groups.values())

    def _key(self, others: Mapping[str, Any]) -> str:
        return repr(sorted(self._module_parameters(others).items()))

    def _module_parameters(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Return further parameters of `make_module`; some may be a schedule's."""
        own = {name: each for name, each in others.items() if name not in SCHEDULE_FIELDS}
        return self.trainer.module_parameters(own)

    def _stacked(self, setting: Setting) -> StackedModule | None:
        """Return the module of a setting for stacks; None if it cannot be stacked."""
        others = self._module_parameters(dict(setting.others))
        key = self._key(others)
        if key not in self._modules:
            self._modules[key] = None
            seeds = self._first_seeds()
            try:
                module = StackedModule(self.trainer, self.data, others, seeds[0])
                possible = stackable(module, seeds)
            except self.loop.catch:  # each setting's training meets it, and fails
                return None
            if possible.lockstep:
                self._modules[key] = module
            else:
                _warn(f"the settings with {others} train one by one: {possible.reason}")
        return self._modules[key]

    def _first_seeds(self) -> list[int]:
        return [self.replicate_seed(number) for number in range(2)]

    def _parts(
        self,
        members: Sequence[int],
        n_replicates: int,
        module: StackedModule,
        settings: Sequence[Setting],
    ) -> list[list[int]]:
        """Return settings in parts, each with its replicates in one stack if memory allows."""
        size = self.trainer.options(dict(settings[members[0]].others)).batch_size
        if self._at_once is None:
            self._at_once = settings_at_once(module, size)
        together = self._at_once if self._draws_alike else self._at_once // n_replicates
        n_parts = -(-len(members) // max(1, together))
        return [part.tolist() for part in np.array_split(np.array(members), n_parts)]

    @property
    def _draws_alike(self) -> bool:
        """Return whether the settings on a replicate share random draws, and no others do."""
        assert self.choice is not None  # noqa: S101
        return self.choice.is_random and self.trainer.randomness == "same"

    def _train_part(
        self,
        module: StackedModule,
        settings: Mapping[int, Setting],
        replicates: Sequence[int],
        control: Control,
    ) -> dict[int, Outcome]:
        """Return the outcomes of settings that train together on all replicates."""
        initial = np.inf if self._scale is None else self._scale.initial
        limit = divergence_limit(initial, control.best)
        trainings = [
            Training(
                index, place, self.replicate_seed(number), self.loop.schedule(setting), setting
            )
            for index, setting in settings.items()
            for place, number in enumerate(replicates)
        ]
        assert self._at_once is not None  # noqa: S101
        waiting = [trainings]
        if self._draws_alike:
            places = range(len(replicates))
            waiting = [[each for each in trainings if each.place == place] for place in places]
        results: dict[tuple[int, int], RunResult] = {}
        while waiting:
            stack = _without_settled(waiting.pop(0), results)
            if len(stack) > self._at_once:
                waiting[:0] = [stack[: self._at_once], stack[self._at_once :]]
                continue
            if not stack:
                continue
            results.update(self._attempt(module, stack, limit, control) or {})
            if (stack[0].index, stack[0].place) not in results:
                waiting.insert(0, stack)
        outcomes = {}
        for index, setting in settings.items():
            own = _until_over([results.get((index, place)) for place in range(len(replicates))])
            if control.on_training is not None:
                for each in own:
                    control.on_training(each.seconds)
            outcomes[index] = self._outcome(setting, own)
        return outcomes

    def _attempt(
        self,
        module: StackedModule,
        stack: Sequence[Training],
        limit: float,
        control: Control,
    ) -> dict[tuple[int, int], RunResult] | None:
        """Return the results of a stack; None if it must be smaller, as memory ran out.

        Trainings of which one raises an error that is let pass are told apart one by one.
        """
        try:
            return self._train_stack(module, stack, limit, control)
        except Exception as error:
            if is_out_of_memory(error) and len(stack) > 1:
                self._at_once = len(stack) // 2
            elif isinstance(error, self.loop.catch):
                return self._train_singly(stack, limit)
            else:
                raise
        torch.cuda.empty_cache()
        return None

    def _train_stack(
        self,
        module: StackedModule,
        trainings: Sequence[Training],
        limit: float,
        control: Control,
    ) -> dict[tuple[int, int], RunResult]:
        """Return the results of trainings in one stack, by setting and place of the replicate."""
        begun = time.perf_counter()
        options = [self.trainer.options(dict(each.setting.others)) for each in trainings]
        results = [RunResult() for _ in trainings]
        with seeded_everywhere(trainings[0].seed, self.data.train.target.device):
            stack = Stack(
                module,
                [Member(each.seed, own) for each, own in zip(trainings, options, strict=True)],
            )
            schedules = [each.schedule for each in trainings]
            plateau = Plateau(schedules)
            n_steps = steps_per_epoch(self.data.n_train, stack.batch_size)
            for epoch, table in enumerate(epoch_rates(schedules, range(self.epochs), n_steps)):
                stack.train_epoch(plateau.apply(table) if plateau.active else table)
                losses = np.full(len(trainings), np.inf)
                losses[stack.rows] = stack.evaluate()
                plateau.update(losses)
                self._judge(stack.rows, trainings, results, losses, limit, control)
                going = [
                    row
                    for row in stack.rows
                    if not results[row].is_over and not _is_superseded(row, trainings, results)
                ]
                if not going or epoch + 1 == self.epochs:
                    break
                if going != stack.rows:
                    stack.keep(going)
        seconds = (time.perf_counter() - begun) / len(trainings)
        for result in results:
            result.seconds = seconds
        return {
            (each.index, each.place): result
            for each, result in zip(trainings, results, strict=True)
        }

    def _judge(
        self,
        rows: Sequence[int],
        trainings: Sequence[Training],
        results: Sequence[RunResult],
        losses: np.ndarray[Any, Any],
        limit: float,
        control: Control,
    ) -> None:
        """Note the losses of an epoch, and whether a training is over before its last one."""
        for row in rows:
            training, result, loss = trainings[row], results[row], float(losses[row])
            result.losses.append(loss)
            epoch = len(result.losses)
            result.diverged = not (np.isfinite(loss) and loss <= limit)
            if control.prune is None or result.diverged or epoch == self.epochs:
                continue
            if training.place == 0 and control.prune(training.index, epoch, loss):
                result.pruned = training.schedule.is_comparable(epoch)

    def _train_singly(
        self, trainings: Sequence[Training], limit: float
    ) -> dict[tuple[int, int], RunResult]:
        return {
            (each.index, each.place): run_training(self._run_of(each.setting, each.seed, limit))
            for each in trainings
        }

    def _run(self, setting: Setting, replicate: int, limit: float) -> Run:
        return self._run_of(setting, self.replicate_seed(replicate), limit)

    def _run_of(self, setting: Setting, seed: int, limit: float) -> Run:
        function = SingleTraining(self.trainer, self.data, self.epochs)
        others = {name: v for name, v in setting.others if name not in SCHEDULE_FIELDS}
        return Run(
            function,
            self.loop.schedule(setting),
            seed,
            others,
            self.epochs,
            limit=limit,
            catch=self.loop.catch,
        )

    def module(self, setting: Setting, replicate: int = 0) -> Any:
        """Return a module that is trained with a setting on a replicate, as in the search.

        Raises
        ------
        NothingCompletedError
            If the training diverges.
        """
        seed = self.replicate_seed(replicate)
        others = {name: v for name, v in setting.others if name not in SCHEDULE_FIELDS}
        with seeded_everywhere(seed, self.data.train.target.device):
            single = Single(self.trainer, self.data, seed, others)
            *_, loss = single.train(self.loop.schedule(setting), self.epochs)
        initial = np.inf if self._scale is None else self._scale.initial
        if not (np.isfinite(loss) and loss <= divergence_limit(initial, None)):
            raise NothingCompletedError(
                f"the recommended setting diverged on replicate {replicate}, so there is no "
                "trained module: give another `replicate`"
            )
        return single.module.eval()

    # --- facts ------------------------------------------------------------------------------------

    def _choice(self, others: tuple[tuple[str, Any], ...]) -> LockstepChoice:
        """Return how settings train, which is found out once; say so if it is not in lockstep."""
        if self.choice is None:
            own = self._module_parameters(dict(others))
            seeds = self._first_seeds()
            module = StackedModule(self.trainer, self.data, own, seeds[0])
            self.choice = choose(module, seeds)
            if self.choice.lockstep:
                self._modules[self._key(own)] = module
            if not self.choice.lockstep and self.trainer.lockstep is None:
                _warn(
                    f"the settings of `{self._name}` train one by one: {self.choice.reason} "
                    "(`lockstep=False` trains so without a check)"
                )
        return self.choice

    @property
    def _name(self) -> str:
        return function_name(self.trainer.make_module)

    def facts(self) -> TrainerFacts:
        """Return the facts of the module, its options, and how its settings train."""
        facts = super().facts()
        make = self.trainer.make_module
        function = describe_function(make.__init__ if isclass(make) else make)
        own = {name: self._defaults[name] for name in OPTIONS}
        parameters = {
            **facts.parameters,
            "optimizer": self.trainer.optimizer,
            **own,
            "dtype": str(precision(self.trainer)).removeprefix("torch."),
            "randomness": self.trainer.randomness,
        }
        return replace(
            facts,
            estimator=self._name,
            parameters=parameters,
            function=replace(function, name=self._name),
            choice=self.choice,
        )

    def hashes(self) -> tuple[str, str]:
        """Return a hash of all rows, and one of what the replicates are made of."""
        return self.data.fingerprint(), str(joblib.hash(self._first_seeds()))

    def check(self, space: Space) -> None:
        """Raise InvalidInputError if the module, an option or a schedule does not accept the space.

        Here it is found out how the settings train.
        """
        names = [name for name, _ in space.others]
        for name in names:
            if name in SCHEDULE_FIELDS:
                raise InvalidInputError(
                    f"`space` must name options or parameters of `make_module`, but got {name!r}, "
                    "which is the schedule's: pass it to the search itself, where it holds for "
                    "every setting"
                )
        self.trainer.require_parameters(names)
        for name, dimension in space.others:
            for end in dimension.ends:
                self.trainer.options({name: end})
        for decay in space.decay:
            for rate in space.learning_rate_init or WIDE_RANGE:
                self.loop.schedule(Setting(rate, decay, space.decay_rate[0]))
        others = self._others(space)
        if self.choice is None:
            own = {name: v for name, v in others if name not in OPTIONS}
            require_mean_loss(self.trainer, self.data, self._first_seeds()[0], own)
        self._choice(others)

    def _others(self, space: Space) -> tuple[tuple[str, Any], ...]:
        """Return further parameters as they are by default, else their first value."""
        return tuple(
            (name, self._defaults.get(name, dimension.ends[0])) for name, dimension in space.others
        )


def _usable(device: Any) -> torch.device:
    """Return a device; raise InvalidInputError if torch cannot use it here."""
    try:
        return torch.empty(0, device="cpu" if device is None else device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        lines = str(error).splitlines()
        raise InvalidInputError(
            f"`device` must be one that torch can use here, but got {device!r}: {lines[0]}"
        ) from error


def _as_first(prune: Prune | None, index: int) -> Prune | None:
    """Return what prunes a setting that is alone, and so has the index 0."""
    return None if prune is None else lambda _, epoch, loss: prune(index, epoch, loss)


def _warn(text: str) -> None:
    warnings.warn(text, LrtuneWarning, stacklevel=2)


def _until_over(results: Sequence[RunResult | None]) -> list[RunResult]:
    """Return the results up to the first that is over, as if there had been none after it."""
    own = []
    for result in results:
        if result is None:
            break
        own.append(result)
        if result.is_over:
            break
    return own


def _is_superseded(row: int, trainings: Sequence[Training], results: Sequence[RunResult]) -> bool:
    """Return whether the setting of a training is over on a replicate before its own."""
    own = trainings[row]
    return any(
        result.is_over and each.index == own.index and each.place < own.place
        for each, result in zip(trainings, results, strict=True)
    )


def _without_settled(
    trainings: Sequence[Training], results: Mapping[tuple[int, int], RunResult]
) -> list[Training]:
    """Return the trainings of settings that are not over on a replicate before."""
    over = {(index, place) for (index, place), result in results.items() if result.is_over}
    return [
        each
        for each in trainings
        if not any((each.index, place) in over for place in range(each.place))
    ]
