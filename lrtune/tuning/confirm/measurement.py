"""The loss at rates around the recommended one, on fresh replicates, and the safe range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.tuning.confirm.errors import standard_error, upper_bound
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.replicates import Folds

if TYPE_CHECKING:
    from lrtune.tuning.sampling.loss_model import LossModel

Array = npt.NDArray[Any]

FACTORS = tuple(float(factor) for factor in np.logspace(-1, 1, 9))
"""Factors of α₀ that the profile measures; the one in the middle is 1."""
SAFE_MARGIN = 0.1
"""A rate is safe if its mean loss is at most this share above that of the recommended one; see
`margin` for a metric."""
SURENESS = 0.975
"""One-sided confidence that the loss at an end of the safe range is within that margin."""
PREDICTED_FACTORS = 41
"""Multiples of α₀ at which the model predicts the loss."""
MOST_DIVERGED = 0.05
"""Probability of divergence, by the model, at a rate that is still predicted to be safe."""
NEXT_FACTOR = 1.1
"""Least factor between the recommended rate and the ends of its safe range that are trained."""


def margin(value: float, ideal: float | None = None, share: float = SAFE_MARGIN) -> float:
    """Return how much worse than a recorded value is still within a share of it.

    The share is one of the value's size. Of a metric with an `ideal`, it is one of the distance to
    that, the error: 10 % of an accuracy of 0.95 would let twice as many errors more pass as there
    are.

    Examples
    --------
    >>> margin(0.5), round(margin(-0.95, ideal=-1.0), 3)
    (0.05, 0.005)
    """
    return share * abs(value if ideal is None else value - ideal)


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


def safe_factors(
    model: LossModel, params: Mapping[str, Any], ideal: float | None = None
) -> tuple[float, float]:
    """Return the lowest and highest multiple of a rate that the model predicts to be safe.

    It is surely within the `margin` of that at the rate itself, and unlikely to diverge.
    """
    from scipy import special

    factors = np.logspace(-1, 1, PREDICTED_FACTORS)
    rate, middle = params["learning_rate_init"], len(factors) // 2
    settings = [{**params, "learning_rate_init": rate * factor} for factor in factors.tolist()]
    belief = model.predict(settings)
    mean, covariance = belief.loss
    variance = np.diag(covariance) + covariance[middle, middle] - 2 * covariance[middle]
    quantile = float(special.ndtri(SURENESS))
    losses = model.scale.back(mean + quantile * np.sqrt(np.maximum(variance, 0.0)))
    own = float(model.scale.back(mean[middle]))
    is_safe = (losses <= own + margin(own, ideal)) & (belief.divergence() <= MOST_DIVERGED)
    low = high = middle
    while low > 0 and is_safe[low - 1]:
        low -= 1
    while high < len(factors) - 1 and is_safe[high + 1]:
        high += 1
    return float(factors[low]), float(factors[high])


@dataclass(frozen=True)
class Profile:
    """Losses of one decay at several α₀, on replicates that were not used to choose it.

    They are minus the metric where one is confirmed.

    Attributes
    ----------
    rates : tuple of float
        α₀, ascending; `FACTORS` times the recommended one.
    losses : tuple of (tuple of float or None)
        By rate and replicate; all None if the rate diverged on any of them.
    initial_loss : float
        Mean loss of the untrained network; infinite if it is unknown, as of a metric.
    ceiling : float
        Rate from which on a similar setting diverged, or did not learn, in the search or the race.
    ideal : float or None
        Minus the best possible value of the metric, if it has one.
    fixed : Folds or None
        The splits, if they are not drawn at random: then the replicates are whole passes over them.
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float | None, ...], ...]
    initial_loss: float
    ceiling: float = math.inf
    ideal: float | None = None
    fixed: Folds | None = None

    @classmethod
    def of(cls, rates: list[float], losses: Array, initial_loss: float, **facts: Any) -> Self:
        """Return the profile of losses ``(n_rates, n_replicates)``, inf where a rate diverged."""
        rows = tuple(
            tuple(row.tolist()) if np.isfinite(row).all() else (None,) * len(row) for row in losses
        )
        return cls(tuple(rates), rows, initial_loss, **facts)

    @property
    def mean(self) -> Array:
        """Return the mean loss at each rate; inf where it diverged on any replicate."""
        return np.array([np.inf if None in row else np.mean(row) for row in self.losses])  # type: ignore[arg-type]

    @property
    def error(self) -> Array:
        """Return the standard error at each rate; NaN where it diverged, or with one replicate."""
        errors = [
            None if None in row else standard_error(np.array(row, dtype=float))
            for row in self.losses
        ]
        return np.array([np.nan if error is None else error for error in errors])

    @property
    def safe_range(self) -> tuple[float, float] | None:
        """Return the lowest and highest α₀ that are surely within the `margin` and never diverged.

        That is, at `SURENESS`, of the loss at the recommended rate. The ends are interpolated on
        logarithmic rates, between the last rate whose bound is within the margin and the first one
        whose bound is not. Next to a rate that diverged the range ends one measured rate earlier:
        the edge moves from seed to seed. None if the recommended rate diverged, or if no other was
        measured.
        """
        if len(self.rates) == 1 or not np.isfinite(self.mean[self._middle]):
            return None
        return self._end(-1), self._end(+1)

    @property
    def _middle(self) -> int:
        return len(self.rates) // 2

    @cached_property
    def _excess(self) -> Array:
        """Return the upper bound of the loss above that at the recommended rate; inf if diverged.

        Losses are compared on the same replicates.
        """
        losses = np.array([[np.inf if x is None else x for x in row] for row in self.losses])
        with np.errstate(invalid="ignore"):
            excess = losses - losses[self._middle]
        bounds = [
            upper_bound(row, SURENESS, self.fixed) if np.isfinite(row).all() else np.inf
            for row in excess
        ]
        bounds[self._middle] = 0.0
        return np.array(bounds)

    def _end(self, direction: int) -> float:
        bounds, index = self._excess, self._middle
        limit = margin(self.mean[index], self.ideal)
        is_usable = np.isfinite(self.mean)
        if direction > 0:
            is_usable &= np.array(self.rates) < self.ceiling
            is_usable[:-1] &= is_usable[1:]  # no end next to one that diverged
        while 0 <= (beyond := index + direction) < len(bounds):
            if not is_usable[beyond]:
                return self.rates[index]
            if bounds[beyond] > limit:
                share = (limit - bounds[index]) / (bounds[beyond] - bounds[index])
                return float(self.rates[index] * (self.rates[beyond] / self.rates[index]) ** share)
            index = beyond
        return self.rates[index]

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
            "ceiling": self.ceiling if math.isfinite(self.ceiling) else None,
            "ideal": self.ideal,
            "fixed": None if self.fixed is None else [self.fixed.count, self.fixed.test_ratio],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the profile of the JSON values of `to_json`."""
        initial, ceiling = values["initial_loss"], values.get("ceiling")
        fixed = values.get("fixed")
        return cls(
            tuple(values["rates"]),
            tuple(tuple(row) for row in values["losses"]),
            math.inf if initial is None else initial,
            math.inf if ceiling is None else ceiling,
            values.get("ideal"),
            None if fixed is None else Folds(fixed[0], fixed[1], is_fixed=True),
        )
