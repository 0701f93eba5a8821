"""The range of one further parameter, as an Optuna distribution and the values of its labels."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)

from lrtune.exceptions import InvalidInputError


@dataclass(frozen=True)
class Dimension:
    """A further parameter's range.

    Attributes
    ----------
    distribution : BaseDistribution
    labels : tuple of (str, value)
        The value of each choice, where Optuna draws a label as it cannot store the value itself.

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
        """Return the dimension of a list of choices, a (low, high) tuple or a distribution.

        A range of positive numbers is logarithmic; two integers make a range of integers.
        """
        if isinstance(spec, BaseDistribution):
            return cls(spec)
        if isinstance(spec, list) and spec:
            if all(isinstance(value, bool | int | float | str | None) for value in spec):
                return cls(CategoricalDistribution(spec))
            labels = _label(map(_plain, spec))
            return cls(CategoricalDistribution([label for label, _ in labels]), labels)
        if isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(v, Real) for v in spec):
            low, high = spec
            if low <= high and math.isfinite(low) and math.isfinite(high):
                if all(isinstance(v, Integral) for v in spec):
                    return cls(IntDistribution(int(low), int(high), log=low > 0))
                return cls(FloatDistribution(float(low), float(high), log=low > 0))
        raise InvalidInputError(
            f"`{name}` must be searched over a list of choices, a (low, high) tuple or an Optuna "
            f"distribution, but got {spec!r}"
        )

    def label(self, value: Any) -> Any:
        """Return a value's label; a value without one is its own label."""
        return next((label for label, each in self.labels if each == value), value)

    def value(self, label: Any) -> Any:
        """Return the value of a label."""
        return dict(self.labels).get(label, label) if self.labels else label

    def to_json(self) -> dict[str, Any]:
        return {
            "distribution": json.loads(distribution_to_json(self.distribution)),
            "values": [value for _, value in self.labels],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        distribution = json_to_distribution(json.dumps(values["distribution"]))
        return cls(distribution, _label(map(_plain, values["values"])))

    @property
    def ends(self) -> tuple[Any, ...]:
        """Return the lowest and highest value of a range, or all choices."""
        if isinstance(self.distribution, CategoricalDistribution):
            return tuple(self.value(choice) for choice in self.distribution.choices)
        if isinstance(self.distribution, FloatDistribution | IntDistribution):
            return (self.distribution.low, self.distribution.high)
        return ()


def _label(values: Iterable[Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((repr(value), value) for value in values)


def _plain(value: Any) -> Any:
    """Return a sequence as a tuple, of Python numbers in place of NumPy's."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(each.item() if isinstance(each, np.generic) else each for each in value)


def holds(distribution: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution may draw a value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101
    kind = Real if isinstance(distribution, FloatDistribution) else Integral
    return isinstance(value, kind) and bool(distribution._contains(float(value)))


def at_share(distribution: BaseDistribution, share: float) -> Any:
    """Return the value at a share, in [0, 1), of a distribution's range or choices."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101
    low, high = float(distribution.low), float(distribution.high)
    if isinstance(distribution, IntDistribution):
        low, high = low - 0.5, high + 0.5
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    if distribution.step is not None and not distribution.log:
        steps = round((value - distribution.low) / distribution.step)
        value = distribution.low + steps * distribution.step
    value = min(max(value, distribution.low), distribution.high)
    return round(value) if isinstance(distribution, IntDistribution) else value


def share_of(distribution: BaseDistribution, value: Any) -> float:
    """Return the place of a value in its range, in [0, 1], on the range's own scale.

    Examples
    --------
    >>> round(share_of(FloatDistribution(0.01, 1.0, log=True), 0.1), 6)
    0.5
    """
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101
    low, high, value = float(distribution.low), float(distribution.high), float(value)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return 0.5 if low == high else (value - low) / (high - low)
