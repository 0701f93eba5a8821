"""The contest: the search's best settings meet fresh replicates before one is recommended.

First a race (`_race`): the better half of the settings trains on fresh replicates, a few at a time,
and whoever is worse than the leader leaves. Then the recommended setting trains once more, on
replicates that had no part in choosing it, beside rates around its own and beside the untuned
default: what is reported of it is measured there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.confirm.measurement import FACTORS, Profile, around
from lrtune.tuning.confirm.result import Confirmation, Contender, Estimate
from lrtune.tuning.confirm.statistics import in_contention, settled, tied
from lrtune.tuning.record.trials import EPOCHS, complete_trials
from lrtune.tuning.space import Setting, Space
from lrtune.tuning.trainers.judging import Outcome, final_values, judge
from lrtune.tuning.trainers.network import Prepared
from lrtune.tuning.trainers.scoring import Objective

__all__ = [
    "Budget",
    "FIELD",
    "PROFILE_REPLICATES",
    "ROUND",
    "confirm",
    "share_of_search",
]

Array = npt.NDArray[Any]

FIELD = (8, 32)
"""Fewest and most settings that the race begins with."""
ROUND = 4
"""Fresh replicates between two decisions of the race."""
PROFILE_REPLICATES = (6, 20)
"""Fewest and most replicates that the recommended setting is measured on."""


def share_of_search(n_validation: int) -> float:
    """What confirmation may cost, as a share of the search's full cost.

    The fewer rows a replicate validates with, the less it says, and the cheaper it is.

    Parameters
    ----------
    n_validation : int
        Validation rows of a replicate.

    Examples
    --------
    >>> [round(share_of_search(n), 2) for n in (38, 143, 500)]
    [3.95, 1.05, 0.5]
    """
    return float(np.clip(150 / n_validation, 0.5, 4.0))


@dataclass(frozen=True)
class Budget:
    """Trainings that confirmation may spend: two thirds on the race, one on the measurement."""

    trainings: float

    @property
    def race(self) -> float:
        """Trainings for the race."""
        return self.trainings * 2 / 3

    @property
    def field(self) -> int:
        """Settings to begin the race with: so many that two rounds can be paid for."""
        return int(np.clip(self.race // (2 * ROUND), *FIELD))

    @property
    def profile_replicates(self) -> int:
        """Replicates to measure the recommended setting on."""
        affordable = round(self.trainings / 3 / (len(FACTORS) + 1))
        return int(np.clip(affordable, *PROFILE_REPLICATES))


def confirm(
    trials: Sequence[FrozenTrial],
    space: Space,
    fresh: Iterator[Prepared],
    *,
    budget: Budget,
    default: Setting,
    baseline: Setting | None = None,
    objective: Objective | None = None,
    n_jobs: int | None = None,
) -> Confirmation:
    """Choose among the search's best settings on fresh replicates, and measure the chosen one.

    Parameters
    ----------
    trials : sequence of FrozenTrial
        The search's, with at least one complete.
    space : Space
    fresh : iterator of Prepared
        Replicates that the search has not seen, as many as are asked for.
    budget : Budget
    default : Setting
        The untuned one, measured beside the recommended one.
    baseline : Setting, optional
        Another one to measure, such as a learning-rate-free optimizer.
    objective : Objective, optional
        What is optimised, by default the validation loss.
    n_jobs : int, optional
        Processes that train.

    Raises
    ------
    NothingCompletedError
        If whatever is tried diverges on a fresh replicate.
    """
    trainer = _Trainer(objective, n_jobs)
    lined_up = _race(trials, space, default, fresh, budget, trainer)
    measured = None
    while measured is None:
        if not lined_up.ranking:  # whoever could be recommended diverged as it was measured
            met = {racer.trial for racer in lined_up.racers}
            rest = [trial for trial in trials if trial.number not in met]
            lined_up = lined_up.followed_by(_race(rest, space, default, fresh, budget, trainer))
        if not lined_up.ranking:
            raise NothingCompletedError(
                "every setting that completed in the search diverged on fresh replicates: search "
                "lower rates (--alpha0 LOW:HIGH, learning_rate_init of the space), or judge each "
                "setting on more replicates"
            )
        chosen = lined_up.ranking[0]
        replicates = list(islice(fresh, budget.profile_replicates))
        measured = _measure(chosen.setting, default, baseline, replicates, trainer)
        if measured is None:
            lined_up = lined_up.without(chosen)
    searched = sum(trial.user_attrs[EPOCHS] for trial in trials)
    return Confirmation(
        contenders=lined_up.contenders(),
        tied_decays=lined_up.tied_decays(),
        replicates=len(replicates),
        epochs=round(trainer.epochs, 2),
        share=round(trainer.epochs / searched, 3),
        **measured,
    )


class _Trainer:
    """Trains settings and keeps count of the epochs."""

    def __init__(self, objective: Objective | None, n_jobs: int | None) -> None:
        self.objective = objective
        self.n_jobs = n_jobs
        self.epochs = 0.0

    def outcomes(
        self, replicates: Sequence[Prepared], settings: Sequence[Setting], *, score: bool = False
    ) -> list[Outcome]:
        scorers = self.objective.scorers if self.objective is not None and score else None
        outcomes = judge(replicates, settings, scorers=scorers, n_jobs=self.n_jobs)
        self.epochs += sum(outcome.epochs for outcome in outcomes)
        return outcomes

    def values(self, replicates: Sequence[Prepared], settings: Sequence[Setting]) -> Array:
        """What counts, ``(K, n)``; inf where a setting diverged or the metric has no number."""
        metric = None if self.objective is None else self.objective.metric
        outcomes = self.outcomes(replicates, settings, score=True)
        return np.array([final_values(outcome, len(replicates), metric) for outcome in outcomes])


@dataclass
class _Racer:
    trial: int
    setting: Setting
    search_loss: float
    status: str = "contending"
    losses: list[float] = field(default_factory=list)

    def result(self) -> Contender:
        loss = None if self.status == "diverged" else float(np.mean(self.losses))
        n = len(self.losses)
        return Contender(self.trial, self.setting, self.search_loss, loss, n, self.status)


@dataclass(frozen=True)
class _Ranking:
    """All racers; of them those that can be recommended, best first."""

    racers: list[_Racer]
    ranking: list[_Racer]

    def without(self, racer: _Racer) -> _Ranking:
        racer.status = "diverged"
        return _Ranking(self.racers, self.ranking[1:])

    def followed_by(self, other: _Ranking) -> _Ranking:
        return _Ranking([*self.racers, *other.racers], other.ranking)

    def contenders(self) -> tuple[Contender, ...]:
        self.ranking[0].status = "recommended"
        rest = [racer for racer in self.racers if racer not in self.ranking]
        return tuple(racer.result() for racer in [*self.ranking, *rest])

    def tied_decays(self) -> tuple[str, ...]:
        tied = [racer for racer in self.ranking[1:] if racer.status == "tied"]
        return tuple(dict.fromkeys(r.setting.decay for r in [self.ranking[0], *tied]))


def _race(
    trials: Sequence[FrozenTrial],
    space: Space,
    default: Setting,
    fresh: Iterator[Prepared],
    budget: Budget,
    trainer: _Trainer,
) -> _Ranking:
    """Train settings on fresh replicates, fewer and fewer of them, and rank them.

    The untuned default races too, if it was among the trials.
    """
    best_first = sorted(complete_trials(trials), key=lambda trial: (trial.value, trial.number))
    racers: list[_Racer] = []
    running: list[_Racer] = []
    n_field = min(budget.field, max(FIELD[0], len(best_first) // 2))
    for place, trial in enumerate(best_first[n_field:], start=n_field):
        if space.setting(trial.params).is_like(default):
            best_first.insert(n_field - 1, best_first.pop(place))
            break
    spent = 0
    while not running and best_first:  # more than once only if a whole field diverges
        entering, best_first = best_first[:n_field], best_first[n_field:]
        running = [_Racer(t.number, space.setting(t.params), float(t.value)) for t in entering]  # type: ignore[arg-type]
        racers += running
        decided = False
        while not decided:
            replicates = list(islice(fresh, ROUND))
            spent += len(running) * ROUND
            running = _round(running, replicates, trainer)
            next_round = spent + len(running) * ROUND
            decided = len(running) <= 1 or next_round > budget.race or settled(_losses(running))
    return _Ranking(racers, _rank(racers, running))


def _round(running: list[_Racer], replicates: list[Prepared], trainer: _Trainer) -> list[_Racer]:
    """One round; the racers that are still in contention after it."""
    values = trainer.values(replicates, [racer.setting for racer in running])
    for racer, losses in zip(running, values.tolist(), strict=True):
        racer.losses += losses
        if not all(map(math.isfinite, losses)):
            racer.status = "diverged"
    running = [racer for racer in running if racer.status == "contending"]
    if len(running) < 2:
        return running
    for racer, stays in zip(running, in_contention(_losses(running)), strict=True):
        if not stays:
            racer.status = "worse"
    return [racer for racer in running if racer.status == "contending"]


def _losses(racers: Sequence[_Racer]) -> Array:
    return np.array([racer.losses for racer in racers])


def _rank(racers: list[_Racer], running: list[_Racer]) -> list[_Racer]:
    """Those tied with the best first, among them the simplest and the furthest from the edge."""
    if len(running) > 1:
        for racer, is_tied in zip(running, tied(_losses(running)), strict=True):
            racer.status = "tied" if is_tied else "contending"

    def key(racer: _Racer) -> tuple[Any, ...]:
        if racer.status == "tied":
            return (0, racer.setting.decay != "constant", racer.setting.learning_rate_init)
        return (1, racer.status == "worse", float(np.mean(racer.losses)))

    return sorted((racer for racer in racers if racer.status != "diverged"), key=key)


def _measure(
    chosen: Setting,
    default: Setting,
    baseline: Setting | None,
    replicates: Sequence[Prepared],
    trainer: _Trainer,
) -> dict[str, Any] | None:
    """Measure the chosen setting and those beside it; None if it diverges."""
    floor = replicates[0].configured(chosen.others).model.min_learning_rate
    settings = [*around(chosen, floor), default, *([] if baseline is None else [baseline])]
    outcomes = trainer.outcomes(replicates, settings)
    losses = np.array([final_values(outcome, len(replicates)) for outcome in outcomes])
    n_rates, middle = len(FACTORS), len(FACTORS) // 2
    scores = outcomes[middle].scores
    if scores is None:
        return None
    initial = float(np.mean([replicate.initial_loss for replicate in replicates]))
    rates = [setting.learning_rate_init for setting in settings[:n_rates]]
    return {
        "recommended": Estimate.of(losses[middle]),
        "default": Estimate.of(losses[n_rates]),
        "gain": Estimate.of(losses[n_rates] - losses[middle]),
        "score": float(np.mean(scores)),
        "profile": Profile.of(rates, losses[:n_rates], initial),
        "naive_loss": float(np.mean([replicate.naive_loss for replicate in replicates])),
        "baseline": None if baseline is None else Estimate.of(losses[-1]),
    }
