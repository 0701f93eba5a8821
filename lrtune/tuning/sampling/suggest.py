"""Suggest a schedule in a user's own Optuna study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS, DecayName
from lrtune.schedules.schedule import Schedule, trial_attribute
from lrtune.tuning.setting import SCHEDULE_PARAMETERS
from lrtune.tuning.space import DEFAULT_DECAYS, Space

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def suggest_schedule(
    trial: BaseTrial,
    *,
    epochs: int,
    learning_rate_init: tuple[float, float],
    decay: Sequence[DecayName] = DEFAULT_DECAYS,
    decay_rate: tuple[float, float] | None = None,
    prefix: str = "",
    **options: Any,
) -> Schedule:
    """Suggest a learning-rate schedule in an objective function of your own.

    Always suggests the same three parameters, learning_rate_init, decay and decay_rate, so that
    the space keeps one shape and multivariate samplers can work with it. `Schedule.from_trial`
    returns the schedule of a finished trial.

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
    prefix : str, default=""
        Goes before the names of the three parameters; each group of parameters that has a schedule
        of its own needs a prefix of its own, such as "head_".
    **options
        Further fields of `Schedule`, such as ``warmup_epochs``, the same in every trial.

    Returns
    -------
    Schedule

    Raises
    ------
    InvalidInputError
        If a range, a decay type or an option breaks a rule, or the trial has a schedule of the same
        prefix with other ranges or options.

    Examples
    --------
    >>> import optuna
    >>> trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    >>> schedule = suggest_schedule(trial, epochs=20, learning_rate_init=(0.01, 1.0))
    >>> sorted(trial.params)
    ['decay', 'decay_rate', 'learning_rate_init']
    >>> schedule(0) == trial.params["learning_rate_init"]
    True

    A group of parameters with a schedule of its own:

    >>> head = suggest_schedule(
    ...     trial, epochs=20, learning_rate_init=(0.1, 10.0), warmup_epochs=2, prefix="head_"
    ... )
    >>> Schedule.from_trial(trial, prefix="head_") == head
    True
    """
    if not isinstance(prefix, str):
        raise InvalidInputError(
            f"`prefix` must be text, such as 'head_', but got {prefix!r}: it goes before the names "
            "of the parameters"
        )
    if not (isinstance(epochs, Real) and math.isfinite(epochs) and epochs > 0):
        raise InvalidInputError(
            f"`epochs` must be positive and finite, but got {epochs!r}: give the number of epochs "
            "that the objective trains"
        )
    ranges = {"learning_rate_init": learning_rate_init, "decay_rate": decay_rate}
    space = Space.of({**ranges, "decay": decay}, epochs)
    _require_valid(space, options)
    distributions = space.distributions()
    own = {prefix + name: distribution for name, distribution in distributions.items()}
    _require_same(trial.distributions, own, prefix)
    params = {name: _suggest(trial, prefix + name, each) for name, each in distributions.items()}
    schedule = Schedule(**space.setting(params).schedule_params, **options)
    rest = {n: value for n, value in schedule.to_dict().items() if n not in SCHEDULE_PARAMETERS}
    rest = {"epochs": float(epochs), **rest}
    name = trial_attribute(prefix)
    _require_same(trial.user_attrs.get(name, rest), rest, prefix)
    trial.set_user_attr(name, rest)
    return schedule


def _require_same(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str) -> None:
    """Raise InvalidInputError if a trial has another range or option of the same name."""
    for name, value in now.items():
        if before.get(name, value) != value:
            raise InvalidInputError(
                f"`{name}` must be the same wherever a trial suggests it, but got "
                f"{_describe(value)} after {_describe(before[name])}: give each group of "
                f"parameters a prefix of its own, such as `prefix={prefix + 'head_'!r}`"
            )


def _describe(value: Any) -> str:
    if isinstance(value, FloatDistribution):
        return f"{value.low:g} to {value.high:g}"
    if isinstance(value, CategoricalDistribution):
        return f"{', '.join(map(str, value.choices))}"
    return repr(value)


def _suggest(trial: BaseTrial, name: str, distribution: BaseDistribution) -> Any:
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
        values: dict[str, Any] = {"decay": name, **options}
        Schedule(learning_rate_init=space.rates[0], **values)
