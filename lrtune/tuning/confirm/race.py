"""The race of the search's best settings on fresh replicates, and the winner's measurement.

The best settings by the model of the losses train on fresh replicates, a few at a time, and those
that are worse than the best leave (`_race`). Then the winner trains on replicates that were not
used to choose it, beside rates around its own and the untuned default (`_measure`), which gives the
loss that is reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from optuna.trial import FrozenTrial

from lrtune.exceptions import NothingCompletedError
from lrtune.schedules.decays import DECAYS
from lrtune.support.blas import one_blas_thread
from lrtune.tuning.confirm.budget import MEASUREMENT_REPLICATES, ConfirmationBudget
from lrtune.tuning.confirm.measurement import NEXT_FACTOR, Profile, around, safe_factors
from lrtune.tuning.confirm.result import Confirmation, Contender, Estimate
from lrtune.tuning.confirm.statistics import in_contention, settled, tied
from lrtune.tuning.record.schema import TrialFacts
from lrtune.tuning.record.trials import best_loss, complete_trials, last_loss
from lrtune.tuning.sampling.curve_features import Encoder, is_flat
from lrtune.tuning.sampling.loss_model import LossModel, Observation
from lrtune.tuning.sampling.schedule_sampler import mean_of_last, observe
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Control, Outcome, Trainer, train_all
from lrtune.tuning.trainers.scale import LossScale, is_dead

Array = npt.NDArray[Any]

LEAST_MEASURED = 2
"""Replicates on which a winner is measured first, as another one takes its place if it diverges or
dies, and for which a race that has to start again leaves trainings."""
LEAST_RACED = 3
"""Losses of a setting in the race before it is compared with others by them alone."""
ERRORS = 1.0
"""Standard deviations of the model that are added to its mean: a setting must be surely good."""
MODEL_WEIGHT = 4
"""Weight of the model's bound, in losses of the race."""
APART = 0.2
"""Settings whose features all differ by less train alike: one of them races."""
RATES_ABOVE = np.logspace(0, 1, 21)
"""Multiples of the recommended rate at which settings that diverged are looked for."""
TOO_LATE = "the time limit left too little time"
"""Why there is no confirmation, or no more of it."""


class UnconfirmedError(Exception):
    """Raised where the time limit or the number of trainings ends a confirmation."""


def confirm(
    trials: Sequence[FrozenTrial],
    space: Space,
    trainer: Trainer,
    *,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    baseline: Setting | None = None,
    control: Control | None = None,
    simplify: bool = True,
) -> Confirmation:
    """Choose one of the search's best settings on fresh replicates, and measure it.

    At least one of `trials` is complete. `fresh` yields numbers of replicates that the search did
    not use. `control` has the deadline of a single training, and the listener to them; the clock of
    `budget` has that of rounds and parts. With `simplify`, a schedule that is constant in all but
    name is measured, and recommended, as a constant rate.

    Raises
    ------
    NothingCompletedError
        If every setting diverges on a fresh replicate.
    UnconfirmedError
        If the deadline passes, or the trainings are used up, before a setting is measured.
    """
    judge = _Judge(trainer, space, trials, budget, control or Control(), simplify=simplify)
    ranking = _race(trials, fresh, budget, judge)
    measured: _Measured | None = None
    fallback: tuple[_Ranking, _Measured] | None = None
    ceiling = math.inf  # a high rate is what networks die of
    while measured is None:
        try:
            if not ranking.candidates:  # all diverged in the measurement, or died
                rest = ranking.rest(trials, ceiling)
                ranking = ranking.followed_by(_race(rest, fresh, budget, judge))
            if not ranking.candidates and fallback is None:
                raise NothingCompletedError(
                    "every setting that completed in the search diverged on fresh replicates: "
                    "search lower rates (`learning_rate_init=(LOW, HIGH)`), or judge each setting "
                    "on more replicates"
                )
            if not ranking.candidates:
                raise UnconfirmedError("every setting died")
            winner = ranking.candidates[0]
            measured = _measure(winner, baseline, fresh, budget, judge)
        except UnconfirmedError:
            if fallback is None:
                raise
            ranking, measured = fallback
            break
        if measured is None:
            ranking = ranking.without(winner, "diverged")
        elif measured.dead:
            if fallback is None or measured.dead_share < fallback[1].dead_share:
                fallback = ranking, measured
            ceiling = min(ceiling, measured.ceiling)
            ranking, measured = ranking.without(winner, "dead").up_to(ceiling, trials), None
    searched = sum(TrialFacts.of(trial).epochs for trial in trials)
    return Confirmation(
        contenders=ranking.contenders(),
        tied_decays=ranking.tied_decays(),
        epochs=round(judge.epochs, 2),
        trainings=judge.trainings,
        share=round(judge.epochs / searched, 3),
        **measured.facts,
    )


