"""The race of the search's best settings on fresh replicates, and the winner's measurement.

The better half of the settings trains on fresh replicates, a few at a time, and settings that are
worse than the best leave (`_race`). Then the winner trains on replicates that were not used to
choose it, beside rates around its own and the untuned default (`_measure`), which gives the loss
that is reported.
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
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome, Trainer

Array = npt.NDArray[Any]

FIELD = (8, 32)
"""Fewest and most settings at the start of the race."""
ROUND = 4
"""Fresh replicates of a round of the race, after which settings may leave."""
MEASUREMENT_REPLICATES = (6, 20)
"""Fewest and most replicates of the winner's measurement."""


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
class ConfirmationBudget:
    """Trainings of a confirmation: two thirds for the race, a third for the measurement."""

    trainings: float

    @property
    def race(self) -> float:
        """Return the number of trainings for the race."""
        return self.trainings * 2 / 3

    @property
    def field(self) -> int:
        """Return the number of settings at the start: as many as can afford two rounds."""
        return int(np.clip(self.race // (2 * ROUND), *FIELD))

    @property
    def measurement_replicates(self) -> int:
        """Return the number of replicates for the measurement."""
        affordable = round(self.trainings / 3 / (len(FACTORS) + 1))
        return int(np.clip(affordable, *MEASUREMENT_REPLICATES))


def confirm(
    trials: Sequence[FrozenTrial],
    space: Space,
    trainer: Trainer,
    *,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    baseline: Setting | None = None,
) -> Confirmation:
    """Choose one of the search's best settings on fresh replicates, and measure it.

    At least one of `trials` is complete. `fresh` yields numbers of replicates that the search did
    not use; `baseline` is a further setting to measure, such as a learning-rate-free optimizer.

    Raises
    ------
    NothingCompletedError
        If every setting diverges on a fresh replicate.
    """
    default = trainer.default_setting(space)
    judge = _Judge(trainer)
    ranking = _race(trials, space, default, fresh, budget, judge)
    measured = None
    while measured is None:
        if not ranking.candidates:  # all candidates diverged in the measurement
            raced = {racer.trial for racer in ranking.racers}
            rest = [trial for trial in trials if trial.number not in raced]
            ranking = ranking.followed_by(_race(rest, space, default, fresh, budget, judge))
        if not ranking.candidates:
            raise NothingCompletedError(
                "every setting that completed in the search diverged on fresh replicates: search "
                "lower rates (`learning_rate_init=(LOW, HIGH)`), or judge each setting on more "
                "replicates"
            )
        winner = ranking.candidates[0]
        replicates = list(islice(fresh, budget.measurement_replicates))
        measured = _measure(winner.setting, default, baseline, replicates, judge)
        if measured is None:
            ranking = ranking.without(winner)
    searched = sum(TrialFacts.of(trial).epochs for trial in trials)
    return Confirmation(
        contenders=ranking.contenders(),
        tied_decays=ranking.tied_decays(),
        replicates=len(replicates),
        epochs=round(judge.epochs, 2),
        share=round(judge.epochs / searched, 3),
        **measured,
    )


class _Judge:
    """Trains settings and counts the epochs."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.epochs = 0.0

    def outcomes(
        self, settings: Sequence[Setting], replicates: Sequence[int], *, metrics: bool = False
    ) -> list[Outcome]:
        outcomes = self.trainer.train(settings, replicates, metrics=metrics)
        self.epochs += sum(outcome.epochs for outcome in outcomes)
        return outcomes

    def values(self, settings: Sequence[Setting], replicates: Sequence[int]) -> Array:
        """Return losses, or minus the metric, of shape (K, n); inf where a setting diverged."""
        outcomes = self.outcomes(settings, replicates, metrics=True)
        metric = self.trainer.metric
        return np.array([outcome.values(len(replicates), metric) for outcome in outcomes])


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
    """All racers, and the candidates for recommendation among them, the best first."""

    racers: list[_Racer]
    candidates: list[_Racer]

    def without(self, racer: _Racer) -> _Ranking:
        racer.status = "diverged"
        return _Ranking(self.racers, self.candidates[1:])

    def followed_by(self, other: _Ranking) -> _Ranking:
        return _Ranking([*self.racers, *other.racers], other.candidates)

    def contenders(self) -> tuple[Contender, ...]:
        self.candidates[0].status = "recommended"
        rest = [racer for racer in self.racers if racer not in self.candidates]
        return tuple(racer.result() for racer in [*self.candidates, *rest])

    def tied_decays(self) -> tuple[str, ...]:
        tied = [racer for racer in self.candidates[1:] if racer.status == "tied"]
        return tuple(dict.fromkeys(r.setting.decay for r in [self.candidates[0], *tied]))


def _race(
    trials: Sequence[FrozenTrial],
    space: Space,
    default: Setting,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: _Judge,
) -> _Ranking:
    """Train ever fewer settings on fresh replicates, and rank them.

    The untuned default races too if it is among the trials.
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
    while not running and best_first:  # again only if the whole field diverges
        field_trials, best_first = best_first[:n_field], best_first[n_field:]
        running = [_Racer(t.number, space.setting(t.params), float(t.value)) for t in field_trials]  # type: ignore[arg-type]
        racers += running
        is_over = False
        while not is_over:
            replicates = list(islice(fresh, ROUND))
            spent += len(running) * ROUND
            running = _round(running, replicates, judge)
            next_round = spent + len(running) * ROUND
            is_over = len(running) <= 1 or next_round > budget.race or settled(_losses(running))
    return _Ranking(racers, _rank(racers, running))


def _round(running: list[_Racer], replicates: list[int], judge: _Judge) -> list[_Racer]:
    """Train one round; return the racers that are in contention after it."""
    values = judge.values([racer.setting for racer in running], replicates)
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
    """Rank the racers: tied ones first, of them the simplest and furthest from the edge."""
    if len(running) > 1:
        for racer, is_tied in zip(running, tied(_losses(running)), strict=True):
            racer.status = "tied" if is_tied else "contending"

    def key(racer: _Racer) -> tuple[Any, ...]:
        if racer.status == "tied":
            return (0, racer.setting.decay != "constant", racer.setting.learning_rate_init)
        return (1, racer.status == "worse", float(np.mean(racer.losses)))

    return sorted((racer for racer in racers if racer.status != "diverged"), key=key)


def _measure(
    winner: Setting,
    default: Setting,
    baseline: Setting | None,
    replicates: Sequence[int],
    judge: _Judge,
) -> dict[str, Any] | None:
    """Measure the winner, its profile, the default and the baseline; None if it diverges."""
    trainer = judge.trainer
    settings = [*around(winner, trainer.floor(winner)), default]
    settings += [] if baseline is None else [baseline]
    outcomes = judge.outcomes(settings, replicates)
    losses = np.array([outcome.values(len(replicates)) for outcome in outcomes])
    n_rates, middle = len(FACTORS), len(FACTORS) // 2
    scores = outcomes[middle].scores
    if scores is None:
        return None
    rates = [setting.learning_rate_init for setting in settings[:n_rates]]
    return {
        "recommended": Estimate.of(losses[middle]),
        "default": Estimate.of(losses[n_rates]),
        "gain": Estimate.of(losses[n_rates] - losses[middle]),
        "score": float(np.mean(scores)),
        "profile": Profile.of(rates, losses[:n_rates], trainer.initial_loss(replicates)),
        "naive_loss": trainer.naive_loss(replicates),
        "baseline": None if baseline is None else Estimate.of(losses[-1]),
    }
