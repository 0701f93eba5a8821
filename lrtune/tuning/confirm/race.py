"""The race of the search's best settings on fresh replicates.

The best settings by the model of the losses train on a few fresh replicates at a time, and those
that are worse than the best leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from lrtune.tuning.confirm.budget import ConfirmationBudget
from lrtune.tuning.confirm.judge import APART, Judge, Racer
from lrtune.tuning.confirm.result import Contender
from lrtune.tuning.confirm.statistics import in_contention, settled, tied
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import complete_trials

Array = npt.NDArray[Any]

LEAST_RACED = 3
"""Losses of a setting in the race before it is compared with others by them alone."""
ERRORS = 1.0
"""Standard deviations of the model that are added to its mean: a setting must be surely good."""
MODEL_WEIGHT = 4
"""Weight of the model's bound, in losses of the race."""


@dataclass(frozen=True)
class Ranking:
    """All racers, and the candidates for recommendation among them, the best first."""

    racers: list[Racer]
    candidates: list[Racer]

    def without(self, racer: Racer, status: str) -> Ranking:
        racer.status = status
        return Ranking(self.racers, self.candidates[1:])

    def rest(self, trials: Sequence[FrozenTrial], ceiling: float) -> list[FrozenTrial]:
        """Return the trials that did not race: those up to a rate, or all if there are none."""
        raced = {racer.trial for racer in self.racers}
        rest = [trial for trial in complete_trials(trials) if trial.number not in raced]
        return [trial for trial in rest if trial.params["learning_rate_init"] <= ceiling] or rest

    def up_to(self, ceiling: float, trials: Sequence[FrozenTrial]) -> Ranking:
        """Return the ranking with the candidates up to a rate first, and without dead ones.

        There are no candidates if only trials that did not race are up to that rate.
        """
        alive = [racer for racer in self.candidates if racer.status != "dead"]
        alive.sort(key=lambda racer: racer.rate > ceiling)
        rest = self.rest(trials, ceiling)
        if rest and rest[0].params["learning_rate_init"] <= ceiling:
            alive = [racer for racer in alive if racer.rate <= ceiling]
        return Ranking(self.racers, alive)

    def led_by(self, racer: Racer) -> Ranking:
        """Return the ranking with a racer first, which others tied with the winner are not with."""
        if racer is not self.candidates[0] and racer.status != "tied":
            for each in self.candidates:
                each.status = "contending" if each.status == "tied" else each.status
        racers = self.racers if racer in self.racers else [*self.racers, racer]
        return Ranking(racers, [racer, *(each for each in self.candidates if each is not racer)])

    def default(self, trials: Sequence[FrozenTrial], judge: Judge) -> Racer | None:
        """Return the untuned setting, in the race or not; None unless it is a trial and learned."""
        untuned = judge.trainer.default_setting(judge.space)
        if untuned is None:
            return None
        for racer in self.racers:
            if racer.setting.is_like(untuned):
                return None if racer.status in ("dead", "diverged") else racer
        for trial in complete_trials(trials):
            if judge.space.setting(trial.params).is_like(untuned):
                return None if _died(trial, judge) else Racer.of(trial, judge.space)
        return None

    def followed_by(self, other: Ranking) -> Ranking:
        return Ranking([*self.racers, *other.racers], other.candidates)

    def contenders(self) -> tuple[Contender, ...]:
        self.candidates[0].status = "recommended"
        rest = [racer for racer in self.racers if racer not in self.candidates]
        return tuple(racer.result() for racer in [*self.candidates, *rest])

    def tied_decays(self) -> tuple[str, ...]:
        tied = [racer for racer in self.candidates[1:] if racer.status == "tied"]
        return tuple(dict.fromkeys(r.setting.decay for r in [self.candidates[0], *tied]))


