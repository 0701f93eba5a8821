"""The trainings of a confirmation: how many race, and how the winner is measured."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import numpy as np

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.confirm.clock import Clock
from lrtune.tuning.confirm.measurement import FACTORS

FIELD = (8, 32)
"""Fewest and most settings at the start of the race."""
ROUND = 4
"""Fresh replicates of a round of the race, after which settings may leave."""
MEASUREMENT_REPLICATES = (6, 20)
"""Fewest and most replicates of the winner's measurement."""
MIN_TRAININGS = 12
"""Fewest trainings of a search that confirms."""
RACE_SHARE = 0.35
"""Share of a search's limited trainings, less those of the measurement, that race."""
RACERS = (4, 16)
"""Fewest and most settings in such a race."""
TRAININGS_PER_RACER = 12
"""Trainings of a race for each setting at its start, from `RACERS`' fewest on."""
MEASURED_RATES = ((FACTORS, 6, 1 / 3), ((), 5, 1 / 4), ((1.0,), 2, 1 / 3))
"""Ways to measure: the multiples of the rate, the fewest replicates, and the share of the trainings
that is at most spent on it. The first that can be paid for is taken; `()` are the ends of the safe
range that the model predicts, and the rate itself."""
WINNER_SHARE = 1 / 8
"""Trainings of the winner, where it is measured without other rates, as a share of all."""


@dataclass(frozen=True)
class ConfirmationBudget:
    """Trainings of a confirmation.

    Attributes
    ----------
    race : float
        Trainings after which no further round of the race begins; 0 for no race.
    field : tuple of int
        Fewest and most settings at its start; half of the completed trials, between these.
    round : int
        Replicates of a round.
    factors : tuple of float
        Multiples of the winner's α₀ that are measured, an odd number with 1 in the middle; empty
        for the ends of the safe range that the model predicts, and 1.
    measurement_replicates : int
    limit : float
        Most trainings in all.
    clock : Clock
        By which no trainings begin that would not end in time.
    """

    race: float
    field: tuple[int, int]
    round: int
    factors: tuple[float, ...]
    measurement_replicates: int
    limit: float = math.inf
    clock: Clock = dataclasses.field(default_factory=Clock, compare=False)

    def trainings(self, n_others: int) -> float:
        """Return about how many trainings it takes, with other settings beside the winner."""
        race = max(self.race, self.field[1] * self.round) if self.race else 0
        return min(self.limit, race + self.measurement(n_others))

    def measurement(self, n_others: int) -> int:
        """Return the trainings of the measurement, with other settings beside the winner."""
        return (self.n_rates + n_others) * self.measurement_replicates

    @property
    def n_rates(self) -> int:
        """Return how many rates are measured."""
        return len(self.factors) or 3

    @classmethod
    def of(cls, trainings: float) -> Self:
        """Return a budget of about so many trainings: two thirds race, a third measures."""
        race = trainings * 2 / 3
        largest = int(np.clip(race // (2 * ROUND), *FIELD))  # as many as can afford two rounds
        replicates = round(trainings / 3 / (len(FACTORS) + 1))
        return cls(
            race,
            (min(FIELD[0], largest), largest),
            ROUND,
            FACTORS,
            int(np.clip(replicates, *MEASUREMENT_REPLICATES)),
        )


def share_of_search(n_validation: int) -> float:
    """Return the budget of a confirmation as a share of the search's full cost.

    The fewer validation rows a replicate has, the noisier its loss, and the cheaper its training.

    Examples
    --------
    >>> [round(share_of_search(n), 2) for n in (38, 143, 500)]
    [3.95, 1.05, 0.5]
    """
    return float(np.clip(150 / n_validation, 0.5, 4.0))


@dataclass(frozen=True)
class Split:
    """A number of trainings, split between exploration and confirmation.

    `replicates` are those of each setting; None for a fresh one in each block.
    """

    n_trials: int
    replicates: int | None
    confirmation: ConfirmationBudget | None


def split_budget(
    trainings: int | None,
    n_trials: int | None,
    replicates: int | None,
    *,
    n_others: int,
    confirm: bool,
) -> Split:
    """Return the trials, replicates and confirmation of a number of trainings, or of trials.

    `n_others` are the settings that are measured beside the winner: the default, a baseline.
    """
    for name, value in (
        ("trainings", trainings),
        ("n_trials", n_trials),
        ("replicates", replicates),
    ):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, Integral) or value < 1
        ):
            raise InvalidInputError(
                f"`{name}` must be a whole number of at least 1, but got {value!r}"
            )
    if n_trials is None:
        assert trainings is not None  # noqa: S101
        return split_trainings(
            trainings,
            replicates=replicates,
            n_others=n_others,
            confirm=confirm,
        )
    if trainings is not None:
        raise InvalidInputError(
            f"`trainings` and `n_trials` each set the budget, but got {trainings} and {n_trials}: "
            "leave out one of them"
        )
    budget = confirmation_beside(n_trials * (replicates or 1), n_others=n_others)
    return Split(n_trials, replicates, budget if confirm else None)


