"""Features of settings for a model: the schedule as a curve, and each further parameter.

A loss depends on the rates that a training meets, not on the parameters which generate them: two
decay types with the same curve do the same. A curve's features are the logarithms of its mean, of
its highest over its mean rate, and of its mean over its final rate. Where groups of parameters have
schedules of their own (`suggest_schedule` with a prefix), each has a curve.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule
from lrtune.tuning.dimensions import share_of
from lrtune.tuning.sampling.gaussian_process import Features
from lrtune.tuning.setting import SCHEDULE_PARAMETERS

Array = npt.NDArray[Any]

POINTS = 32
"""Times at which a curve is evaluated."""
FINAL = 5
"""Number of these, at the end, whose mean is the final rate."""
FLOOR = 1e-4
"""Smallest rate, as a share of the highest one, that a feature distinguishes from zero."""
STEEPEST = 5.0
"""Largest log ratio of the mean to the final rate: a rate that much smaller changes nothing."""
FLAT = 0.1
"""A schedule is constant in all but name if its rate falls by at most this share."""
CURVE_LENGTHS = (2.0, 1.5, 2.0)
"""Prior length scales of a curve's features, in natural logarithms."""
OTHER_LENGTH = 0.7
"""Prior length scale of a further parameter, as a share of its range."""
CHOICE_LENGTH = 1.0
"""Prior length scale of a parameter with choices; two choices are a distance of 1 apart."""
_DEFAULTS = vars(Schedule(learning_rate_init=1.0))


@dataclass(frozen=True)
class Encoder:
    """Turns parameters into features.

    Attributes
    ----------
    distributions : mapping
        Optuna's distributions of all parameters.
    epochs : float
        T, the length of a training in the unit of t.
    schedule : callable or None
        Returns the rate as a function of t, from parameters by name; by default the rates of
        "learning_rate_init", "decay" and "decay_rate", with each prefix that all three have.
    """

    distributions: Mapping[str, BaseDistribution]
    epochs: float
    schedule: Callable[..., Callable[[float], Any]] | None = None

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """Return what goes before the names of each group's schedule; "" if there is no other."""
        first = SCHEDULE_PARAMETERS[0]
        found = (name.removesuffix(first) for name in self.distributions if name.endswith(first))
        groups = tuple(p for p in found if self._is_group(p))
        return groups or ("",)

    def _is_group(self, prefix: str) -> bool:
        decays = self._decays(prefix)
        is_complete = {prefix + name for name in SCHEDULE_PARAMETERS} <= self.distributions.keys()
        return is_complete and bool(decays) and all(decay in DECAYS for decay in decays)

    @property
    def schedule_names(self) -> tuple[str, ...]:
        """Return the names of the parameters that the curves depend on."""
        if self.schedule is None:
            return tuple(prefix + name for prefix in self.prefixes for name in SCHEDULE_PARAMETERS)
        return tuple(inspect.signature(self.schedule).parameters)

    def require_names(self) -> None:
        """Raise InvalidInputError if a parameter of the schedule is not searched."""
        for name in self.schedule_names:
            if name not in self.distributions:
                raise InvalidInputError(
                    f"`schedule` takes the parameter {name!r}, but the trials have "
                    f"{', '.join(self.distributions)}: suggest it in every trial, or pass a "
                    "`schedule` of other parameters"
                )

    def features(self, settings: Sequence[Mapping[str, Any]]) -> Features:
        """Return the features ``(n, d)`` of n settings."""
        blocks = []
        for prefix in self.prefixes if self.schedule is None else ("",):
            columns = curve_features(self._curves(settings, prefix)).T
            blocks += [
                (each[:, np.newaxis], n) for each, n in zip(columns, CURVE_LENGTHS, strict=True)
            ]
            if self.schedule is None and any(map(_follows_losses, self._decays(prefix))):
                # what such a decay does is not in its curve
                falls = np.array([self._fall_by_losses(params, prefix) for params in settings])
                blocks.append((falls[:, np.newaxis], CURVE_LENGTHS[0]))
        for name, distribution in self.distributions.items():
            if name not in self.schedule_names and not distribution.single():
                blocks.append(_own_features(distribution, [params[name] for params in settings]))
        widths = [columns.shape[1] for columns, _ in blocks]
        return Features(
            np.column_stack([columns for columns, _ in blocks]),
            np.repeat(np.arange(len(blocks)), widths),
            np.array([length for _, length in blocks]),
        )

    def _fall_by_losses(self, params: Mapping[str, Any], prefix: str) -> float:
        """Return how far a decay that follows losses may fall; 0 for one that follows time."""
        follows = _follows_losses(params[f"{prefix}decay"])
        k = params[f"{prefix}decay_rate"] if follows else 0.0
        return math.log1p(k * self.epochs)

    def curve(self, setting: Mapping[str, Any]) -> Array:
        """Return the rates ``(POINTS,)`` of a setting."""
        return np.asarray(self._curves([setting])[0])

    @property
    def decays(self) -> tuple[Any, ...]:
        """Return the decay types."""
        return self._decays("")

    def _decays(self, prefix: str) -> tuple[Any, ...]:
        decays = self.distributions.get(f"{prefix}decay")
        return decays.choices if isinstance(decays, CategoricalDistribution) else ()

    def _curves(self, settings: Sequence[Mapping[str, Any]], prefix: str = "") -> Array:
        """Return the rates ``(n, POINTS)``."""
        times = (np.arange(POINTS) + 0.5) * (self.epochs / POINTS)
        if self.schedule is not None:
            names = self.schedule_names
            curves = (
                self.schedule(**{name: params[name] for name in names}) for params in settings
            )
            return np.array([[float(curve(t)) for t in times.tolist()] for curve in curves])
        rates, decays, k = (
            np.array([params[prefix + name] for params in settings]) for name in SCHEDULE_PARAMETERS
        )
        table = np.empty((len(settings), POINTS))
        for name in dict.fromkeys(decays.tolist()):
            decay, chosen = DECAYS[name], decays == name
            options = {} if decay.feedback else {each: _DEFAULTS[each] for each in decay.options}
            table[chosen] = decay(k[chosen, np.newaxis], times, **options)
        return np.asarray(table * rates[:, np.newaxis])


