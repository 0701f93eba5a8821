"""The loop of a search: ask for a block of settings, train it, record it, within the budget.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed search continues as an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from optuna.trial import FrozenTrial, Trial

from lrtune.exceptions import RecordLostError
from lrtune.tuning.confirm.clock import Clock
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import best_loss, to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Asker, Sampling, keep_notes
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Trainer


@dataclass(frozen=True)
class Explorer:
    """Asks for settings of a space, trains them, and records the trials.

    Attributes
    ----------
    replicates : int or None
        Replicates of each setting, the same for all; None for a fresh one in each block.
    clock : Clock
        Counts the trainings.
    """

    trainer: Trainer
    space: Space
    replicates: int | None
    sampling: Sampling
    record: Record | None = None
    clock: Clock = field(default_factory=Clock)

    def explore(
        self,
        finished: list[FrozenTrial],
        *,
        n_trials: int,
        control: Control,
        on_trials: Callable[[], None],
    ) -> RecordLostError | None:
        """Add to the finished trials, until there are `n_trials` or the deadline is near.

        After the first block, none begins that would end after the deadline if it took as long as
        the longest so far; nor does a setting, where settings do not end together. Whenever trials
        end, they are recorded, and those that workers recorded meanwhile are among the finished
        ones. If the record is lost, a worker raises RecordLostError; the search itself continues,
        and returns the error.
        """
        sampling, record = self.sampling, self.record
        trainer = self.trainer
        asker = Asker(self.space, sampling, trainer.default_setting(self.space), trainer.epochs)
        lost = None
        end = latest = control.deadline
        while len(finished) < n_trials and not (finished and time.monotonic() > latest):
            # a block is always asked for as a whole; its trials that are finished are skipped
            first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
            block = asker.ask(finished[:first])
            asked = block[len(finished) - first : n_trials - first]
            best = best_loss(finished[:first])
            n_trained = 0
            replicates = self.replicates_of(first)
            control = replace(control, best=best, deadline=latest)
            with closing(self._train(asked, replicates, control)) as training:
                for trials in training:
                    n_trained += len(trials)
                    try:
                        _keep(trials, finished, record, sampling.worker)
                    except RecordLostError as error:
                        if sampling.worker:
                            raise
                        lost, record = error, None
                        _keep(trials, finished, None, 0)
                    on_trials()
                    if len(finished) >= n_trials:  # workers may have finished the rest
                        break
            if n_trained < len(asked):
                break
            latest = end - self.clock.longest
        return lost

    def replicates_of(self, trial: int) -> range:
        """Return the replicates of a trial by its number."""
        block = trial // BLOCK_SIZE
        return range(block, block + 1) if self.replicates is None else range(self.replicates)

    def _train(
        self, asked: Sequence[Trial], replicates: Sequence[int], control: Control
    ) -> Generator[list[FrozenTrial], None, None]:
        """Train trials that were asked for; yield the finished trials that end together."""

        def prune(index: int, epoch: int, loss: float) -> bool:
            asked[index].report(loss, epoch)
            return asked[index].should_prune()

        begun = datetime.now()
        cap = self.trainer.scale(self.space, replicates).cap
        settings = [self.space.setting(trial.params) for trial in asked]
        has_pruner = self.sampling.pruner is not None
        control = replace(control, metrics=True, prune=prune if has_pruner else None)
        remaining = iter(asked)
        since = time.monotonic()
        for outcomes in self.trainer.train(settings, replicates, control):
            epochs = sum(outcome.epochs for outcome in outcomes)
            self.clock.count(epochs / self.trainer.epochs, time.monotonic() - since)
            ended = list(islice(remaining, len(outcomes)))
            trials = [
                to_trial(
                    trial.params,
                    outcome,
                    self.space,
                    replicates,
                    cap=cap,
                    begun=begun,
                    metric=self.trainer.metric,
                )
                for trial, outcome in zip(ended, outcomes, strict=True)
            ]
            if has_pruner or self.sampling.sampler is not None:
                keep_notes(ended, trials)
            yield trials
            begun, since = datetime.now(), time.monotonic()


def _keep(
    trials: list[FrozenTrial], finished: list[FrozenTrial], record: Record | None, worker: int
) -> None:
    """Add trials to the finished ones, by way of the record if there is one."""
    if record is None:
        for trial in trials:
            trial.number = len(finished)
            finished.append(trial)
        return
    finished[:] = record.push(trials, seen=finished, worker=worker)
