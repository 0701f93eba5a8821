"""The profile: how the loss depends on α₀ around the recommended setting, on fresh replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lrtune.tuning.space import Setting

__all__ = ["FACTORS", "Profile", "SAFE_MARGIN", "around"]

Array = npt.NDArray[Any]

FACTORS = tuple(float(factor) for factor in np.logspace(-1, 1, 9))
"""Of α₀, a tenth to tenfold; the one in the middle is 1."""
SAFE_MARGIN = 0.1
"""A rate is safe if its mean loss is at most this share above that of the recommended one."""


def around(setting: Setting, floor: float = 0.0) -> list[Setting]:
    """The settings of a profile: the same decay from rates below to rates above.

    A rate below `floor`, the network's min_learning_rate, lowers that with it.
    """
    profile = []
    for factor in FACTORS:
        rate, others = setting.learning_rate_init * factor, dict(setting.others)
        if rate < floor:
            others["min_learning_rate"] = rate
        profile.append(replace(setting, learning_rate_init=rate, others=tuple(others.items())))
    return profile


@dataclass(frozen=True)
class Profile:
    """Losses of one decay at several α₀, on replicates that had no part in choosing it.

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
        """From an array ``(n_rates, n_replicates)`` with inf where a rate diverged."""
        sound: list[bool] = [bool(np.isfinite(row).all()) for row in losses]
        rows = (
            tuple(float(loss) if fine else None for loss in row)
            for row, fine in zip(losses, sound, strict=True)
        )
        return cls(tuple(rates), tuple(rows), initial_loss)

    @property
    def mean(self) -> Array:
        """Mean loss at each rate; inf where it diverged on any replicate."""
        return np.array([np.inf if None in row else np.mean(row) for row in self.losses])  # type: ignore[arg-type]

    @property
    def error(self) -> Array:
        """Standard error of the mean at each rate; NaN where it diverged or is not known."""
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
        """α₀ with a mean loss within `SAFE_MARGIN` of the recommended one's, and no divergence.

        The stretch around the recommended rate; between the last safe rate and the first that is
        not, the end is interpolated on logarithmic rates, but never into a rate that diverged on
        any replicate. None if the recommended rate itself did.
        """
        if not np.isfinite(self.mean[self._middle]):
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
        """Whether an unsafe rate was met below, and above, the safe range."""
        safe = self.safe_range
        return (safe is not None and safe[0] > self.rates[0], _ends_inside(safe, self.rates))

    @property
    def sensitivity(self) -> float:
        """Learning-rate sensitivity: expected loss above the best over the rates of the profile.

        Rates are weighed evenly on a logarithmic scale; a loss counts at most as much as that of
        the untrained network, which is also what a diverged rate counts as. After Wortsman et al.
        (2023), "Small-scale proxies for large-scale Transformer training instabilities", eq. 1,
        over a tenth to tenfold the recommended rate.
        """
        capped = np.minimum(self.mean, self.initial_loss)
        return float((capped - capped.min()).mean())

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rates": list(self.rates),
            "losses": [list(row) for row in self.losses],
            "initial_loss": self.initial_loss if math.isfinite(self.initial_loss) else None,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From what `to_dict` gave."""
        initial = values["initial_loss"]
        return cls(
            tuple(values["rates"]),
            tuple(tuple(row) for row in values["losses"]),
            math.inf if initial is None else initial,
        )


def _ends_inside(safe: tuple[float, float] | None, rates: tuple[float, ...]) -> bool:
    return safe is not None and safe[1] < rates[-1]