class _Judge:
    """Trains settings, and counts trainings and epochs."""

    def __init__(
        self,
        trainer: Trainer,
        space: Space,
        trials: Sequence[FrozenTrial],
        budget: ConfirmationBudget,
        control: Control,
        *,
        simplify: bool,
    ) -> None:
        self.trainer = trainer
        self.space = space
        self.limit = budget.limit
        self.clock = budget.clock
        self.simplify = simplify
        self.epochs = 0.0
        self.trainings = 0
        self.encoder = Encoder(space.distributions(), trainer.epochs)
        self._observations = observe(trials)
        self._losses = [each.value for each in self._observations]
        if trainer.metric is not None:  # what is observed is minus the metric
            self._losses = [last_loss(trial) for trial in trials if observe([trial])]
        self._best = best_loss(trials)
        self._control = replace(control, best=self._best)

    def model(self) -> LossModel:
        """Return the model of all losses so far: those of the search, and of the race."""
        with one_blas_thread():
            return LossModel.fit(self.encoder, self._observations)

    def outcomes(
        self, settings: Sequence[Setting], replicates: Sequence[int], *, metrics: bool = False
    ) -> list[Outcome]:
        if self.trainings + len(settings) * len(replicates) > self.limit:
            raise UnconfirmedError("the trainings were used up")
        if not self.clock.fits(len(settings) * len(replicates)):
            raise UnconfirmedError(TOO_LATE)
        begun = time.monotonic()
        control = replace(self._control, metrics=metrics)
        outcomes = train_all(self.trainer, settings, replicates, control)
        epochs = sum(outcome.epochs for outcome in outcomes)
        self.epochs += epochs
        self.clock.count(epochs / self.trainer.epochs, time.monotonic() - begun)
        self.trainings += sum(outcome.trainings for outcome in outcomes)
        if len(outcomes) < len(settings):
            raise UnconfirmedError("the time limit passed")
        return outcomes

    def parts(self, replicates: list[int]) -> Iterator[list[int]]:
        """Yield the first replicates of a measurement, then the rest: if time is limited, in parts.

        So those that ended in time count.
        """
        rest = len(replicates) if math.isinf(self.clock.deadline) else LEAST_MEASURED
        start, end = 0, LEAST_MEASURED
        while start < len(replicates):
            yield replicates[start:end]
            start, end = end, end + rest

    def is_short(self, trainings: int) -> bool:
        """Return whether so many trainings would leave too few to measure a setting."""
        n_measured = 2 if self.trainer.default_setting(self.space) is not None else 1
        trainings += LEAST_MEASURED * n_measured
        return self.trainings + trainings > self.limit or not self.clock.fits(trainings)

    def race(
        self, racers: Sequence[_Racer], replicates: Sequence[int]
    ) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return losses, or minus the metric, of shape (K, n), and a mask of those that died.

        They are inf where a setting diverged. The model is told of them.
        """
        settings = [racer.setting for racer in racers]
        outcomes = self.outcomes(settings, replicates, metrics=True)
        metric = self.trainer.metric
        n = len(replicates)
        values = np.array([outcome.values(n, metric) for outcome in outcomes])
        losses = np.array([outcome.values(n) for outcome in outcomes])
        for racer, outcome, row, ended in zip(racers, outcomes, values, losses, strict=True):
            is_curve = metric is None and outcome.is_complete
            read = mean_of_last(outcome.validation_curves) if is_curve else row
            for number, value in zip(replicates, read.tolist(), strict=True):
                self._observations.append(Observation(racer.params, value, (number,)))
            self._losses += (read if metric is None else ended).tolist()
        return values, self.died(losses)

    def ceiling(self, params: Mapping[str, Any]) -> float:
        """Return the rate from which on a setting like this one diverged or died; inf if none."""
        values = np.array([each.value for each in self._observations])
        failed = ~np.isfinite(values) | self.died(np.array(self._losses))
        if not failed.any():
            return math.inf
        rates = params["learning_rate_init"] * RATES_ABOVE
        settings = [{**params, "learning_rate_init": rate} for rate in rates.tolist()]
        points = self.encoder.features(settings).points[:, np.newaxis]
        others = [self._observations[index].params for index in np.flatnonzero(failed)]
        is_near = np.abs(points - self.encoder.features(others).points).max(axis=2) <= APART
        reached = is_near.any(axis=1)
        return float(rates[reached.argmax()]) if reached.any() else math.inf

    def died(self, losses: Array) -> npt.NDArray[np.bool_]:
        """Return a mask of the losses of trainings that did not learn, while others do."""
        return is_dead(losses, self.trainer.dead_loss(self.space), self._best)


@dataclass
class _Racer:
    trial: int
    params: dict[str, Any]
    setting: Setting
    search_loss: float
    status: str = "contending"
    losses: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.setting.learning_rate_init

    def simplify(self, encoder: Encoder, space: Space) -> None:
        """Make the setting constant, at its mean rate, if it is that in all but name."""
        curve = encoder.curve(self.params)
        follows_losses = DECAYS[self.setting.decay].feedback
        if is_flat(curve) and "constant" in encoder.decays and not follows_losses:
            rate = max(float(curve.mean()), space.rates[0])
            self.setting = replace(self.setting, learning_rate_init=rate, decay="constant")
            self.params = {**self.params, "learning_rate_init": rate, "decay": "constant"}

    @classmethod
    def of(cls, trial: FrozenTrial, space: Space) -> Self:
        value: float = trial.value  # type: ignore[assignment]
        return cls(trial.number, trial.params, space.setting(trial.params), float(value))

    def result(self) -> Contender:
        has_loss = self.losses and self.status != "diverged"
        loss = float(np.mean(self.losses)) if has_loss else None
        n = len(self.losses)
        return Contender(self.trial, self.setting, self.search_loss, loss, n, self.status)


@dataclass(frozen=True)
class _Ranking:
    """All racers, and the candidates for recommendation among them, the best first."""

    racers: list[_Racer]
    candidates: list[_Racer]

    def without(self, racer: _Racer, status: str) -> _Ranking:
        racer.status = status
        return _Ranking(self.racers, self.candidates[1:])

    def rest(self, trials: Sequence[FrozenTrial], ceiling: float) -> list[FrozenTrial]:
        """Return the trials that did not race: those up to a rate, or all if there are none."""
        raced = {racer.trial for racer in self.racers}
        rest = [trial for trial in complete_trials(trials) if trial.number not in raced]
        return [trial for trial in rest if trial.params["learning_rate_init"] <= ceiling] or rest

    def up_to(self, ceiling: float, trials: Sequence[FrozenTrial]) -> _Ranking:
        """Return the ranking with the candidates up to a rate first, and without dead ones.

        There are no candidates if only trials that did not race are up to that rate.
        """
        alive = [racer for racer in self.candidates if racer.status != "dead"]
        alive.sort(key=lambda racer: racer.rate > ceiling)
        rest = self.rest(trials, ceiling)
        if rest and rest[0].params["learning_rate_init"] <= ceiling:
            alive = [racer for racer in alive if racer.rate <= ceiling]
        return _Ranking(self.racers, alive)

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
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: _Judge,
) -> _Ranking:
    """Train ever fewer settings on fresh replicates, and rank them.

    The untuned default races too if it is among the trials.
    """
    best_first = _best_first(trials, judge)
    fewest, most = budget.field
    n_field = min(most, max(fewest, len(best_first) // 2))
    default = judge.trainer.default_setting(judge.space)
    for place, trial in enumerate(best_first[n_field:], start=n_field):
        if default is not None and judge.space.setting(trial.params).is_like(default):
            best_first.insert(n_field - 1, best_first.pop(place))
            break
    racers: list[_Racer] = []
    running: list[_Racer] = []
    spent = 0
    while not running and best_first:  # again only if the whole field diverges or dies
        field_trials, best_first = best_first[:n_field], best_first[n_field:]
        is_over = not budget.race
        if judge.is_short(len(field_trials) * budget.round):
            field_trials, is_over = field_trials[:1], True
        running = [_Racer.of(trial, judge.space) for trial in field_trials]
        racers += running
        lowest = min(racer.rate for racer in racers)
        best_first.sort(key=lambda trial: trial.params["learning_rate_init"] >= lowest)
        while not is_over:
            replicates = list(islice(fresh, budget.round))
            spent += len(running) * budget.round
            running = _round(running, replicates, judge)
            next_round = spent + len(running) * budget.round
            is_over = len(running) <= 1 or next_round > budget.race or _is_settled(running)
            n_next = len(running) * budget.round + budget.measurement(default is not None)
            is_over = is_over or not judge.clock.fits(n_next)
    return _Ranking(racers, _rank(racers, running, judge))


def _best_first(trials: Sequence[FrozenTrial], judge: _Judge) -> list[FrozenTrial]:
    """Return the completed trials by the model's bound, those that did not learn last.

    Of trials with about the same curve, the best comes first, and the others after all that differ.
    """
    complete = complete_trials(trials)
    if not complete:
        return []
    bounds = judge.model().predict([trial.params for trial in complete]).bound(ERRORS)
    died = [judge.died(np.array(TrialFacts.of(trial).replicate_losses)).any() for trial in complete]
    points = judge.encoder.features([trial.params for trial in complete]).points
    order = sorted(range(len(complete)), key=lambda i: (died[i], bounds[i], complete[i].number))
    apart: list[int] = []
    for index in order:
        if all(np.abs(points[index] - points[each]).max() > APART for each in apart):
            apart.append(index)
    chosen = set(apart)
    return [complete[index] for index in [*apart, *(i for i in order if i not in chosen)]]


def _round(running: list[_Racer], replicates: list[int], judge: _Judge) -> list[_Racer]:
    """Train one round; return the racers that are in contention after it.

    None is judged worse before it has `LEAST_RACED` losses.
    """
    values, dead = judge.race(running, replicates)
    for racer, losses, died in zip(running, values.tolist(), dead, strict=True):
        racer.losses += losses
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


def _is_settled(running: list[_Racer]) -> bool:
    return len(running[0].losses) >= LEAST_RACED and settled(_losses(running))


def _losses(racers: Sequence[_Racer]) -> Array:
    return np.array([racer.losses for racer in racers])


def _rank(racers: list[_Racer], running: list[_Racer], judge: _Judge) -> list[_Racer]:
    """Rank the racers: tied ones first, of them the simplest and furthest from the edge.

    The others are ranked by a mean of the model's bound, which knows the search's losses and those
    of the race, and of their own losses in the race; the more of these, the more they weigh.
    """
    if len(running) > 1 and len(running[0].losses) >= LEAST_RACED:
        for racer, is_tied in zip(running, tied(_losses(running)), strict=True):
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

    def key(racer: _Racer) -> tuple[Any, ...]:
        if racer.status == "tied":
            return (0, racer.setting.decay != "constant", racer.setting.learning_rate_init)
        return (2 if racer.status == "dead" else 1, racer.status == "worse", estimates[racer.trial])

    return sorted((racer for racer in racers if racer.status != "diverged"), key=key)


@dataclass(frozen=True)
class _Measured:
    """The part of a `Confirmation` that is measured, and the highest rate that always learned."""

    facts: dict[str, Any]
    ceiling: float

    @property
    def dead(self) -> int:
        return int(self.facts["dead"])

    @property
    def dead_share(self) -> float:
        return float(self.dead / self.facts["replicates"])


def _measure(
    winner: _Racer,
    baseline: Setting | None,
    fresh: Iterator[int],
    budget: ConfirmationBudget,
    judge: _Judge,
) -> _Measured | None:
    """Measure the winner, its profile, the default and the baseline; None if it diverges.

    It trains alone on `LEAST_MEASURED` replicates first, and the rest follows if it learned there.
    What is measured is the metric if there is one, and the losses beside it.
    """
    if judge.simplify:
        winner.simplify(judge.encoder, judge.space)
    trainer, space, objective = judge.trainer, judge.space, judge.trainer.objective
    ideal = None if objective is None or objective.best is None else -objective.best
    others = [trainer.default_setting(space), baseline]
    n_others = sum(setting is not None for setting in others)
    low, high = safe_factors(judge.model(), winner.params, ideal)
    factors, n_replicates = _affordable(budget, n_others, judge)
    factors = factors or (min(low, 1 / NEXT_FACTOR), 1.0, max(high, NEXT_FACTOR))
    settings = [*around(winner.setting, trainer.floor(winner.setting), factors)]
    n_rates, middle = len(settings), len(settings) // 2
    settings += filter(None, others)
    if trainer.fixed_splits is not None and n_replicates > trainer.fixed_splits.count:
        n_replicates -= n_replicates % trainer.fixed_splits.count  # each equally often
    replicates = list(islice(fresh, n_replicates))
    values = losses = np.empty((len(settings), 0))
    scores: list[Array] = []
    scales: list[tuple[int, LossScale]] = []
    for part in judge.parts(replicates):
        is_first, n = not scales, len(part)
        try:
            outcomes = judge.outcomes(
                [settings[middle]] if is_first else settings, part, metrics=True
            )
        except UnconfirmedError:
            if is_first:
                raise
            break
        own = outcomes[0 if is_first else middle]
        if not np.isfinite(own.values(n, trainer.metric)).all():
            return None
        if is_first:
            is_dead = judge.died(own.values(n)).any()
            if is_dead or not judge.clock.fits((len(settings) - 1) * n):
                settings, n_rates, middle = [settings[middle]], 1, 0
                others = [None, None]
            else:
                rest = settings[:middle] + settings[middle + 1 :]
                outcomes = judge.outcomes(rest, part, metrics=True)
                outcomes.insert(middle, own)
            values, losses = values[: len(settings)], losses[: len(settings)]
        values = np.hstack([values, [each.values(n, trainer.metric) for each in outcomes]])
        losses = np.hstack([losses, [each.values(n) for each in outcomes]])
        scales.append((n, trainer.scale(space, part)))  # while they are prepared
        scores += [] if own.scores is None else [own.scores]
        dead = int(judge.died(losses[middle]).sum())
        if dead:
            break
    rows = iter(range(n_rates, len(settings)))
    default, untrained = (None if setting is None else next(rows) for setting in others)
    scale = LossScale.mean(scales)
    initial = scale.initial if objective is None else math.inf
    fixed = trainer.fixed_splits
    n_measured = losses.shape[1]
    estimate = partial(Estimate.of, fixed=fixed, replicates=replicates[:n_measured])
    rates = [setting.learning_rate_init for setting in settings[:n_rates]]
    rate, ceiling = winner.setting.learning_rate_init, judge.ceiling(winner.params)
    facts: dict[str, Any] = {
        "recommended": estimate(values[middle], winner.losses),
        "default": None if default is None else estimate(values[default]),
        "gain": None if default is None else estimate(values[default] - values[middle]),
        "score": float(np.mean(np.concatenate(scores))) if scores else None,
        "profile": Profile.of(rates, values[:n_rates], initial, ceiling, ideal),
        "predicted_range": (rate * low, rate * high) if low < high else None,
        "naive_loss": scale.naive,
        "replicates": n_measured,
        "dead": dead,
        "baseline": None if untrained is None else estimate(values[untrained]),
        "fixed_splits": None if fixed is None else fixed.count,
    }
    if objective is not None:
        facts["metric"], facts["loss"] = objective.name, estimate(losses[middle])
        facts["default_loss"] = None if default is None else estimate(losses[default])
    return _Measured(facts, _learned_below(rates, losses, judge))


def _learned_below(rates: list[float], losses: Array, judge: _Judge) -> float:
    """Return the highest rate below the middle that always learned; if unknown, half of that."""
    middle = len(rates) // 2
    for rate, row in zip(rates[:middle][::-1], losses[:middle][::-1], strict=True):
        if np.isfinite(row).all() and not judge.died(row).any():
            return rate
    return rates[middle] / 2


def _affordable(
    budget: ConfirmationBudget, n_others: int, judge: _Judge
) -> tuple[tuple[float, ...], int]:
    """Return the factors and replicates to measure: fewer if too few trainings are left."""
    left, planned = judge.limit - judge.trainings, budget.measurement(n_others)
    if planned <= left and judge.clock.fits(planned):
        return budget.factors, budget.measurement_replicates
    left = min(left, judge.clock.fitting())
    fewest = LEAST_MEASURED if judge.clock.is_short else 1
    for factors, least in ((budget.factors, MEASUREMENT_REPLICATES[0]), ((), 5), ((1.0,), fewest)):
        n_settings = (len(factors) or 3) + n_others
        n_replicates = int(min(left // n_settings, MEASUREMENT_REPLICATES[1]))
        if n_replicates >= least:
            return factors, n_replicates
    if judge.clock.is_short and left >= LEAST_MEASURED:  # of the winner, and no others
        return (1.0,), LEAST_MEASURED
    raise UnconfirmedError(TOO_LATE if judge.clock.is_short else "the trainings were used up")
