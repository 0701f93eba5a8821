"""The loss at rates around the recommended one, on fresh replicates, and the safe range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.tuning.sampling.loss_model import LossModel
from lrtune.tuning.setting import Setting

Array = npt.NDArray[Any]

FACTORS = tuple(float(factor) for factor in np.logspace(-1, 1, 9))
"""Factors of α₀ that the profile measures; the one in the middle is 1."""
SAFE_MARGIN = 0.1
"""A rate is safe if its mean loss is at most this share above that of the recommended one."""

PREDICTED_FACTORS = 41
"""Multiples of α₀ at which the model predicts the loss."""
MOST_DIVERGED = 0.05
"""Probability of divergence, by the model, at a rate that is still predicted to be safe."""
NEXT_FACTOR = 1.1
"""Least factor between the recommended rate and the ends of its safe range that are trained."""


def around(
    setting: Setting, floor: float = 0.0, factors: Sequence[float] = FACTORS
) -> list[Setting]:
    """Return the settings with multiples of a setting's rate.

    A rate below `floor`, the network's min_learning_rate, lowers that too.
    """
    settings = []
    for factor in factors:
        rate, others = setting.learning_rate_init * factor, dict(setting.others)
        if rate < floor:
            others["min_learning_rate"] = rate
        settings.append(replace(setting, learning_rate_init=rate, others=tuple(others.items())))
    return settings


def safe_factors(model: LossModel, params: Mapping[str, Any]) -> tuple[float, float]:
    """Return the lowest and highest multiple of a rate that the model predicts to be safe.

    Its loss is within `SAFE_MARGIN` of that at the rate itself, also one standard deviation of the
    difference worse, and it is unlikely to diverge.
    """
    factors = np.logspace(-1, 1, PREDICTED_FACTORS)
    rate, middle = params["learning_rate_init"], len(factors) // 2
    settings = [{**params, "learning_rate_init": rate * factor} for factor in factors.tolist()]
    belief = model.predict(settings)
    mean, covariance = belief.loss
    variance = np.diag(covariance) + covariance[middle, middle] - 2 * covariance[middle]
    losses = model.scale.back(mean + np.sqrt(np.maximum(variance, 0.0)))
    own = float(model.scale.back(mean[middle]))
    is_safe = (losses <= own + SAFE_MARGIN * abs(own)) & (belief.divergence() <= MOST_DIVERGED)
    low = high = middle
    while low > 0 and is_safe[low - 1]:
        low -= 1
    while high < len(factors) - 1 and is_safe[high + 1]:
        high += 1
    return float(factors[low]), float(factors[high])


@dataclass(frozen=True)
class Profile:
    """Losses of one decay at several α₀, on replicates that were not used to choose it.

    Attributes
    ----------
    rates : tuple of float
        α₀, ascending; `FACTORS` times the recommended one.
    losses : tuple of (tuple of float or None)
        By rate and replicate; all None if the rate diverged on any of them.
    initial_loss : float
        Mean loss of the untrained network.
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float | None, ...], ...]
    initial_loss: float

    @classmethod
    def of(cls, rates: list[float], losses: Array, initial_loss: float) -> Self:
        """Return the profile of losses ``(n_rates, n_replicates)``, inf where a rate diverged."""
        rows = tuple(
            tuple(row.tolist()) if np.isfinite(row).all() else (None,) * len(row) for row in losses
        )
        return cls(tuple(rates), rows, initial_loss)

    @property
    def mean(self) -> Array:
        """Return the mean loss at each rate; inf where it diverged on any replicate."""
        return np.array([np.inf if None in row else np.mean(row) for row in self.losses])  # type: ignore[arg-type]

    @property
    def error(self) -> Array:
        """Return the standard error at each rate; NaN where it diverged, or with one replicate."""
        n = len(self.losses[0])
        if n < 2:
            return np.full(len(self.rates), np.nan)
        return np.array(
            [
                np.nan if None in row else np.std(np.array(row, dtype=float), ddof=1) / np.sqrt(n)
                for row in self.losses
            ]
        )

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """Return the lowest and highest α₀ with a loss within `SAFE_MARGIN` of the recommended.

        The ends are interpolated on logarithmic rates between the last safe rate and the first
        unsafe one, but never towards a rate that diverged. None if the recommended rate diverged,
        or if no other was measured.
        """
        if len(self.rates) == 1 or not np.isfinite(self.mean[self._middle]):
            return None
        return self._end(-1), self._end(+1)

    @property
    def _middle(self) -> int:
        return len(self.rates) // 2

    def _end(self, direction: int) -> float:
        mean, index = self.mean, self._middle
        limit = mean[index] + SAFE_MARGIN * abs(mean[index])
        while 0 <= index + direction < len(mean) and mean[index + direction] <= limit:
            index += direction
        beyond = index + direction
        inner = self.rates[index]
        if not (0 <= beyond < len(mean) and np.isfinite(mean[beyond])):
            return inner
        share = (limit - mean[index]) / (mean[beyond] - mean[index])
        return float(inner * (self.rates[beyond] / inner) ** share)

    @property
    def is_bounded(self) -> tuple[bool, bool]:
        """Return whether the safe range ends below, and above, at a rate measured as unsafe."""
        safe = self.safe_range
        if safe is None:
            return (False, False)
        return (safe[0] > self.rates[0], safe[1] < self.rates[-1])

    @property
    def sensitivity(self) -> float:
        """Return the learning-rate sensitivity: the mean over the rates of the loss above the best.

        A loss is at most that of the untrained network, which is also used for a diverged rate
        (Wortsman et al. 2023, "Small-scale proxies for large-scale Transformer training
        instabilities", eq. 1).
        """
        capped = np.minimum(self.mean, self.initial_loss)
        return float((capped - capped.min()).mean())

    def to_json(self) -> dict[str, Any]:
        """Return the profile as JSON values."""
        return {
            "rates": list(self.rates),
            "losses": [list(row) for row in self.losses],
            "initial_loss": self.initial_loss if math.isfinite(self.initial_loss) else None,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the profile of the JSON values of `to_json`."""
        initial = values["initial_loss"]
        return cls(
            tuple(values["rates"]),
            tuple(tuple(row) for row in values["losses"]),
            math.inf if initial is None else initial,
        )
