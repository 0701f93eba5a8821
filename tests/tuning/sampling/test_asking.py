"""Asking: how many trials the sampler is told of, and what they are."""

from datetime import datetime

import numpy as np
import pytest
from lrtune.tuning.trainers.judging import Outcome
from optuna.trial import FrozenTrial, TrialState

from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import (
    BLOCK_SIZE,
    TOLD,
    TOLD_BEST,
    ask_block,
    make_sampler,
    telling,
)
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.lockstep import DivergedAt

SPACE = Space.default(20, learning_rate_init=(1e-3, 10.0))


def trials(n: int, seed: int = 0) -> list[FrozenTrial]:
    """Finished trials, every fifth of them diverged."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        setting = Setting(float(10 ** rng.uniform(-3, 1)), "cosine", 0.1)
        outcome = Outcome(setting, np.full((3, 20), rng.uniform(0.1, 2)), np.full(3, 0.9), 60.0)
        if number % 5 == 4:
            at = DivergedAt(replicate=1, epoch=1, step=2, loss=None)
            outcome = Outcome(setting, np.empty((3, 0)), None, 0.5, at)
        trial = to_trial(setting.params, outcome, SPACE, 2.2, datetime.now())
        trial.number = number
        made.append(trial)
    return made


@pytest.mark.parametrize("n", [0, 1, BLOCK_SIZE, TOLD])
def test_few_trials_are_all_told(n: int) -> None:
    known = trials(n)

    assert telling(known, seed=0) == known


def test_of_many_trials_the_best_and_a_sample_are_told_in_their_order() -> None:
    known = trials(1000)
    told = telling(known, seed=0)
    numbers = [trial.number for trial in told]
    complete = sorted((t for t in known if not t.user_attrs["diverged"]), key=lambda t: t.value)

    assert len(told) == TOLD
    assert numbers == sorted(set(numbers))
    assert {trial.number for trial in complete[:TOLD_BEST]} <= set(numbers)
    diverged = [trial for trial in told if trial.user_attrs["diverged"]]
    share = len(diverged) / (TOLD - TOLD_BEST)
    assert 0.1 < share < 0.4  # about a fifth of the sample, so the cliff stays known


def test_what_is_left_out_of_a_trial_told_makes_no_difference() -> None:
    known = trials(4 * BLOCK_SIZE)
    for trial in known:
        trial.intermediate_values = {1: 3.0, 2: 2.0 + trial.number / 100}
        if trial.number % 5 == 1:
            trial.state, trial.values = TrialState.PRUNED, None
    whole = ask_block(known, SPACE, seed=3, sampler=make_sampler(3, len(known)))

    assert [t.params for t in ask_block(known, SPACE, seed=3)] == [t.params for t in whole]
    assert all(t.user_attrs and len(t.intermediate_values) == 2 for t in known)


def test_the_sample_is_a_pure_function_of_the_seed() -> None:
    known = trials(600)
    first, again, other = (telling(known, seed) for seed in (1, 1, 2))

    assert first == again != other


def test_a_block_after_many_trials_is_a_pure_function_too() -> None:
    known = trials(TOLD + 5 * BLOCK_SIZE)
    first, again = ([t.params for t in ask_block(known, SPACE, seed=3)] for _ in range(2))

    assert first == again
    assert len(first) == BLOCK_SIZE