def split_trainings(
    trainings: int,
    *,
    replicates: int | None = None,
    n_others: int = 0,
    confirm: bool = True,
) -> Split:
    """Split the trainings of a search, of which none are spent beyond their number.

    Raises
    ------
    InvalidInputError
        If there are too few trainings.

    Examples
    --------
    >>> split = split_trainings(48)
    >>> split.n_trials, split.confirmation.race, split.confirmation.measurement_replicates
    (30, 12, 6)
    """
    if confirm and trainings < MIN_TRAININGS:
        raise InvalidInputError(
            f"`trainings` must be at least {MIN_TRAININGS}, but got {trainings}: fewer cannot "
            "explore, choose and measure on seeds of their own; give more, or `confirm=False`"
        )
    budget = _small_confirmation(trainings, n_others=n_others) if confirm else None
    exploring = trainings - (0 if budget is None else int(budget.limit))
    each = replicates or 1
    if exploring < 2 * each:
        raise InvalidInputError(
            f"`trainings` must be enough to try two settings, but {exploring} of {trainings} are "
            f"left to explore with {each} replicates each: give more `trainings`, or fewer "
            "`replicates`"
        )
    return Split(exploring // each, replicates, budget)


def confirmation_beside(exploring: int, *, n_others: int) -> ConfirmationBudget:
    """Return the confirmation beside a number of exploring trainings."""
    trainings, explored = MIN_TRAININGS, 0
    while explored < exploring:
        trainings += max(1, (exploring - explored) // 4) if explored else 0
        explored = split_trainings(trainings, n_others=n_others).n_trials
    return _small_confirmation(trainings, n_others=n_others)


def confirmation_within(limit: float, *, n_others: int) -> ConfirmationBudget:
    """Return the largest confirmation of at most so many trainings, or the least there is.

    Examples
    --------
    >>> [confirmation_within(limit, n_others=1).limit for limit in (0, 20, 200)]
    [4, 18, 194]
    """
    most = int(limit / RACE_SHARE) + MIN_TRAININGS
    for trainings in range(most, MIN_TRAININGS - 1, -1):
        budget = _small_confirmation(trainings, n_others=n_others)
        if budget.limit <= limit:
            break
    return budget


def _small_confirmation(trainings: int, *, n_others: int) -> ConfirmationBudget:
    """Return the confirmation's part of the trainings of a search."""
    for factors, least, share in MEASURED_RATES:
        n_settings = (len(factors) or 3) + n_others
        replicates = int(share * trainings) // n_settings
        if replicates >= least:
            break
    if len(factors) == 1:
        replicates = min(replicates, max(least, int(WINNER_SHARE * trainings)))
    replicates = max(least, min(replicates, MEASUREMENT_REPLICATES[1]))
    race = int(RACE_SHARE * (trainings - replicates * n_settings))
    n_field = min(RACERS[0], race // 2)
    if race >= RACERS[0] * TRAININGS_PER_RACER:
        n_field = min(RACERS[1], race // TRAININGS_PER_RACER)
    race = n_field * (race // n_field) if n_field > 1 else 0
    limit = race + replicates * n_settings
    return ConfirmationBudget(race, (n_field, n_field), 1, factors, replicates, limit)
