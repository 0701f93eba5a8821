"""A setting: the learning rate, its decay, and whatever else a space holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from lrtune.training.optimizers import DEFAULT_RATES

SCHEDULE_PARAMETERS = ("learning_rate_init", "decay", "decay_rate")
"""The parameters that are always searched."""


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
    def from_params(cls, params: Mapping[str, Any]) -> Self:
        """Return the setting with these parameters.

        Examples
        --------
        >>> Setting.from_params({"learning_rate_init": 0.1, "decay": "cosine", "decay_rate": 0.05})
        Setting(learning_rate_init=0.1, decay='cosine', decay_rate=0.05, others=())
        """
        initial, decay, decay_rate = (params[name] for name in SCHEDULE_PARAMETERS)
        others = {name: value for name, value in params.items() if name not in SCHEDULE_PARAMETERS}
        return cls(initial, decay, decay_rate, tuple(others.items()))

    def is_like(self, other: Setting) -> bool:
        """Return whether two settings train alike: a constant rate's decay rate has no effect."""
        if self.decay == other.decay == "constant":
            return replace(self, decay_rate=other.decay_rate) == other
        return self == other

    @property
    def schedule_params(self) -> dict[str, Any]:
        """Return the parameters that are always searched, by name."""
        return {name: getattr(self, name) for name in SCHEDULE_PARAMETERS}

    @property
    def params(self) -> dict[str, Any]:
        """Return all parameters by name, for ``set_params``."""
        return {**self.schedule_params, **dict(self.others)}

    @property
    def effective_params(self) -> dict[str, Any]:
        """Return the parameters that have an effect: a constant rate has no decay rate.

        Examples
        --------
        >>> Setting(0.1, "constant", 0.5, (("alpha", 0.0),)).effective_params
        {'learning_rate_init': 0.1, 'decay': 'constant', 'alpha': 0.0}
        """
        is_constant = self.decay == "constant"
        return {n: v for n, v in self.params.items() if not (is_constant and n == "decay_rate")}


LEARNING_RATE_FREE = Setting(DEFAULT_RATES["dog"], "constant", 0.0, (("optimizer", "dog"),))
"""A baseline that needs no learning rate."""
