"""The search space: parameters ⇄ setting. The only place that knows Optuna's parameter names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import Trial

from lrtune.exceptions import InvalidInputError
from lrtune.training.optimizers import OPTIMIZERS
from lrtune.training.schedules import DECAYS

__all__ = ["ALPHA0_RANGES", "DEFAULT_DECAYS", "Setting", "Space"]

ALPHA0_RANGES: dict[str, tuple[float, float]] = {
    "sgd": (1e-3, 30.0),
    "momentum": (1e-4, 1.0),
    "nesterov": (1e-4, 1.0),
    "adagrad": (1e-3, 10.0),
    "rmsprop": (1e-5, 1.0),
    "adam": (1e-5, 1.0),
    "adamw": (1e-5, 1.0),
}
"""Where α₀ is looked for with each optimizer unless a range is given; reaches past the rate at
which networks of ordinary size on standardised data diverge."""

DEFAULT_DECAYS = ("constant", "inverse_time", "exponential", "inverse_sqrt", "linear", "cosine")
"""The decay types that are searched by default: those without further options."""


@dataclass(frozen=True)
class Setting:
    """One point of the space; the field names are the estimators' parameter names."""

    learning_rate_init: float
    decay: str
    decay_rate: float


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

    Raises
    ------
    InvalidInputError
        If a range is not two positive numbers in order, or a decay type is unknown or repeated.

    Examples
    --------
    >>> Space.default("sgd", epochs=20)
    Space(learning_rate_init=(0.001, 30.0),
          decay=('constant', 'inverse_time', 'exponential', 'inverse_sqrt', 'linear', 'cosine'),
          decay_rate=(0.0015, 1.5))
    """

    learning_rate_init: tuple[float, float]
    decay: tuple[str, ...]
    decay_rate: tuple[float, float]

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

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions of the three parameters."""
        return {
            "learning_rate_init": FloatDistribution(*self.learning_rate_init, log=True),
            "decay": CategoricalDistribution(self.decay),
            "decay_rate": FloatDistribution(*self.decay_rate, log=True),
        }

    def suggest(self, trial: Trial) -> Setting:
        """Ask a trial for its setting."""
        return Setting(
            trial.suggest_float("learning_rate_init", *self.learning_rate_init, log=True),
            trial.suggest_categorical("decay", self.decay),
            trial.suggest_float("decay_rate", *self.decay_rate, log=True),
        )

    @staticmethod
    def setting(params: Mapping[str, Any]) -> Setting:
        """The setting that a trial's parameters describe.

        Examples
        --------
        >>> Space.setting({"learning_rate_init": 0.1, "decay": "cosine", "decay_rate": 0.05})
        Setting(learning_rate_init=0.1, decay='cosine', decay_rate=0.05)
        """
        return Setting(params["learning_rate_init"], params["decay"], params["decay_rate"])
