"""Blocks of settings: pure functions of the seed, and what the sampler is given to learn from."""

from datetime import datetime
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState

from lrtune.tuning.record.schema import DIVERGED, DivergedAt
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.sampling.asking import (
    BLOCK_SIZE,
    HISTORY,
    Asker,
    Sampling,
    _block_seed,
    _subsample,
    ask_block,
    keep_notes,
)
from lrtune.tuning.sampling.schedule_sampler import ScheduleSampler
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome

EPOCHS = 20
SPACE = Space.default(EPOCHS, learning_rate_init=(1e-3, 10.0))
DEFAULT = Setting(0.1, "constant", 0.0)


def finish(params: dict[str, Any], number: int, loss: float | None) -> FrozenTrial:
    """Return a finished trial with this number and loss; None for one that diverged."""
    setting = SPACE.setting(params)
    if loss is None:
        at = DivergedAt(replicate=1, epoch=1, step=2, loss=None)
        outcome = Outcome(setting, np.empty((1, 0)), None, 0.5, at)
    else:
        outcome = Outcome(setting, np.full((1, EPOCHS), loss), np.full(1, 0.9), 20.0)
    replicates = [number // BLOCK_SIZE]
    trial = to_trial(params, outcome, SPACE, replicates, cap=2.2, begun=datetime.now())
    trial.number = number
    return trial


def trials(n: int, seed: int = 0) -> list[FrozenTrial]:
    """Return finished trials, every fifth of which diverged."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        rate = float(10 ** rng.uniform(-3, 1))
        params = Setting(rate, "cosine", 0.1).params
        loss = rng.uniform(0.1, 2)
        made.append(finish(params, number, None if number % 5 == 4 else loss))
    return made


def ask(history: list[FrozenTrial], sampling: Sampling = Sampling(), **notes: Any) -> list[Trial]:  # noqa: B008
    return ask_block(history, SPACE, sampling, epochs=EPOCHS, **notes)


def params(block: list[Trial]) -> list[dict[str, Any]]:
    return [trial.params for trial in block]


@pytest.mark.parametrize("n", [0, 1, BLOCK_SIZE, HISTORY])
def test_a_short_history_is_kept_whole(n: int) -> None:
    history = trials(n)

    assert _subsample(history, seed=0) == history


def test_of_a_long_history_the_best_and_a_sample_are_kept_in_their_order() -> None:
    history = trials(1000)
    sample = _subsample(history, seed=0)
    numbers = [trial.number for trial in sample]
    complete = sorted((t for t in history if not t.user_attrs[DIVERGED]), key=lambda t: t.value)

    assert len(sample) == HISTORY
    assert numbers == sorted(set(numbers))
    assert {trial.number for trial in complete[: HISTORY // 2]} <= set(numbers)
    diverged = [trial for trial in sample if trial.user_attrs[DIVERGED]]
    share = len(diverged) / (HISTORY // 2)
    assert 0.1 < share < 0.4  # enough to learn which rates diverge


def test_the_sample_is_a_pure_function_of_the_seed() -> None:
    history = trials(600)
    first, again, other = (_subsample(history, seed) for seed in (1, 1, 2))

    assert first == again != other


def test_what_the_sampler_is_not_given_of_a_trial_makes_no_difference() -> None:
    history = trials(4 * BLOCK_SIZE)
    for trial in history:
        trial.intermediate_values = {1: 3.0, 2: 2.0 + trial.number / 100}
        if trial.number % 5 == 1:
            trial.state, trial.values = TrialState.PRUNED, None
    sampler = ScheduleSampler(epochs=EPOCHS, seed=_block_seed(3, len(history)))
    whole = ask(history, Sampling(sampler=sampler))

    assert params(ask(history, Sampling(3))) == params(whole)
    assert all(t.user_attrs and len(t.intermediate_values) == 2 for t in history)


@pytest.mark.parametrize(
    "n_blocks", [0, 1, 3, pytest.param(HISTORY // BLOCK_SIZE + 5, marks=pytest.mark.slow)]
)
def test_a_block_is_a_pure_function_of_seed_worker_and_history(n_blocks: int) -> None:
    history = trials(n_blocks * BLOCK_SIZE)
    first, again, seeded, helping = (
        params(ask(history, sampling))
        for sampling in (Sampling(3), Sampling(3), Sampling(4), Sampling(3, worker=7))
    )

    assert first == again
    assert len(first) == BLOCK_SIZE
    assert len({tuple(each.items()) for each in [*first, *seeded, *helping]}) == 3 * BLOCK_SIZE


def test_every_setting_is_drawn_from_the_space() -> None:
    for history in ([], trials(BLOCK_SIZE)):
        for trial in ask(history):
            assert trial.distributions == SPACE.distributions()
            assert trial.params.keys() == SPACE.distributions().keys()


def test_the_first_block_fills_the_space_evenly() -> None:
    rates = sorted(t.params["learning_rate_init"] for t in ask([]))
    shares = (np.log10(rates) + 3) / 4

    assert (np.floor(shares * BLOCK_SIZE) == np.arange(BLOCK_SIZE)).all()  # one in each eighth


def test_the_very_first_trial_is_the_default_in_the_main_process_alone() -> None:
    default = {"learning_rate_init": 0.1, "decay": "constant"}
    main = Asker(SPACE, Sampling(), DEFAULT, EPOCHS)
    first, second = main.ask([]), main.ask(trials(BLOCK_SIZE))
    helping = Asker(SPACE, Sampling(worker=7), DEFAULT, EPOCHS).ask([])

    assert default.items() <= first[0].params.items()
    assert not any(default.items() <= trial.params.items() for trial in [*second, *helping])


def test_a_default_outside_the_space_is_left_out() -> None:
    outside = Asker(SPACE, Sampling(), Setting(50.0, "constant", 0.0), EPOCHS).ask([])

    assert params(outside) == params(ask([]))


def blocks_of(sampler: optuna.samplers.BaseSampler, n: int) -> list[list[dict[str, Any]]]:
    """Return the blocks of a search from its start."""
    asker, finished = Asker(SPACE, Sampling(sampler=sampler), DEFAULT, EPOCHS), []
    blocks = []
    for _ in range(n):
        block = params(asker.ask(finished))
        blocks.append(block)
        finished += [finish(each, len(finished), 1.0) for each in block]
    return blocks


def random_sampler() -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=5)


def test_a_users_sampler_goes_on_from_block_to_block() -> None:
    first, second, third = blocks_of(random_sampler(), 3)

    assert first != second != third != first


def test_a_users_sampler_goes_on_in_a_resumed_study_and_is_not_changed() -> None:
    sampler = random_sampler()
    blocks = blocks_of(sampler, 3)
    finished = [finish(each, 0, 1.0) for each in [*blocks[0], *blocks[1]]]
    resumed = Asker(SPACE, Sampling(sampler=sampler), DEFAULT, EPOCHS).ask(finished)

    assert params(resumed) == blocks[2]
    assert blocks_of(sampler, 1) == blocks[:1]


class _Counting(optuna.samplers.RandomSampler):
    """A sampler that counts its trials in the study, and notes each one's count on the trial."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
        storage = study._storage
        count = storage.get_study_system_attrs(study._study_id).get("count", 0) + 1
        storage.set_study_system_attr(study._study_id, "count", count)
        storage.set_trial_system_attr(trial._trial_id, "count", count)
        return {}


def test_what_a_users_sampler_notes_is_kept_for_the_next_block() -> None:
    notes: dict[str, Any] = {}
    finished: list[FrozenTrial] = []
    for _ in range(2):
        sampling = Sampling(sampler=_Counting(seed=0))
        block = ask(finished, sampling, notes=notes)
        ended = [finish(trial.params, len(finished) + i, 1.0) for i, trial in enumerate(block)]
        keep_notes(block, ended)
        finished += ended

    assert notes["count"] == 2 * BLOCK_SIZE
    assert [trial.system_attrs["count"] for trial in finished] == list(range(1, 2 * BLOCK_SIZE + 1))
