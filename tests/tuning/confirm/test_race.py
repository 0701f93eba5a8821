"""The race: who starts, and that it chooses better than the search."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial

from lrtune.tuning.confirm.advice import advise
from lrtune.tuning.confirm.budget import (
    ConfirmationBudget,
)
from lrtune.tuning.confirm.confirmation import confirm
from lrtune.tuning.confirm.judge import Judge
from lrtune.tuning.confirm.measurement import FACTORS
from lrtune.tuning.confirm.race import Ranking, race
from lrtune.tuning.confirm.result import Confirmation, Estimate
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.objective import Objective
from lrtune.tuning.trainers.protocol import Control, Outcome
from lrtune.tuning.trainers.scale import LossScale

EPOCHS = 5
# --- does it choose better? ---------------------------------------------------------------------

SPACE = Space.default(EPOCHS, learning_rate_init=(1e-3, 10.0))


class Noisy:
    """A trainer whose truth is known, and seen through noise."""

    epochs, metric, objective, n_validation, folds = EPOCHS, None, None, 100, None

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def default_setting(self, space: Space) -> Setting:  # noqa: ARG002
        return UNTUNED

    def dead_loss(self, space: Space) -> None:  # noqa: ARG002
        return None

    def truth(self, setting: Setting) -> float:
        return 1 + 0.3 * np.log10(setting.learning_rate_init) ** 2

    def train(
        self,
        settings: Sequence[Setting],
        replicates: Sequence[int],
        control: Control,  # noqa: ARG002
    ) -> Iterator[list[Outcome]]:
        truths = np.array([self.truth(setting) for setting in settings])[:, None]
        n = len(replicates)
        losses = truths + self.rng.normal(0, 0.3, n)  # the difficulty
        losses += self.rng.normal(0, 0.3, (len(settings), n))
        yield [
            Outcome(setting, np.tile(each[:, None], EPOCHS), np.ones(n), n * EPOCHS, trainings=n)
            for setting, each in zip(settings, losses, strict=True)
        ]

    def trial(self, number: int, setting: Setting | None = None) -> FrozenTrial:
        setting = setting or Setting(float(10 ** self.rng.uniform(-3, 1)), "cosine", 0.1)
        ((outcome,),) = self.train([setting], range(3), Control())
        trial = to_trial(setting.params, outcome, SPACE, range(3), cap=5.0, begun=datetime.now())
        trial.number = number
        return trial


UNTUNED = Setting(0.0011, "constant", 0.0)
"""Of the truth that `Noisy` knows, nearly the worst."""


class Measurable(Noisy):
    """A toy that can be measured; above a rate of 3 its trainings do not learn."""

    def floor(self, setting: Setting) -> float:  # noqa: ARG002
        return 0.0

    def scale(self, space: Space, replicates: Sequence[int]) -> LossScale:  # noqa: ARG002
        return LossScale(9.0, 18.0, 9.0)

    def dead_loss(self, space: Space) -> float:  # type: ignore[override]  # noqa: ARG002
        return 9.0

    def truth(self, setting: Setting) -> float:
        return 9.0 if setting.learning_rate_init > 3 else super().truth(setting)


class Scored(Measurable):
    """The same, judged by a metric that is a number of times minus the loss."""

    metric = "score"  # type: ignore[assignment]

    def __init__(self, seed: int, times: float) -> None:
        super().__init__(seed)
        self.times = times
        self.objective = Objective(lambda *_: {}, "score", "times")  # type: ignore[assignment]

    def train(self, *arguments: Any) -> Iterator[list[Outcome]]:
        (outcomes,) = super().train(*arguments)
        yield [
            replace(each, metrics={"score": -self.times * each.validation_curves[:, -1]})
            for each in outcomes
        ]


def confirmed_toy(toy: Noisy) -> Confirmation:
    trials = [toy.trial(number) for number in range(32)]
    budget = ConfirmationBudget.of(4 * 32 * 3)
    return confirm(trials, SPACE, toy, fresh=itertools.count(3), budget=budget)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_a_metric_that_is_minus_the_loss_is_confirmed_bit_for_bit_as_the_loss(seed: int) -> None:
    by_loss, by_metric = confirmed_toy(Measurable(seed)), confirmed_toy(Scored(seed, 1.0))

    assert by_metric.safe_range == by_loss.safe_range
    assert by_metric.losses[0].loss == by_loss.recommended.loss
    assert by_metric.losses[1] == by_loss.default
    profile = replace(by_loss.profile, initial_loss=np.inf)
    assert replace(by_metric, metric=None, loss=None, default_loss=None) == replace(
        by_loss, profile=profile
    )
    assert (by_metric.metric, by_loss.metric) == ("times", None)


@pytest.mark.parametrize("seed", range(4))
def test_trainings_die_by_their_loss_whatever_the_metric_is(seed: int) -> None:
    """With a metric a thousand times as large, all its values are worse than a dead loss."""
    by_loss, by_metric = confirmed_toy(Measurable(seed)), confirmed_toy(Scored(seed, 1024.0))

    assert by_metric.safe_range == pytest.approx(by_loss.safe_range)
    assert [each.status for each in by_metric.contenders] == [
        each.status for each in by_loss.contenders
    ]
    assert by_metric.dead == by_loss.dead
    assert by_metric.gain.loss == pytest.approx(1024 * by_loss.gain.loss)
    assert by_metric.losses[0].loss == by_loss.recommended.loss


class Customary(Measurable):
    """A toy whose default is the best of all settings, or has a rate."""

    def __init__(self, seed: int, rate: float = 1.0) -> None:
        super().__init__(seed)
        self.rate = rate

    def default_setting(self, space: Space) -> Setting:  # noqa: ARG002
        return Setting(self.rate, "constant", 0.1)


def kept(toy: Customary, budget: ConfirmationBudget, *, is_trial: bool = True) -> Confirmation:
    """Confirm trials of low rates, of which the default had the highest loss in the search."""
    trials = [
        toy.trial(number, Setting(rate, "constant", 0.1))
        for number, rate in enumerate(np.geomspace(1e-3, 1e-2, 16))
    ]
    if is_trial:
        unlucky = toy.trial(16, toy.default_setting(SPACE))
        unlucky.user_attrs["replicate_losses"] = [4.0] * 3
        unlucky.value = 4.0
        trials.append(unlucky)
    return confirm(trials, SPACE, toy, fresh=itertools.count(3), budget=budget)  # type: ignore[arg-type]


NO_RACE = ConfirmationBudget(0, (1, 1), 1, FACTORS, 6)


def test_a_default_that_is_measured_better_is_recommended_with_a_profile_of_its_own() -> None:
    toy = Customary(0)
    confirmation = kept(toy, NO_RACE)
    first, beaten = confirmation.contenders

    assert first.setting == toy.default_setting(SPACE)
    assert (first.trial, first.status) == (16, "recommended")
    assert beaten.status == "contending"
    assert confirmation.keeps_default
    assert confirmation.gain == Estimate(0.0, 0.0)
    assert confirmation.default == confirmation.recommended
    assert confirmation.recommended.loss == pytest.approx(1.0, abs=0.6)
    assert confirmation.profile.rates[len(FACTORS) // 2] == toy.rate
    assert confirmation.safe_range_is_measured
    assert confirmation.tied_decays == ("constant",)


def test_the_profile_of_a_default_that_is_recommended_costs_no_more_than_the_winners() -> None:
    limit = 6 * (len(FACTORS) + 1)
    customary, other = (
        kept(Customary(0, rate), replace(NO_RACE, limit=limit)) for rate in (1.0, 0.0011)
    )

    assert (customary.keeps_default, other.keeps_default) == (True, False)
    assert customary.trainings == other.trainings == limit
    assert len(customary.profile.rates) == len(other.profile.rates) == len(FACTORS)


class Turning(Customary):
    """One whose default is bad in the first round of the race alone."""

    def train(
        self, settings: Sequence[Setting], replicates: Sequence[int], control: Control
    ) -> Iterator[list[Outcome]]:
        (outcomes,) = super().train(settings, replicates, control)
        worse = np.where(np.array(replicates) < 7, 3.0, 0.0)[:, np.newaxis]
        yield [
            replace(each, validation_curves=each.validation_curves + worse)
            if each.setting.is_like(self.default_setting(SPACE))
            else each
            for each in outcomes
        ]


def test_a_default_that_left_the_race_and_is_surely_better_after_it_has_its_own_profile() -> None:
    toy = Turning(0)
    confirmation = kept(toy, ConfirmationBudget.of(16 * 17))
    profile, middle = confirmation.profile, len(FACTORS) // 2

    assert confirmation.keeps_default
    assert confirmation.contenders[0].replicates == 4
    assert profile.rates == pytest.approx([toy.rate * factor for factor in FACTORS])
    assert profile.mean[middle] == confirmation.recommended.loss
    assert profile.mean[0] == pytest.approx(toy.truth(Setting(0.1, "constant", 0.1)), abs=0.6)
    assert np.isinf(profile.mean[-1]) or profile.mean[-1] > 5  # which does not learn


def test_a_better_default_outside_the_space_is_told_of_and_a_worse_one_is_not_kept() -> None:
    outside = kept(Customary(0), NO_RACE, is_trial=False)
    worse = kept(Customary(0, 0.0011), NO_RACE)

    assert not outside.keeps_default
    assert "keep it, or search ranges around it" in " ".join(advise(outside, SPACE, 100))
    assert not worse.keeps_default
    assert worse.gain.loss > 0


def raced_toy(toy: Noisy, trials: list[FrozenTrial], trainings: float = 4 * 64 * 3) -> Ranking:
    budget = ConfirmationBudget.of(trainings)
    judge = Judge(toy, SPACE, trials, budget, Control(), simplify=True)  # type: ignore[arg-type]
    return race(trials, itertools.count(3), budget, judge)


@pytest.mark.parametrize("decay_rate", [0.1, 0.9])
@pytest.mark.parametrize("trainings", [0, 4 * 64 * 3])
def test_the_default_races_however_late_in_the_search_it_came(
    trainings: float, decay_rate: float
) -> None:
    toy = Noisy(0)
    trials = [toy.trial(number) for number in range(64)]
    untuned = replace(UNTUNED, decay_rate=decay_rate)  # which has no effect
    late = raced_toy(Noisy(1), [*trials, toy.trial(64, untuned)], trainings).racers

    assert [racer.trial for racer in late].count(64) == 1
    assert len(late) == ConfirmationBudget.of(trainings).field[1]


def test_a_default_that_is_in_the_field_anyway_races_once() -> None:
    toy = Noisy(0)
    trials = [
        *(toy.trial(number) for number in range(5)),
        toy.trial(5, replace(UNTUNED, decay_rate=0.1)),
    ]
    racers = [racer.trial for racer in raced_toy(toy, trials).racers]

    assert sorted(racers) == list(range(6))


@pytest.mark.slow
def test_on_noisy_losses_a_race_chooses_better_than_the_search_and_less_at_random() -> None:
    searched, raced = [], []
    for seed in range(120):
        toy = Noisy(seed)
        trials = [toy.trial(number) for number in range(64)]
        best = min(trials, key=lambda trial: trial.value)
        lined_up = raced_toy(toy, trials)
        searched.append(toy.truth(SPACE.setting(best.params)) - 1)
        raced.append(toy.truth(lined_up.candidates[0].setting) - 1)

    assert np.mean(raced) < 0.75 * np.mean(searched)
    assert np.quantile(raced, 0.9) < 0.75 * np.quantile(searched, 0.9)
