"""Suggest a schedule in a user's own Optuna study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.space import DEFAULT_DECAYS, Space

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest_schedule(
    trial: BaseTrial,
    *,
    epochs: int,
    learning_rate_init: tuple[float, float],
    decay: Sequence[str] = DEFAULT_DECAYS,
    decay_rate: tuple[float, float] | None = None,
    **options: Any,
) -> Schedule:
    """Suggest a learning-rate schedule in an objective function of your own.

    Always suggests the same three parameters, learning_rate_init, decay and decay_rate, so that
    the space keeps one shape and multivariate samplers can work with it.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
    epochs : int
        T, the number of epochs that the objective trains.
    learning_rate_init : tuple of float
        Lowest and highest α₀, searched on a logarithmic scale.
    decay : sequence of str
        Decay types, without those that follow losses, such as "plateau".
    decay_rate : tuple of float, optional
        Lowest and highest k, in 1/epoch, on a logarithmic scale; by default [0.03/T, 30/T].
    **options
        Further fields of `Schedule`, such as ``warmup_epochs``, the same in every trial.

    Returns
    -------
    Schedule

    Raises
    ------
    InvalidInputError
        If a range, a decay type or an option breaks a rule.

    Examples
    --------
    >>> import optuna
    >>> trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    >>> schedule = suggest_schedule(trial, epochs=20, learning_rate_init=(0.01, 1.0))
    >>> sorted(trial.params)
    ['decay', 'decay_rate', 'learning_rate_init']
    >>> schedule(0) == trial.params["learning_rate_init"]
    True
    """
    if not (isinstance(epochs, Real) and math.isfinite(epochs) and epochs > 0):
        raise InvalidInputError(
            f"`epochs` must be positive and finite, but got {epochs!r}: give the number of epochs "
            "that the objective trains"
        )
    ranges = {"learning_rate_init": learning_rate_init, "decay_rate": decay_rate}
    space = Space.of({**ranges, "decay": decay}, epochs)
    _require_valid(space, options)
    params = {
        name: _suggest(trial, name, distribution)
        for name, distribution in space.distributions().items()
    }
    return Schedule(**space.setting(params).schedule_params, **options)


def _suggest(trial: BaseTrial, name: str, distribution: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    assert isinstance(distribution, FloatDistribution)  # noqa: S101
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _require_valid(space: Space, options: dict[str, Any]) -> None:
    """Refuse all that any trial would refuse, before a parameter is suggested."""
    for name in space.decay:
        if DECAYS[name].feedback:
            raise InvalidInputError(
                f"`decay` must depend on time alone in an objective of your own, but got {name!r}, "
                "which follows losses: leave it out"
            )
        Schedule(learning_rate_init=space.rates[0], decay=name, **options)
