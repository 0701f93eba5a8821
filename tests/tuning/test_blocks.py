"""Blocks: pure functions of the seed and of the trials before them, whatever the trainer."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from lrtune.exceptions import RecordLostError
from lrtune.tuning.blocks import Explorer
from lrtune.tuning.record.schema import DivergedAt, TrialFacts
from lrtune.tuning.sampling.asking import BLOCK_SIZE, Sampling
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Outcome
from lrtune.tuning.trainers.scale import LossScale

SPACE = Space.default(20, learning_rate_init=(1e-3, 30.0))
EDGE = 0.3


class Toy:
    """A trainer whose loss is least a little below the cliff at α₀ = `EDGE`."""

    epochs = 20
    metric = None
    objective = None
    n_validation = 100
    folds = None

    def __init__(self, default: Setting = Setting(100.0, "constant", 0.0)) -> None:  # noqa: B008
        self.default = default
        self.calls: list[tuple[int, bool]] = []
        self.replicates: list[list[int]] = []

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control,
    ) -> Iterator[list[Outcome]]:
        self.calls.append((len(settings), control.prune is not None))
        self.replicates.append(list(replicates))
        yield [self._outcome(setting, len(replicates)) for setting in settings]

    def _outcome(self, setting: Setting, n: int) -> Outcome:
        if setting.learning_rate_init > EDGE:
            at = DivergedAt(replicate=1, epoch=1, step=2, loss=None)
            return Outcome(setting, np.empty((n, 0)), None, 0.5, at)
        loss = 0.1 + math.log10(3 * setting.learning_rate_init / EDGE) ** 2
        return Outcome(setting, np.full((n, self.epochs), loss), np.full(n, 0.9), 60.0)

    def default_setting(self, space: Space) -> Setting:  # noqa: ARG002
        return self.default

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:  # noqa: ARG002
        return LossScale(1.5, cap=2.2)


def explore(
    n_trials: int,
    *,
    seed: int = 0,
    finished: Sequence[FrozenTrial] = (),
    trainer: Toy | None = None,
    replicates: int | None = 3,
    **sampling: Any,
) -> list[FrozenTrial]:
    trials = list(finished)
    explorer = Explorer(trainer or Toy(), SPACE, replicates, Sampling(seed, **sampling))  # type: ignore[arg-type]
    explorer.explore(trials, n_trials=n_trials, control=Control(), on_trials=lambda: None)
    return trials


def settings(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    return [trial.params for trial in trials]


def replicates_of(trial: FrozenTrial) -> tuple[int, ...]:
    return TrialFacts.of(trial).replicates


def test_the_sampler_learns_where_the_cliff_is() -> None:
    beyond = np.mean(
        [
            [params["learning_rate_init"] > EDGE for params in settings(explore(64, seed=seed))]
            for seed in range(4)
        ],
        axis=0,
    )

    assert 0.35 < beyond[:BLOCK_SIZE].mean() < 0.55  # 45 % of the range
    assert beyond[2 * BLOCK_SIZE :].mean() < 0.65 * beyond[:BLOCK_SIZE].mean()


def test_the_same_seed_gives_the_same_trials_and_another_seed_others() -> None:
    trials = settings(explore(48, seed=3))

    assert trials == settings(explore(48, seed=3))
    assert trials[BLOCK_SIZE:] != settings(explore(48, seed=4))[BLOCK_SIZE:]


def test_settings_of_a_block_differ() -> None:
    assert len({str(params) for params in settings(explore(48))[-BLOCK_SIZE:]}) == BLOCK_SIZE


@pytest.mark.parametrize("replicates", [3, None])
@pytest.mark.parametrize("n_before", [1, 7, 8, 9, 31, 40])
def test_a_resumed_search_goes_on_as_an_uninterrupted_one(
    n_before: int, replicates: int | None
) -> None:
    whole = explore(48, seed=1, replicates=replicates)
    before = explore(n_before, seed=1, replicates=replicates)
    resumed = explore(48, seed=1, finished=before, replicates=replicates)

    assert settings(resumed) == settings(whole)
    assert [trial.number for trial in resumed] == list(range(48))
    assert [replicates_of(trial) for trial in resumed] == [replicates_of(trial) for trial in whole]


def test_a_users_sampler_goes_on_where_it_was() -> None:
    whole, begun = (explore(n, sampler=optuna.samplers.RandomSampler(seed=0)) for n in (40, 20))
    resumed = explore(40, sampler=optuna.samplers.RandomSampler(seed=0), finished=begun)

    assert settings(resumed) == settings(whole)


def test_the_untuned_default_is_tried_first_and_changes_no_other_trial_of_its_block() -> None:
    default = Setting(0.1, "constant", 0.0)
    trials, plain = (
        settings(explore(BLOCK_SIZE, trainer=Toy(default))),
        settings(explore(BLOCK_SIZE)),
    )

    assert trials[0] == plain[0] | {"learning_rate_init": 0.1, "decay": "constant"}
    assert trials[1:] == plain[1:]


def test_a_worker_does_not_try_the_default_and_has_blocks_of_its_own() -> None:
    default = Toy(Setting(0.1, "constant", 0.0))
    trials = settings(explore(16, trainer=default, worker=5))

    assert not any(SPACE.setting(params).is_like(default.default) for params in trials)
    assert trials != settings(explore(16, trainer=default, worker=6))


def test_a_completed_trial_ends_in_its_value() -> None:
    complete = [trial for trial in explore(16) if trial.state == TrialState.COMPLETE]

    assert complete
    for trial in complete:
        assert trial.value == trial.intermediate_values[20]
        assert trial.constraints["diverged"] <= 0


def test_a_diverged_trial_ends_in_twice_the_loss_of_guessing_and_is_infeasible() -> None:
    diverged = [trial for trial in explore(16) if trial.user_attrs["diverged"]]

    assert diverged
    for trial in diverged:
        assert trial.state == TrialState.PRUNED
        assert trial.intermediate_values == {1: 2.2}
        assert trial.constraints["diverged"] > 0


def test_no_block_is_begun_after_the_deadline_but_one_is_made() -> None:
    trials: list[FrozenTrial] = []
    explorer = Explorer(Toy(), SPACE, 3, Sampling())  # type: ignore[arg-type]
    explorer.explore(
        trials, n_trials=64, control=Control(deadline=time.monotonic()), on_trials=lambda: None
    )

    assert len(trials) == BLOCK_SIZE


def test_the_trainer_is_handed_a_pruner_only_if_there_is_one() -> None:
    plain, pruned = Toy(), Toy()
    explore(20, trainer=plain)
    explore(20, trainer=pruned, pruner=optuna.pruners.MedianPruner())

    assert plain.calls == [(8, False), (8, False), (4, False)]
    assert pruned.calls == [(8, True), (8, True), (4, True)]


def test_each_block_has_a_fresh_replicate_unless_all_settings_share_some() -> None:
    fresh, shared = Toy(), Toy()
    trials = explore(20, trainer=fresh, replicates=None)
    explore(20, trainer=shared, replicates=2)

    assert fresh.replicates == [[0], [1], [2]]
    assert [replicates_of(trial) for trial in trials] == [(n // BLOCK_SIZE,) for n in range(20)]
    assert shared.replicates == [[0, 1]] * 3


class LostRecord:
    """A record that can no longer be written after its first block."""

    def __init__(self) -> None:
        self.n_pushed = 0

    def push(self, trials: Any, *, seen: Any, worker: int) -> list[FrozenTrial]:  # noqa: ARG002
        self.n_pushed += 1
        if self.n_pushed > 1:
            raise RecordLostError("the disk is full")
        return [*seen, *trials]


def test_a_search_goes_on_without_a_record_that_is_lost_and_a_worker_does_not() -> None:
    trials: list[FrozenTrial] = []
    explorer = Explorer(Toy(), SPACE, 3, Sampling(), LostRecord())  # type: ignore[arg-type]
    error = explorer.explore(trials, n_trials=48, control=Control(), on_trials=lambda: None)

    assert isinstance(error, RecordLostError)
    assert settings(trials) == settings(explore(48))

    worker = replace(explorer, sampling=Sampling(worker=1), record=LostRecord())  # type: ignore[arg-type]
    with pytest.raises(RecordLostError):
        worker.explore([], n_trials=48, control=Control(), on_trials=lambda: None)
