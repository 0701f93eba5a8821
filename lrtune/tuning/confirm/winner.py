"""The winner's measurement, on replicates that were not used to choose it.

It trains beside rates around its own and the untuned default, which gives the loss that is
reported, the gain over the default, and the safe range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.tuning.confirm.budget import MEASUREMENT_REPLICATES, ConfirmationBudget
from lrtune.tuning.confirm.errors import Sample
from lrtune.tuning.confirm.judge import LEAST_MEASURED, TOO_LATE, Judge, Racer, UnconfirmedError
from lrtune.tuning.confirm.measurement import NEXT_FACTOR, Profile, around, safe_factors
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome
from lrtune.tuning.trainers.replicates import Folds
from lrtune.tuning.trainers.scale import LossScale

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """The part of a `Confirmation` that is measured, and the highest rate that always learned."""

    facts: dict[str, Any]
    ceiling: float

    @property
    def dead(self) -> int:
        return int(self.facts["dead"])

    @property
    def dead_share(self) -> float:
        return float(self.dead / self.facts["replicates"])


def measure(
    winner: Racer,
    baseline: Setting | None,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: Judge,
) -> Measured | None:
    """Measure the winner, its profile, the default and the baseline; None if it diverges.

    What is measured is the metric if there is one, and the losses beside it.
    """
    if judge.simplify:
        winner.simplify(judge.encoder, judge.space)
    trainer, objective = judge.trainer, judge.trainer.objective
    others = {"default": trainer.default_setting(judge.space), "baseline": baseline}
    beside = {name: setting for name, setting in others.items() if setting is not None}
    low, high = safe_factors(judge.model(), winner.params, judge.ideal)
    factors, n_replicates = _affordable(budget, len(beside), judge)
    factors = factors or (min(low, 1 / NEXT_FACTOR), 1.0, max(high, NEXT_FACTOR))
    rates = around(winner.setting, trainer.floor(winner.setting), factors)
    trained = _Trained(judge, rates, beside)
    for part in judge.parts(_take(fresh, n_replicates, trainer.folds)):
        if not trained.add(part):
            break
    if trained.diverged:
        return None
    scale, ceiling = LossScale.mean(trained.scales), judge.ceiling(winner.params)
    facts = _estimates(trained, winner, trainer.folds)
    if objective is not None:
        folds, losses = trainer.folds, trained.losses
        default = trained.sample(losses, "default")
        facts["metric"] = objective.name
        facts["loss"] = Estimate.of(trained.own(losses), folds=folds)
        facts["default_loss"] = None if default is None else Estimate.of(default, folds=folds)
    facts["score"] = float(np.mean(np.concatenate(trained.scores))) if trained.scores else None
    fixed = trainer.folds if trainer.folds is not None and trainer.folds.is_fixed else None
    facts["profile"] = Profile.of(
        [setting.learning_rate_init for setting in trained.rates],
        trained.values[: len(trained.rates)],
        scale.initial if objective is None else math.inf,
        ceiling=ceiling,
        ideal=judge.ideal,
        fixed=fixed,
    )
    highest = max(winner.rate, min(winner.rate * high, ceiling / NEXT_FACTOR))
    facts["predicted_range"] = (winner.rate * low, highest) if low < high else None
    facts["naive_loss"] = scale.naive
    facts["replicates"] = len(trained.replicates)
    facts["dead"] = trained.dead
    facts["fixed_splits"] = None if fixed is None else fixed.count
    return Measured(facts, trained.highest_alive())


class _Trained:
    """The settings of a measurement, and what became of them so far.

    `rates` are settings around the winner's rate, of which it is the middle one, and `beside` are
    others by name.
    """

    def __init__(self, judge: Judge, rates: list[Setting], beside: dict[str, Setting]) -> None:
        self.rates, self.beside = rates, beside
        self.replicates: list[int] = []
        self.scores: list[Array] = []
        self.scales: list[tuple[int, LossScale]] = []
        self.diverged = False
        self._judge = judge
        self._values: list[Array] = []
        self._losses: list[Array] = []

    @property
    def settings(self) -> list[Setting]:
        return [*self.rates, *self.beside.values()]

    @property
    def middle(self) -> int:
        return len(self.rates) // 2

    @property
    def values(self) -> Array:
        """Return the losses, or minus the metric, of shape (K, n)."""
        return np.hstack(self._values)

    @property
    def losses(self) -> Array:
        """Return the losses, of shape (K, n)."""
        return np.hstack(self._losses)

    @property
    def dead(self) -> int:
        """Return the number of the winner's trainings that did not learn."""
        return int(self._judge.died(self.losses[self.middle]).sum())

    def add(self, part: list[int]) -> bool:
        """Train on further replicates, and return whether to go on.

        On the first ones the winner trains alone, and the others follow if it learned there.
        """
        try:
            outcomes = self._train(part)
        except UnconfirmedError:
            if not self.replicates:
                raise
            return False
        n, metric = len(part), self._judge.trainer.metric
        if not np.isfinite(outcomes[self.middle].values(n, metric)).all():
            self.diverged = True
            return False
        self._values.append(np.array([outcome.values(n, metric) for outcome in outcomes]))
        self._losses.append(np.array([outcome.values(n) for outcome in outcomes]))
        own_scores = outcomes[self.middle].scores
        self.scores += [] if own_scores is None else [own_scores]
        judge = self._judge
        self.scales.append((n, judge.trainer.scale(judge.space, part)))  # while they are prepared
        self.replicates += part
        return not self.dead

    def _train(self, part: list[int]) -> list[Outcome]:
        judge = self._judge
        if self.replicates:
            return judge.outcomes(self.settings, part)
        (own,) = judge.outcomes([self.rates[self.middle]], part)
        n, n_others = len(part), len(self.settings) - 1
        is_scored = np.isfinite(own.values(n, judge.trainer.metric)).all()
        learned = is_scored and not judge.died(own.values(n)).any()
        if not learned or not judge.clock.allows(n_others * n):
            self.rates, self.beside = [self.rates[self.middle]], {}
            return [own]
        rest = [setting for place, setting in enumerate(self.settings) if place != self.middle]
        outcomes = judge.outcomes(rest, part)
        outcomes.insert(self.middle, own)
        return outcomes

    def sample(self, rows: Array, name: str) -> Sample | None:
        """Return a setting's row; None if it is not measured beside the winner."""
        if name not in self.beside:
            return None
        return Sample(rows[len(self.rates) + list(self.beside).index(name)], self.replicates)

    def own(self, rows: Array) -> Sample:
        """Return the winner's row."""
        return Sample(rows[self.middle], self.replicates)

    def highest_alive(self) -> float:
        """Return the highest rate below the winner's that always learned, or else half of that."""
        rates = [setting.learning_rate_init for setting in self.rates]
        for place in range(self.middle - 1, -1, -1):
            row = self.losses[place]
            if np.isfinite(row).all() and not self._judge.died(row).any():
                return rates[place]
        return rates[self.middle] / 2


