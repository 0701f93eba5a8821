"""The search space: parameters ⇄ setting. The only place that knows Optuna's parameter names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Self

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from lrtune.exceptions import InvalidInputError
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.schedules import DECAYS

__all__ = [
    "ALPHA0_RANGES",
    "DEFAULT_DECAYS",
    "Dimension",
    "Setting",
    "Space",
    "TUNABLE",
]

ALPHA0_RANGES: dict[str, tuple[float, float]] = {
    "sgd": (1e-3, 30.0),
    "momentum": (1e-4, 1.0),
    "nesterov": (1e-4, 1.0),
    "adagrad": (1e-3, 10.0),
    "rmsprop": (1e-5, 1.0),
    "adam": (1e-5, 1.0),
    "adamw": (1e-5, 1.0),
    "dog": (0.1, 10.0),
}
"""Where α₀ is looked for with each optimizer unless a range is given; reaches past the rate at
which networks of ordinary size on standardised data diverge."""

TUNABLE = (
    "hidden_layer_sizes",
    "activation",
    "optimizer",
    "step_size",
    "power",
    "patience",
    "warmup_epochs",
    "cycle_epochs",
    "min_learning_rate",
    "update",
    "alpha",
    "momentum",
    "rho",
    "beta_1",
    "beta_2",
    "epsilon",
    "weight_decay",
    "weights_init",
    "batch_size",
)
"""Further parameters that a space may name: those that change neither the rows nor their encoding
nor the number of epochs."""

DEFAULT_DECAYS = ("constant", "inverse_time", "exponential", "inverse_sqrt", "linear", "cosine")
"""The decay types that are searched by default: those without further options."""


@dataclass(frozen=True)
class Setting:
    """One point of the space; the names are the estimators' parameter names.

    Attributes
    ----------
    learning_rate_init, decay, decay_rate : float, str, float
        The three parameters that are always searched.
    others : tuple of (str, value)
        Further parameters, if the user's space has any.
    """

    learning_rate_init: float
    decay: str
    decay_rate: float
    others: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Self:
        """From a recorded trial's parameters, as they were drawn.

        Examples
        --------
        >>> Setting.of({"learning_rate_init": 0.1, "decay": "cosine", "decay_rate": 0.05})
        Setting(learning_rate_init=0.1, decay='cosine', decay_rate=0.05, others=())
        """
        others = dict(params)
        own = [others.pop(name) for name in ("learning_rate_init", "decay", "decay_rate")]
        return cls(own[0], own[1], own[2], tuple(others.items()))

    @property
    def params(self) -> dict[str, Any]:
        """All parameters by name, for ``set_params``."""
        return {
            "learning_rate_init": self.learning_rate_init,
            "decay": self.decay,
            "decay_rate": self.decay_rate,
            **dict(self.others),
        }


@dataclass(frozen=True)
class Dimension:
    """A further parameter's range: what Optuna draws, and the value that stands for.

    Examples
    --------
    >>> Dimension.of("alpha", (1e-6, 1e-2)).distribution
    FloatDistribution(high=0.01, log=True, low=1e-06, step=None)
    >>> sizes = Dimension.of("hidden_layer_sizes", [(50, 12), (100,)])
    >>> sizes.value("(100,)")
    (100,)
    """

    distribution: BaseDistribution
    labels: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, spec: Any) -> Self:
        """From a list of choices, a (low, high) tuple, or an Optuna distribution.

        A range of positive numbers is searched on a logarithmic scale, two integers give
        integers.
        """
        if isinstance(spec, BaseDistribution):
            return cls(spec)
        if isinstance(spec, list) and spec:
            if all(isinstance(value, bool | int | float | str | None) for value in spec):
                return cls(CategoricalDistribution(spec))
            values = (tuple(value) if isinstance(value, list) else value for value in spec)
            labels = tuple((repr(value), value) for value in values)
            return cls(CategoricalDistribution([label for label, _ in labels]), labels)
        if isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(v, Real) for v in spec):
            low, high = spec
            if low <= high and math.isfinite(low) and math.isfinite(high):
                if all(isinstance(v, Integral) for v in spec):
                    return cls(IntDistribution(int(low), int(high), log=low > 0))
                return cls(FloatDistribution(float(low), float(high), log=low > 0))
        raise InvalidInputError(
            f"{name} must be searched over a list of choices, a (low, high) tuple or an Optuna "
            f"distribution, but got {spec!r}"
        )

    def value(self, drawn: Any) -> Any:
        """The parameter's value for what was drawn."""
        return dict(self.labels).get(drawn, drawn) if self.labels else drawn

    @property
    def ends(self) -> tuple[Any, ...]:
        """The lowest and highest value of a range, or all the choices."""
        if isinstance(self.distribution, CategoricalDistribution):
            return tuple(self.value(choice) for choice in self.distribution.choices)
        if isinstance(self.distribution, FloatDistribution | IntDistribution):
            return (self.distribution.low, self.distribution.high)
        return ()


