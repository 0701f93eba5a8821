"""An Optuna sampler that models the loss over schedules as curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import TrialState

from lrtune.exceptions import InvalidInputError
from lrtune.support.blas import one_blas_thread
from lrtune.tuning.dimensions import at_share, share_of
from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import Belief, LossModel, Observation

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
REPLICATES = "replicates"
"""User attribute of a trial: the number of its replicate, or a list of them."""
STARTUP_TRIALS = 8
"""Trials before the model is used."""
LAST_SHARE = 0.15
"""Share of the epochs, at the end, whose mean loss the model reads: a loss jumps from epoch to
epoch, above all at high rates."""
CANDIDATES = 128
"""Settings drawn at random among which the model chooses."""
NEIGHBOURS = 64
"""Further ones close to the best settings so far."""
PARENTS = 8
"""Number of these best settings."""
STEP = 0.08
"""Standard deviation of the distance to them, as a share of each range."""
CHANGE = 0.2
"""Probability that a neighbour's choice is drawn anew."""


class ScheduleSampler(BaseSampler):
    """Sample settings with a Gaussian process over the schedule as a curve.

    The model sees what a training sees, the rates over time: the logarithms of the mean rate, of
    the highest over the mean, and of the mean over the final rate. Each group of parameters for
    which `suggest_schedule` is called with a prefix of its own has such a curve. Further parameters
    have length scales of their own. Each replicate (seed, split) has a random effect where the
    trials name theirs, so that every block of trials can use a replicate of its own: the model
    averages the noise, and no setting is trained several times. Where settings diverge is modelled
    apart from the losses of the others. Each setting is the best of several hundred in one draw of
    the model (Thompson sampling), so that a block of settings can be asked for before the first is
    told.

    Parameters
    ----------
    epochs : float
        T, the length of a training in the unit of t.
    schedule : callable, optional
        ``schedule(**params)`` returns the rate as a function of t; it takes the parameters that
        make the schedule by name. By default those of `lrtune.suggest_schedule`, with
        ``learning_rate_init``, ``decay`` and ``decay_rate``, each after its prefix.
    n_startup_trials : int, default=8
        Trials, spread evenly over each parameter, before the model is used.
    seed : int, optional
        The same seed gives the same settings after the same trials; None draws one.

    Raises
    ------
    InvalidInputError
        If `epochs` is not positive and finite, `n_startup_trials` is below 2, or `schedule` cannot
        be called.

    Notes
    -----
    A trial names its replicate by the user attribute "replicates", a number or a list of them. It
    has diverged if it was pruned with a value that is not finite, or with a violated constraint; a
    trial pruned otherwise counts with its last value. In a trial that reports its losses, the mean
    of the last 15 % of them is modelled. The study has one objective.

    References
    ----------
    Thompson (1933), "On the likelihood that one unknown probability exceeds another in view of the
    evidence of two samples". Kandasamy, Krishnamurthy, Schneider and Póczos (2018), "Parallelised
    Bayesian optimisation via Thompson sampling". Rasmussen and Williams (2006), "Gaussian Processes
    for Machine Learning".

    Examples
    --------
    In a study of your own, each trial on a seed of its own block:

    >>> import optuna, random, lrtune
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> def objective(trial):
    ...     schedule = lrtune.suggest_schedule(trial, epochs=20, learning_rate_init=(1e-3, 1.0))
    ...     seed = trial.number // 8
    ...     trial.set_user_attr("replicates", seed)
    ...     rng, x = random.Random(seed), 10.0
    ...     for epoch in range(20):
    ...         x -= schedule(epoch) * (2 * x + rng.gauss(0, 1))
    ...     return x * x
    >>> study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    >>> study.optimize(objective, n_trials=24)
    >>> 0.01 < study.best_params["learning_rate_init"] < 1
    True
    """

    def __init__(
        self,
        *,
        epochs: float,
        schedule: Callable[..., Callable[[float], Any]] | None = None,
        n_startup_trials: int = STARTUP_TRIALS,
        seed: int | None = None,
    ) -> None:
        if not (isinstance(epochs, Real) and np.isfinite(epochs) and epochs > 0):
            raise InvalidInputError(
                f"`epochs` must be positive and finite, but got {epochs!r}: give the length of a "
                "training, in the unit of the schedule's t"
            )
        if schedule is not None and not callable(schedule):
            raise InvalidInputError(
                "`schedule` must be a function of the parameters that returns the rate as a "
                f"function of t, but got {schedule!r}"
            )
        if n_startup_trials < 2:
            raise InvalidInputError(
                f"`n_startup_trials` must be at least 2, but got {n_startup_trials!r}: the model "
                "needs losses to begin with"
            )
        self._epochs: float = epochs
        self._schedule: Callable[..., Callable[[float], Any]] | None = schedule
        self._n_startup_trials: int = n_startup_trials
        self._seed: int = _new_seed() if seed is None else seed
        self._space: IntersectionSearchSpace = IntersectionSearchSpace()
        self._choice: _Choice | None = None

    def reseed_rng(self) -> None:
        """Draw a new seed, as Optuna asks for in parallel runs."""
        self._seed = _new_seed()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the distributions that all finished trials have in common."""
        del trial
        self._raise_error_if_multi_objective(study)
        return self._space.calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters that the model suggests; none before the first trials ended."""
        # of all trials: HyperbandPruner hands over a study that shows those of a bracket
        trials = study._get_trials(deepcopy=False, states=FINISHED)
        # a trial may have been pruned before it had all parameters
        finished = [each for each in trials if search_space.keys() <= each.params.keys()]
        if len(finished) < self._n_startup_trials or not search_space:
            return {}
        encoder = Encoder(search_space, self._epochs, self._schedule)
        encoder.require_names()
        key = [each.number for each in finished]
        if self._choice is None or self._choice.key != key:
            observations = observe(finished, maximize=study.direction == StudyDirection.MAXIMIZE)
            if all(each.diverged for each in observations):
                return {}
            with one_blas_thread():
                model = LossModel.fit(encoder, observations, self._seed)
                candidates = self._candidates(model, np.random.default_rng([self._seed, len(key)]))
                self._choice = _Choice(key, candidates, model.predict(candidates))
        running = study._get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        taken = [each.params for each in running if each.number != trial.number]
        rng = np.random.default_rng([self._seed, len(key), trial.number])
        with one_blas_thread():
            return self._choice.draw(rng, taken)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value such that those of the first trials are spread evenly over the range."""
        del study
        n = self._n_startup_trials
        round_, place = divmod(trial.number, n)
        name = int.from_bytes(param_name.encode(), "big")
        rng = np.random.default_rng([self._seed, round_, name])
        order, jitter = rng.permutation(n), rng.random(n)
        return at_share(param_distribution, float((order[place] + jitter[place]) / n))

    def _candidates(self, model: LossModel, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Return settings drawn at random, and others close to the best ones so far."""
        distributions = model.encoder.distributions
        shares = rng.random((CANDIDATES, len(distributions)))
        drawn = [_at(distributions, row) for row in shares.tolist()]
        best = model.best(PARENTS)
        close = [_near(distributions, best[i % len(best)], rng) for i in range(NEIGHBOURS)]
        return [*drawn, *close]