def race(
    trials: Sequence[FrozenTrial],
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: Judge,
) -> Ranking:
    """Train ever fewer settings on fresh replicates, and rank them.

    The untuned default races too if it is among the trials.
    """
    best_first = _best_first(trials, judge)
    fewest, most = budget.field
    n_field = min(most, max(fewest, len(best_first) // 2))
    default = judge.trainer.default_setting(judge.space)
    late = best_first[n_field:] if n_field > 1 else []
    for place, trial in enumerate(late, start=n_field):
        if default is not None and judge.space.setting(trial.params).is_like(default):
            best_first.insert(n_field - 1, best_first.pop(place))
            break
    racers: list[Racer] = []
    running: list[Racer] = []
    spent = 0
    while not running and best_first:  # again only if the whole field diverges or dies
        field_trials, best_first = best_first[:n_field], best_first[n_field:]
        is_over = not budget.race
        if judge.leaves_too_few(len(field_trials) * budget.round):
            field_trials, is_over = field_trials[:1], True
        running = [Racer.of(trial, judge.space) for trial in field_trials]
        racers += running
        lowest = min(racer.rate for racer in racers)
        best_first.sort(key=lambda trial: trial.params["learning_rate_init"] >= lowest)
        while not is_over:
            replicates = list(islice(fresh, budget.round))
            spent += len(running) * budget.round
            running = _round(running, replicates, judge)
            next_round = spent + len(running) * budget.round
            is_over = len(running) <= 1 or next_round > budget.race or _is_settled(running, judge)
            n_next = len(running) * budget.round + budget.measurement(default is not None)
            is_over = is_over or not judge.clock.allows(n_next)
    return Ranking(racers, _rank(racers, running, judge))


def _best_first(trials: Sequence[FrozenTrial], judge: Judge) -> list[FrozenTrial]:
    """Return the completed trials by the model's bound, those that did not learn last.

    Of trials with about the same curve, the best comes first, and the others after all that differ.
    """
    complete = complete_trials(trials)
    if not complete:
        return []
    bounds = judge.model().predict([trial.params for trial in complete]).bound(ERRORS)
    died = [_died(trial, judge) for trial in complete]
    points = judge.encoder.features([trial.params for trial in complete]).points
    order = sorted(range(len(complete)), key=lambda i: (died[i], bounds[i], complete[i].number))
    apart: list[int] = []
    for index in order:
        if all(np.abs(points[index] - points[each]).max() > APART for each in apart):
            apart.append(index)
    chosen = set(apart)
    return [complete[index] for index in [*apart, *(i for i in order if i not in chosen)]]


def _died(trial: FrozenTrial, judge: Judge) -> bool:
    return bool(judge.died(np.array(TrialFacts.of(trial).replicate_losses)).any())


def _round(running: list[Racer], replicates: list[int], judge: Judge) -> list[Racer]:
    """Train one round; return the racers that are in contention after it.

    None is judged worse before it has `LEAST_RACED` losses.
    """
    values, dead = judge.race(running, replicates)
    for racer, losses, died in zip(running, values.tolist(), dead, strict=True):
        racer.losses += losses
        racer.replicates += replicates
        if not all(map(math.isfinite, losses)):
            racer.status = "diverged"
        elif died.any():
            racer.status = "dead"
    running = [racer for racer in running if racer.status == "contending"]
    if len(running) < 2 or len(running[0].losses) < LEAST_RACED:
        return running
    for racer, stays in zip(running, in_contention(_losses(running)), strict=True):
        if not stays:
            racer.status = "worse"
    return [racer for racer in running if racer.status == "contending"]


def _is_settled(running: list[Racer], judge: Judge) -> bool:
    return len(running[0].losses) >= LEAST_RACED and settled(_losses(running), judge.ideal)


def _losses(racers: Sequence[Racer]) -> Array:
    return np.array([racer.losses for racer in racers])


def _rank(racers: list[Racer], running: list[Racer], judge: Judge) -> list[Racer]:
    """Rank the racers: tied ones first, of them the simplest and furthest from the edge.

    The others are ranked by a mean of the model's bound, which knows the search's losses and those
    of the race, and of their own losses in the race; the more of these, the more they weigh.
    """
    if len(running) > 1 and len(running[0].losses) >= LEAST_RACED:
        for racer, is_tied in zip(running, tied(_losses(running), judge.ideal), strict=True):
            racer.status = "tied" if is_tied else "contending"
    if not racers:
        return []
    model = judge.model()
    bounds = model.predict([racer.params for racer in racers]).bound(ERRORS)
    estimates = {}
    for racer, bound in zip(racers, bounds.tolist(), strict=True):
        n = 0 if racer.status == "diverged" else len(racer.losses)
        own = float(model.scale.to(np.array(np.mean(racer.losses)))) if n else 0.0
        estimates[racer.trial] = (n * own + MODEL_WEIGHT * bound) / (n + MODEL_WEIGHT)

    def key(racer: Racer) -> tuple[Any, ...]:
        if racer.status == "tied":
            return (0, racer.setting.decay != "constant", racer.setting.learning_rate_init)
        return (2 if racer.status == "dead" else 1, racer.status == "worse", estimates[racer.trial])

    return sorted((racer for racer in racers if racer.status != "diverged"), key=key)
