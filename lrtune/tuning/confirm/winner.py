"""The winner's measurement, on replicates that were not used to choose it.

It trains beside rates around its own and the untuned default, which gives the loss that is
reported, the gain over the default, and the safe range. A default that does better is recommended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import dropwhile, islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from lrtune.tuning.confirm.budget import MEASUREMENT_REPLICATES, ConfirmationBudget
from lrtune.tuning.confirm.errors import Sample, upper_bound
from lrtune.tuning.confirm.judge import LEAST_MEASURED, TOO_LATE, Judge, Racer, UnconfirmedError
from lrtune.tuning.confirm.measurement import (
    NEXT_FACTOR,
    SURENESS,
    Profile,
    around,
    safe_factors,
)
from lrtune.tuning.confirm.result import Estimate
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome
from lrtune.tuning.trainers.replicates import Folds
from lrtune.tuning.trainers.scale import LossScale

Array = npt.NDArray[Any]

WINNER, DEFAULT, BASELINE = "winner", "default", "baseline"
"""Names of the settings of a measurement; rates around one are named after it."""
ONE_ERROR = float(stats.norm.cdf(1))
"""One-sided confidence of a difference by a standard error."""


@dataclass(frozen=True)
class Measured:
    """The part of a `Confirmation` that is measured.

    Attributes
    ----------
    leader : Racer
        The setting to recommend: the winner, or the default that did better.
    facts : dict
    ceiling : float
        The highest rate up to its own that always learned.
    """

    leader: Racer
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
    default: Racer | None,
    baseline: Setting | None,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: Judge,
) -> Measured | None:
    """Measure the winner, its profile, the default and the baseline; None if the winner diverges.

    What is measured is the metric if there is one, and the losses beside it. `default` is the
    default as a trial that completed; it is recommended if it does better than the winner.
    """
    if judge.simplify:
        winner.simplify(judge.encoder, judge.space)
    untuned = judge.trainer.default_setting(judge.space)
    if untuned is not None and winner.setting.is_like(untuned):
        untuned = default = None
    others = {DEFAULT: untuned, BASELINE: baseline}
    beside = {name: setting for name, setting in others.items() if setting is not None}
    factors, n_replicates = _affordable(budget, len(beside), judge)
    rates, ends = _around(winner, WINNER, factors, judge)
    # the rates wait where the default may yet take the winner's place
    is_open = default is not None and default.status in ("contending", "tied")
    settings = {WINNER: winner.setting, **beside}
    trained = _Trained(judge, settings if is_open else {**settings, **rates})
    for part in judge.parts(_take(fresh, n_replicates, judge.trainer.folds)):
        if not trained.add(part):
            break
    if trained.diverged:
        return None
    leader, own = winner, WINNER
    if default is not None and trained.is_better(default, winner):
        leader, own = default, DEFAULT
        rates, ends = _around(leader, own, factors, judge)
    if not trained.extend(rates):
        rates = {own: leader.setting}
    facts = _estimates(trained, leader, own, judge)
    facts |= _profile(trained, leader, rates, ends, judge)
    return Measured(leader, facts, trained.highest_alive(rates, own))


def _around(
    racer: Racer, name: str, factors: tuple[float, ...], judge: Judge
) -> tuple[dict[str, Setting], tuple[float, float]]:
    """Return the rates to measure around a racer's, itself in the middle, and the predicted ends.

    The ends are multiples of its rate, between which the model takes it to be safe.
    """
    low, high = safe_factors(judge.model(), racer.params, judge.ideal)
    factors = factors or (min(low, 1 / NEXT_FACTOR), 1.0, max(high, NEXT_FACTOR))
    settings = around(racer.setting, judge.trainer.floor(racer.setting), factors)
    names = [f"{name} × {factor}" for factor in factors]
    names[len(names) // 2] = name
    return dict(zip(names, settings, strict=True)), (low, high)


@dataclass(frozen=True)
class _Row:
    """A setting's losses or minus its metric, its losses beside a metric, and its scores."""

    values: Array
    losses: Array
    scores: Array

    @classmethod
    def of(cls, outcome: Outcome, n: int, metric: str | None) -> Self:
        scores = np.empty(0) if outcome.scores is None else outcome.scores
        return cls(outcome.values(n, metric), outcome.values(n), scores)

    def __add__(self, other: _Row) -> _Row:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return _Row(*(np.concatenate(pair) for pair in pairs))