@dataclass(frozen=True)
class Space:
    """Ranges of the three parameters; rates are searched on a logarithmic scale.

    All three are suggested in every trial, so that the space keeps one shape (with "constant",
    the decay rate is drawn too and has no effect).

    Parameters
    ----------
    learning_rate_init : tuple of float
        Lowest and highest α₀.
    decay : tuple of str
        Decay types, keys of `DECAYS`.
    decay_rate : tuple of float
        Lowest and highest k, in 1/epoch.
    others : tuple of (str, Dimension)
        Further parameters of the estimator, among `TUNABLE`.

    Raises
    ------
    InvalidInputError
        If a range is not two positive numbers in order, or a decay type is unknown or repeated.

    Examples
    --------
    >>> Space.default("sgd", epochs=20)
    Space(learning_rate_init=(0.001, 30.0),
          decay=('constant', 'inverse_time', 'exponential', 'inverse_sqrt', 'linear', 'cosine'),
          decay_rate=(0.0015, 1.5),
          others=())
    """

    learning_rate_init: tuple[float, float]
    decay: tuple[str, ...]
    decay_rate: tuple[float, float]
    others: tuple[tuple[str, Dimension], ...] = ()

    def __post_init__(self) -> None:
        for name in ("learning_rate_init", "decay_rate"):
            bounds = getattr(self, name)
            low, high = bounds
            if not (0 < low <= high and math.isfinite(high)):
                raise InvalidInputError(
                    f"{name} must be a range of positive, finite numbers LOW:HIGH with LOW <= "
                    f"HIGH, but got {low}:{high}"
                )
        if not self.decay:
            raise InvalidInputError(f"decay must name at least one of {', '.join(DECAYS)}")
        for index, decay in enumerate(self.decay):
            if decay not in DECAYS:
                raise InvalidInputError(
                    f"decay must be among {', '.join(DECAYS)}, but got {decay!r}"
                )
            if decay in self.decay[:index]:
                raise InvalidInputError(f"decay must name each type once, but got {decay!r} twice")
        for name, _ in self.others:
            if name not in TUNABLE:
                raise InvalidInputError(
                    f"a space may name learning_rate_init, decay, decay_rate and "
                    f"{', '.join(TUNABLE)}, but got {name!r}"
                )

    @classmethod
    def default(
        cls,
        optimizer: str,
        epochs: int,
        *,
        learning_rate_init: tuple[float, float] | None = None,
        decay: Sequence[str] | None = None,
        decay_rate: tuple[float, float] | None = None,
    ) -> Self:
        """The space for an optimizer and a number of epochs T; k in [0.03/T, 30/T].

        Parameters
        ----------
        optimizer : str
            A key of `OPTIMIZERS`; decides the range of α₀.
        epochs : int
            T, epochs of a trial.
        learning_rate_init, decay, decay_rate : optional
            Given in place of the default.
        """
        if optimizer not in OPTIMIZERS:
            raise InvalidInputError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, but got {optimizer!r}"
            )
        return cls(
            learning_rate_init or ALPHA0_RANGES[optimizer],
            tuple(decay) if decay is not None else DEFAULT_DECAYS,
            decay_rate or (0.03 / epochs, 30 / epochs),
        )

    @classmethod
    def of(cls, spec: Mapping[str, Any] | None, optimizer: str, epochs: int) -> Self:
        """The space that a user's mapping describes; what it leaves out is as in `default`.

        Parameters
        ----------
        spec : mapping or None
            "learning_rate_init" and "decay_rate" to a (low, high) tuple, a number or a logarithmic
            FloatDistribution; "decay" to a list, a name or a CategoricalDistribution; further
            parameters to what `Dimension.of` takes.
        optimizer : str
            The estimator's; the default range of α₀ covers all optimizers to choose from.
        epochs : int
            T, epochs of a trial.

        Examples
        --------
        >>> space = Space.of({"decay": ["cosine"], "batch_size": [16, 32]}, "sgd", epochs=20)
        >>> space.decay, space.others[0][0]
        (('cosine',), 'batch_size')
        """
        spec = dict(spec or {})
        decay = _choices(spec.pop("decay", None))
        if not isinstance(decay, str | list | tuple | None):
            raise InvalidInputError(
                f"decay must be a list of {', '.join(DECAYS)}, but got {decay!r}"
            )
        initial, rate = (
            _bounds(name, spec.pop(name, None)) for name in ("learning_rate_init", "decay_rate")
        )
        optimizers = _choices(spec.get("optimizer", [optimizer]))
        if initial is None:
            if not (isinstance(optimizers, list) and set(optimizers) <= set(OPTIMIZERS)):
                raise InvalidInputError(
                    f"optimizer must be a list of {', '.join(OPTIMIZERS)}, but got {optimizers!r}"
                )
            lows, highs = zip(*(ALPHA0_RANGES[name] for name in optimizers), strict=True)
            initial = (min(lows), max(highs))
        space = cls.default(
            optimizer,
            epochs,
            learning_rate_init=initial,
            decay=(decay,) if isinstance(decay, str) else decay,
            decay_rate=rate,
        )
        others = tuple((name, Dimension.of(name, value)) for name, value in spec.items())
        return replace(space, others=others)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions of all parameters."""
        return {
            "learning_rate_init": FloatDistribution(*self.learning_rate_init, log=True),
            "decay": CategoricalDistribution(self.decay),
            "decay_rate": FloatDistribution(*self.decay_rate, log=True),
            **{name: dimension.distribution for name, dimension in self.others},
        }

    def setting(self, params: Mapping[str, Any]) -> Setting:
        """The setting that a trial's parameters describe."""
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
        f"{name} must be a (low, high) tuple or FloatDistribution(low, high, log=True), but got "
        f"{spec!r}"
    )