def _estimates(trained: _Trained, winner: Racer, folds: Folds | None) -> dict[str, Any]:
    """Return the estimates of the settings, and of the gain, paired by replicate."""
    values = trained.values

    def estimate(sample: Sample | None) -> Estimate | None:
        return None if sample is None else Estimate.of(sample, folds=folds)

    return {
        "recommended": Estimate.of(trained.own(values), winner.raced, folds=folds),
        "default": estimate(trained.sample(values, "default")),
        "gain": estimate(trained.sample(values - values[trained.middle], "default")),
        "baseline": estimate(trained.sample(values, "baseline")),
    }


def _take(fresh: Iterator[int], n: int, folds: Folds | None) -> list[int]:
    """Return fresh replicates: where splits hang together, whole passes if there are enough."""
    if folds is not None and n >= folds.count:
        n -= n % folds.count
        fresh = dropwhile(lambda number: number % folds.count != 0, fresh)
    return list(islice(fresh, n))


def _affordable(
    budget: ConfirmationBudget, n_others: int, judge: Judge
) -> tuple[tuple[float, ...], int]:
    """Return the factors and replicates to measure: fewer if too few trainings are left."""
    left, planned = judge.limit - judge.trainings, budget.measurement(n_others)
    if planned <= left and judge.clock.allows(planned):
        return budget.factors, budget.measurement_replicates
    left = min(left, judge.clock.fitting())
    fewest = LEAST_MEASURED if judge.clock.has_refused else 1
    for factors, least in ((budget.factors, MEASUREMENT_REPLICATES[0]), ((), 5), ((1.0,), fewest)):
        n_settings = (len(factors) or 3) + n_others
        n_replicates = int(min(left // n_settings, MEASUREMENT_REPLICATES[1]))
        if n_replicates >= least:
            return factors, n_replicates
    if judge.clock.has_refused and left >= LEAST_MEASURED:  # of the winner, and no others
        return (1.0,), LEAST_MEASURED
    raise UnconfirmedError(TOO_LATE if judge.clock.has_refused else "the trainings were used up")
