"""The trainings of a confirmation: how many race, and how the winner is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.confirm.measurement import FACTORS

FIELD = (8, 32)
"""Fewest and most settings at the start of the race."""
ROUND = 4
"""Fresh replicates of a round of the race, after which settings may leave."""
MEASUREMENT_REPLICATES = (6, 20)
"""Fewest and most replicates of the winner's measurement."""
MIN_TRAININGS = 12
"""Fewest trainings of a search that confirms."""
RACE_SHARE, MEASUREMENT_SHARE = 0.25, 1 / 3
"""Shares of a search's limited trainings; the rest explores."""
SMALL_ROUND = 2
"""Replicates of a round where trainings are limited."""
SMALL_FIELD = 4
"""Settings in a race that can afford only one round."""
NEIGHBOURS = (FACTORS[2], 1.0, FACTORS[-3])
"""Factors of α₀ that are measured where trainings are limited."""
LEAST_REPLICATES = 4
"""Replicates below which no rates around the winner's are measured, but the winner on more."""
REPLICATES_BY_TRAININGS = ((300, 3), (96, 2))
"""Replicates of a setting from this many exploring trainings on; one below."""


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
        Multiples of the winner's α₀ that are measured, an odd number with 1 in the middle.
    measurement_replicates : int
    limit : float
        Most trainings in all.
    """

    race: float
    field: tuple[int, int]
    round: int
    factors: tuple[float, ...]
    measurement_replicates: int
    limit: float = math.inf

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
    """A number of trainings, split between exploration and confirmation."""

    n_trials: int
    replicates: int
    confirmation: ConfirmationBudget | None


def split_trainings(
    trainings: int,
    *,
    replicates: int | None = None,
    has_default: bool = False,
    confirm: bool = True,
) -> Split:
    """Split the trainings of a search, of which none are spent beyond their number.

    `replicates` is the number for each setting; None chooses it by the number of trainings.

    Raises
    ------
    InvalidInputError
        If there are too few trainings.

    Examples
    --------
    >>> split = split_trainings(32)
    >>> split.n_trials, split.replicates, split.confirmation.limit
    (14, 1, 18)
    """
    if confirm and trainings < MIN_TRAININGS:
        raise InvalidInputError(
            f"`trainings` must be at least {MIN_TRAININGS}, but got {trainings}: fewer cannot "
            "explore, choose and measure on seeds of their own; give more, or `confirm=False`"
        )
    budget = _small_confirmation(trainings, has_default=has_default) if confirm else None
    exploring = trainings - (0 if budget is None else int(budget.limit))
    if replicates is None:
        affordable = (n for least, n in REPLICATES_BY_TRAININGS if exploring >= least)
        replicates = next(affordable, 1)
    if exploring < 2 * replicates:
        raise InvalidInputError(
            f"`trainings` must be enough to try two settings, but {exploring} of {trainings} are "
            f"left to explore with {replicates} replicates each: give more `trainings`, or fewer "
            "`replicates`"
        )
    return Split(exploring // replicates, replicates, budget)


def confirmation_beside(exploring: int, *, has_default: bool) -> ConfirmationBudget:
    """Return the confirmation beside a number of exploring trainings."""
    trainings = math.ceil(exploring / (1 - RACE_SHARE - MEASUREMENT_SHARE))
    return _small_confirmation(max(trainings, MIN_TRAININGS), has_default=has_default)


def _small_confirmation(trainings: int, *, has_default: bool) -> ConfirmationBudget:
    """Return the confirmation's part of the trainings of a search."""
    race = int(RACE_SHARE * trainings)
    smallest = max(1, min(SMALL_FIELD, race // SMALL_ROUND))
    n_field = int(np.clip(race // (2 * SMALL_ROUND), smallest, FIELD[1]))
    per_round = n_field * SMALL_ROUND
    race = per_round * (race // per_round) if n_field > 1 else 0
    n_others = int(has_default)
    measuring = max(int(MEASUREMENT_SHARE * trainings), 2 * (1 + n_others))
    factors: tuple[float, ...] = (1.0,)
    for candidates, least in ((FACTORS, MEASUREMENT_REPLICATES[0]), (NEIGHBOURS, LEAST_REPLICATES)):
        if measuring // (len(candidates) + n_others) >= least:
            factors = candidates
            break
    replicates = min(measuring // (len(factors) + n_others), MEASUREMENT_REPLICATES[1])
    limit = race + replicates * (len(factors) + n_others)
    return ConfirmationBudget(race, (n_field, n_field), SMALL_ROUND, factors, replicates, limit)
