"""The loop of a search: ask for a block of settings, train it, record it, within the budget.

A block is a pure function of the seed and of the trials finished before it (`ask_block`), so the
same seed gives the same trials, and a resumed search continues as an uninterrupted one would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, Trial

from lrtune.exceptions import RecordLostError
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Asker, Sampling, keep_notes
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Trainer


@dataclass(frozen=True)
class Explorer:
    """Asks for settings of a space, trains them on the replicates, and records the trials."""

    trainer: Trainer
    space: Space
    replicates: Sequence[int]
    sampling: Sampling
    record: Record | None = None

    def explore(
        self,
        finished: list[FrozenTrial],
        *,
        n_trials: int,
        deadline: float,
        on_block: Callable[[], None],
    ) -> RecordLostError | None:
        """Add to the finished trials, until there are `n_trials` or the deadline has passed.

        No block starts after the deadline, a time of ``time.monotonic()``. After each block, the
        trials that workers recorded meanwhile are among the finished ones. If the record is lost, a
        worker raises RecordLostError; the search itself continues, and returns the error.
        """
        sampling, record = self.sampling, self.record
        asker = Asker(self.space, sampling, default=self.trainer.default_setting(self.space))
        is_users = sampling.sampler is not None or sampling.pruner is not None
        lost = None
        while len(finished) < n_trials and not (finished and time.monotonic() > deadline):
            # a block is always asked for as a whole; its trials that are finished are skipped
            first = len(finished) // BLOCK_SIZE * BLOCK_SIZE
            block = asker.ask(finished[:first])
            asked = block[len(finished) - first : n_trials - first]
            trials = self._train(asked)
            if is_users:
                keep_notes(asked, trials)
            try:
                _keep(trials, finished, record, sampling.worker)
            except RecordLostError as error:
                if sampling.worker:
                    raise
                lost, record = error, None
                _keep(trials, finished, None, 0)
            on_block()
        return lost

    def _train(self, asked: Sequence[Trial]) -> list[FrozenTrial]:
        """Train trials that were asked for; return the finished trials."""

        def prune(index: int, epoch: int, loss: float) -> bool:
            asked[index].report(loss, epoch)
            return asked[index].should_prune()

        begun = datetime.now()
        outcomes = self.trainer.train(
            [self.space.setting(trial.params) for trial in asked],
            self.replicates,
            metrics=True,
            prune=None if self.sampling.pruner is None else prune,
        )
        cap = 2 * self.trainer.guess_loss(self.replicates)
        return [
            to_trial(
                trial.params, outcome, self.space, cap=cap, begun=begun, metric=self.trainer.metric
            )
            for trial, outcome in zip(asked, outcomes, strict=True)
        ]


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