class _Trained:
    """The settings of a measurement by name, and what became of them so far.

    `diverged` is whether the winner did.
    """

    def __init__(self, judge: Judge, settings: dict[str, Setting]) -> None:
        self.replicates: list[int] = []
        self.rows: dict[str, _Row] = {}
        self.scales: list[tuple[int, LossScale]] = []
        self.diverged = False
        self._judge = judge
        self._settings = settings
        self._winner_alone = False

    def add(self, part: list[int]) -> bool:
        """Train on further replicates, and return whether to go on.

        On the first ones the winner trains alone, and the others follow if it learned there.
        """
        try:
            rows = self._train(part)
        except UnconfirmedError:
            if not self.replicates:
                raise
            return False
        if not np.isfinite(rows[WINNER].values).all():
            self.diverged = True
            return False
        self.rows = {
            name: self.rows[name] + row if name in self.rows else row for name, row in rows.items()
        }
        judge = self._judge
        # while they are prepared
        self.scales.append((len(part), judge.trainer.scale(judge.space, part)))
        self.replicates += part
        return not self.n_dead(WINNER)

    def _train(self, part: list[int]) -> dict[str, _Row]:
        if self.replicates:
            return self._rows(self._settings, part)
        rows = self._rows({WINNER: self._settings[WINNER]}, part)
        rest = {name: each for name, each in self._settings.items() if name != WINNER}
        (own,) = rows.values()
        learned = np.isfinite(own.values).all() and not self._judge.died(own.losses).any()
        if not learned or not self._judge.clock.allows(len(rest) * len(part)):
            self._settings = {WINNER: self._settings[WINNER]}
            self._winner_alone = True
            return rows
        return {**rows, **self._rows(rest, part)}

    def _rows(self, settings: dict[str, Setting], part: list[int]) -> dict[str, _Row]:
        if not settings:
            return {}
        outcomes = self._judge.outcomes(list(settings.values()), part)
        n, metric = len(part), self._judge.trainer.metric
        rows = [_Row.of(outcome, n, metric) for outcome in outcomes]
        return dict(zip(settings, rows, strict=True))

    def extend(self, settings: dict[str, Setting]) -> bool:
        """Train those settings that are missing, on all replicates; return whether they are in.

        They are not if the winner trains alone, as it does not learn or time is short, or if a
        limit refuses them.
        """
        missing = {name: each for name, each in settings.items() if name not in self.rows}
        if not missing or self._winner_alone:
            return not missing
        try:
            self.rows |= self._rows(missing, self.replicates)
        except UnconfirmedError:
            return False
        return True

    def is_better(self, default: Racer, winner: Racer) -> bool:
        """Return whether the default does better than the winner, and always learns.

        That is surely in the measurement, or by more than a standard error over the replicates of
        the race, too. By less, it is chance as often as not, and the search's losses chose the
        winner.
        """
        if DEFAULT not in self.rows or self.n_dead(DEFAULT):
            return False
        measured = self.rows[DEFAULT].values - self.rows[WINNER].values
        if not np.isfinite(measured).all():
            return False
        shared = sorted(default.loss_on.keys() & winner.loss_on.keys())
        raced = [default.loss_on[number] - winner.loss_on[number] for number in shared]
        folds = self._judge.trainer.folds
        fixed = folds if folds is not None and folds.is_fixed else None
        return (
            upper_bound(measured, SURENESS, fixed) < 0
            or upper_bound(np.concatenate([measured, raced]), ONE_ERROR) < 0
        )

    def n_dead(self, name: str) -> int:
        """Return the number of a setting's trainings that did not learn."""
        return int(self._judge.died(self.rows[name].losses).sum())

    def sample(self, losses: Array) -> Sample:
        return Sample(losses, self.replicates)

    def highest_alive(self, rates: dict[str, Setting], own: str) -> float:
        """Return the highest rate below a setting's that always learned, or else half of that."""
        names = list(rates)
        for name in reversed(names[: names.index(own)]):
            if np.isfinite(self.rows[name].losses).all() and not self.n_dead(name):
                return rates[name].learning_rate_init
        return rates[own].learning_rate_init / 2


def _estimates(trained: _Trained, leader: Racer, own: str, judge: Judge) -> dict[str, Any]:
    """Return the estimates of the settings, and of the gain, paired by replicate."""
    rows, objective, folds = trained.rows, judge.trainer.objective, judge.trainer.folds
    untuned = judge.trainer.default_setting(judge.space)
    is_default = own == DEFAULT or (untuned is not None and leader.setting.is_like(untuned))

    def estimate(losses: Array, earlier: Sample | None = None) -> Estimate:
        return Estimate.of(trained.sample(losses), earlier, folds=folds)

    def of(name: str, kind: str = "values") -> Estimate | None:
        return estimate(getattr(rows[name], kind)) if name in rows else None

    recommended = estimate(rows[own].values, leader.raced)
    facts: dict[str, Any] = {
        "recommended": recommended,
        "default": recommended if is_default else of(DEFAULT),
        "gain": Estimate(0.0, 0.0) if is_default else None,
        "baseline": of(BASELINE),
    }
    if DEFAULT in rows and not is_default:
        facts["gain"] = estimate(rows[DEFAULT].values - rows[own].values)
    if objective is not None:
        facts["metric"] = objective.name
        facts["loss"] = of(own, "losses")
        facts["default_loss"] = facts["loss"] if is_default else of(DEFAULT, "losses")
    scores = rows[own].scores
    facts["score"] = float(scores.mean()) if len(scores) else None
    facts["keeps_default"] = is_default
    facts["replicates"] = len(trained.replicates)
    facts["dead"] = trained.n_dead(own)
    return facts


def _profile(
    trained: _Trained,
    leader: Racer,
    rates: dict[str, Setting],
    ends: tuple[float, float],
    judge: Judge,
) -> dict[str, Any]:
    """Return the profile and the predicted safe range, and what they are compared with."""
    scale, ceiling = LossScale.mean(trained.scales), judge.ceiling(leader.params)
    folds = judge.trainer.folds
    fixed = folds if folds is not None and folds.is_fixed else None
    profile = Profile.of(
        [setting.learning_rate_init for setting in rates.values()],
        np.array([trained.rows[name].values for name in rates]),
        scale.initial if judge.trainer.objective is None else math.inf,
        ceiling=ceiling,
        ideal=judge.ideal,
        fixed=fixed,
    )
    low, high = ends
    highest = max(leader.rate, min(leader.rate * high, ceiling / NEXT_FACTOR))
    return {
        "profile": profile,
        "predicted_range": (leader.rate * low, highest) if low < high else None,
        "naive_loss": scale.naive,
        "fixed_splits": None if fixed is None else fixed.count,
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
