"""The search space: converts between Optuna's parameters and settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.decays import DECAYS, DecayName
from lrtune.support.signals import defer_signals
from lrtune.tuning.dimensions import Dimension, at_share, holds
from lrtune.tuning.setting import Setting

DEFAULT_DECAYS: tuple[DecayName, ...] = (
    "constant",
    "inverse_time",
    "exponential",
    "inverse_sqrt",
    "linear",
    "cosine",
)
"""Decay types that are searched by default: those without options."""


@dataclass(frozen=True)
class Space:
    """Ranges of the parameters that are searched; rates are on a logarithmic scale.

    Every trial has a value of each parameter, so that the space keeps one shape: with "constant",
    the decay rate is drawn too and has no effect.

    Attributes
    ----------
    learning_rate_init : tuple of float or None
        Lowest and highest α₀; None leaves the range to a range test.
    decay : tuple of str
        Decay types, keys of `DECAYS`.
    decay_rate : tuple of float
        Lowest and highest k, in 1/epoch.
    others : tuple of (str, Dimension)
        Further parameters of the estimator or the user's function.

    Examples
    --------
    >>> Space.default(epochs=20)
    Space(learning_rate_init=None,
          decay=('constant', 'inverse_time', 'exponential', 'inverse_sqrt', 'linear', 'cosine'),
          decay_rate=(0.0015, 1.5),
          others=())
    """

    learning_rate_init: tuple[float, float] | None
    decay: tuple[str, ...]
    decay_rate: tuple[float, float]
    others: tuple[tuple[str, Dimension], ...] = ()

    def __post_init__(self) -> None:
        for name in ("learning_rate_init", "decay_rate"):
            bounds = getattr(self, name)
            if bounds is None and name == "learning_rate_init":
                continue
            low, high = bounds
            if not (0 < low <= high and math.isfinite(high)):
                raise InvalidInputError(
                    f"`{name}` must be a range (LOW, HIGH) of positive, finite numbers with LOW <= "
                    f"HIGH, but got ({low}, {high})"
                )
        if not self.decay:
            raise InvalidInputError(f"`decay` must name at least one of {', '.join(DECAYS)}")
        for index, decay in enumerate(self.decay):
            if decay not in DECAYS:
                raise InvalidInputError(
                    f"`decay` must be among {', '.join(DECAYS)}, but got {decay!r}"
                )
            if decay in self.decay[:index]:
                raise InvalidInputError(
                    f"`decay` must name each type once, but got {decay!r} twice: leave one out"
                )

    @classmethod
    def default(
        cls,
        epochs: int,
        *,
        learning_rate_init: tuple[float, float] | None = None,
        decay: Sequence[str] | None = None,
        decay_rate: tuple[float, float] | None = None,
    ) -> Self:
        """Return the default space of trainings of T epochs, where k is in [0.03/T, 30/T]."""
        return cls(
            learning_rate_init,
            tuple(decay) if decay is not None else DEFAULT_DECAYS,
            decay_rate or (0.03 / epochs, 30 / epochs),
        )

    @classmethod
    def of(cls, spec: Mapping[str, Any] | None, epochs: int) -> Self:
        """Return the space of a user's mapping; parameters that it leaves out are as by default.

        It maps "learning_rate_init" and "decay_rate" to a (low, high) tuple, a number or a
        logarithmic FloatDistribution; "decay" to a list, a name or a CategoricalDistribution; and
        further parameters to an argument of `Dimension.of`.

        Examples
        --------
        >>> space = Space.of({"decay": ["cosine"], "batch_size": [16, 32]}, epochs=20)
        >>> space.decay, space.others[0][0]
        (('cosine',), 'batch_size')
        """
        spec = dict(spec or {})
        for name in spec:
            if name == "alpha0" or not str(name).isidentifier():
                raise InvalidInputError(
                    "a space must name parameters as Python does, such as 'learning_rate_init' and "
                    f"'batch_size', but got {name!r}"
                )
        decay = _choices(spec.pop("decay", None))
        if not isinstance(decay, str | list | tuple | None):
            raise InvalidInputError(
                f"`decay` must be a list of {', '.join(DECAYS)}, but got {decay!r}"
            )
        initial, rate = (
            _bounds(name, spec.pop(name, None)) for name in ("learning_rate_init", "decay_rate")
        )
        space = cls.default(
            epochs,
            learning_rate_init=initial,
            decay=(decay,) if isinstance(decay, str) else decay,
            decay_rate=rate,
        )
        others = tuple((name, Dimension.of(name, value)) for name, value in spec.items())
        return replace(space, others=others)

    def to_json(self) -> dict[str, Any]:
        """Return the space as JSON values.

        Examples
        --------
        >>> space = Space.of({"batch_size": [16, 32], "hidden_layer_sizes": [(8,), (6, 4)]}, 20)
        >>> Space.from_json(space.to_json()) == space
        True
        """
        return {
            "learning_rate_init": self.learning_rate_init and list(self.learning_rate_init),
            "decay": list(self.decay),
            "decay_rate": list(self.decay_rate),
            "others": {name: dimension.to_json() for name, dimension in self.others},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the space of the JSON values of `to_json`."""
        rates = values["learning_rate_init"]
        return cls(
            rates and tuple(rates),
            tuple(values["decay"]),
            tuple(values["decay_rate"]),
            tuple((name, Dimension.from_json(each)) for name, each in values["others"].items()),
        )

    @property
    def rates(self) -> tuple[float, float]:
        """Return the range of α₀; raise InvalidInputError if it is still left to a range test."""
        if self.learning_rate_init is None:
            raise InvalidInputError(
                "`learning_rate_init` must have a range before settings are drawn, but got None: "
                "give one, or take it from a range test"
            )
        return self.learning_rate_init

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return Optuna's distributions of all parameters."""
        return {
            "learning_rate_init": FloatDistribution(*self.rates, log=True),
            "decay": CategoricalDistribution(self.decay),
            "decay_rate": FloatDistribution(*self.decay_rate, log=True),
            **{name: dimension.distribution for name, dimension in self.others},
        }

    def params(self, setting: Setting) -> dict[str, Any] | None:
        """Return the parameters of a setting; None if it lies outside the space.

        The decay rate of a constant rate has no effect: it may lie outside, and is left out.

        Examples
        --------
        >>> space = Space.default(20, learning_rate_init=(0.01, 1.0))
        >>> space.params(Setting(0.1, "constant", 0.0))
        {'learning_rate_init': 0.1, 'decay': 'constant'}
        >>> space.params(Setting(2.0, "constant", 0.0)) is None
        True
        """
        values = {**setting.schedule_params, **dict(setting.others)}
        if setting.decay == "constant":
            del values["decay_rate"]
        dimensions = dict(self.others)
        params = {}
        for name, distribution in self.distributions().items():
            if name not in values:
                continue
            value = values[name]
            if name in dimensions:
                value = dimensions[name].label(value)
            if not holds(distribution, value):
                return None
            params[name] = value
        return params

    def spread(self, n: int, seed: int) -> list[dict[str, Any]]:
        """Return parameters of n trials, a power of 2, that fill the space evenly.

        They are a scrambled Sobol' sequence (Owen 1995, "Randomly permuted (t,m,s)-nets and
        (t,s)-sequences").
        """
        from scipy.stats.qmc import Sobol

        distributions = self.distributions()
        with defer_signals():  # interrupted, scipy would keep a table of numbers that is half read
            points = Sobol(len(distributions), seed=np.random.default_rng(seed)).random(n)
        return [
            {
                name: at_share(distribution, share)
                for (name, distribution), share in zip(distributions.items(), point, strict=True)
            }
            for point in points.tolist()
        ]

    def setting(self, params: Mapping[str, Any]) -> Setting:
        """Return the setting of a trial's parameters."""
        others = tuple((name, dimension.value(params[name])) for name, dimension in self.others)
        return Setting(params["learning_rate_init"], params["decay"], params["decay_rate"], others)


def _choices(spec: Any) -> Any:
    return list(spec.choices) if isinstance(spec, CategoricalDistribution) else spec


def _bounds(name: str, spec: Any) -> tuple[float, float] | None:
    if spec is None:
        return None
    if isinstance(spec, Real):
        return (float(spec), float(spec))
    if isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(v, Real) for v in spec):
        return (float(spec[0]), float(spec[1]))
    if isinstance(spec, FloatDistribution) and spec.log:
        return (spec.low, spec.high)
    raise InvalidInputError(
        f"`{name}` must be a (low, high) tuple or FloatDistribution(low, high, log=True), but got "
        f"{spec!r}"
    )