def curve_features(curves: Array) -> Array:
    """Return the features ``(n, 3)`` of curves ``(n, POINTS)``.

    Examples
    --------
    >>> curve_features(np.array([[0.1, 0.1, 0.1, 0.1, 0.1, 0.1]])).round(2).tolist()
    [[-2.3, 0.0, 0.0]]
    """
    highest = curves.max(axis=1)  # the initial rate, if there is no warm-up
    mean = np.maximum(curves.mean(axis=1), FLOOR * highest)
    final = np.maximum(curves[:, -FINAL:].mean(axis=1), FLOOR * highest)
    fall = np.clip(np.log(mean / final), 0.0, STEEPEST)
    return np.column_stack([np.log(mean), np.log(highest / mean), fall])


def is_flat(curve: Array) -> bool:
    """Return whether the rates ``(n,)`` hardly change."""
    return bool(curve.min() >= (1 - FLAT) * curve.max())


def _own_features(distribution: BaseDistribution, values: list[Any]) -> tuple[Array, float]:
    """Return the columns of a further parameter, and the prior of their length scale."""
    if isinstance(distribution, CategoricalDistribution):
        chosen = [[value == choice for choice in distribution.choices] for value in values]
        return np.array(chosen, dtype=float) / math.sqrt(2), CHOICE_LENGTH
    shares = [share_of(distribution, value) for value in values]
    return np.array(shares)[:, np.newaxis], OTHER_LENGTH


def _follows_losses(decay: Any) -> bool:
    return DECAYS[decay].feedback