@dataclass
class _Choice:
    """Candidates for the next trials, and the model's belief of them."""

    key: list[int]
    candidates: list[dict[str, Any]]
    belief: Belief

    def draw(self, rng: np.random.Generator, taken: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the best candidate of a draw that no running trial has."""
        for index in np.argsort(self.belief.draw(rng), kind="stable").tolist():
            params: dict[str, Any] = self.candidates[index]
            if params not in taken:
                return params
        return self.candidates[0]


def observe(trials: Sequence[FrozenTrial], *, maximize: bool = False) -> list[Observation]:
    """Return what trials say of the loss; those without any value are left out."""
    sign = -1.0 if maximize else 1.0
    observations = []
    for trial in trials:
        value = _value(trial)
        if value is not None:
            observations.append(Observation(trial.params, sign * value, _replicates(trial)))
    return observations


def mean_of_last(curves: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the mean ``(R,)`` of the last epochs of curves ``(R, E)``."""
    return np.asarray(curves[:, -_n_last(curves.shape[1]) :].mean(axis=1))


def _n_last(n_epochs: int) -> int:
    return max(1, round(LAST_SHARE * n_epochs))


def _value(trial: FrozenTrial) -> float | None:
    """Return a trial's value, the mean of its last epochs if it is a loss; NaN if it diverged."""
    steps = sorted(trial.intermediate_values)
    reported = [trial.intermediate_values[step] for step in steps[-_n_last(len(steps)) :]]
    if trial.state == TrialState.PRUNED:
        broken = any(violation > 0 for violation in (trial.constraints or {}).values())
        last = reported[-1] if reported else trial.value
        return math.nan if broken or last is None or not math.isfinite(last) else last
    if trial.value is None:
        return None
    if not math.isfinite(trial.value):
        return math.nan
    is_loss = bool(reported) and reported[-1] == trial.value
    return float(np.mean(reported)) if is_loss and np.isfinite(reported).all() else trial.value


def _replicates(trial: FrozenTrial) -> tuple[int, ...]:
    numbers = trial.user_attrs.get(REPLICATES, ())
    return tuple(numbers) if isinstance(numbers, Sequence) else (int(numbers),)


def _at(distributions: Mapping[str, BaseDistribution], shares: Sequence[float]) -> dict[str, Any]:
    return {
        name: at_share(distribution, share)
        for (name, distribution), share in zip(distributions.items(), shares, strict=True)
    }


def _near(
    distributions: Mapping[str, BaseDistribution],
    params: Mapping[str, Any],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return a setting close to another."""
    shares = []
    for name, distribution in distributions.items():
        share = share_of(distribution, params[name])
        if isinstance(distribution, CategoricalDistribution):
            share = float(rng.random()) if rng.random() < CHANGE else share
        else:
            share = float(np.clip(share + STEP * rng.standard_normal(), 0.0, 1.0 - 1e-9))
        shares.append(share)
    return _at(distributions, shares)


def _new_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
