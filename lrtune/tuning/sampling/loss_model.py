"""A model of the loss over settings: a Gaussian process of its logarithm, and one of divergence.

Losses on different replicates differ by how hard these are, so each replicate has an effect of its
own in the model. A diverged setting has no loss: where settings diverge is learned apart from the
others' losses, which a cliff would bend (least-squares classification: Rasmussen and Williams 2006,
section 6.5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import special

from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.gaussian_process import (
    Features,
    Hyperparameters,
    Posterior,
    condition,
    fit,
)

Array = npt.NDArray[Any]

MOST = 256
"""Limit on the observations that the model holds: the best half, and a random sample."""
MOST_FITTED = 96
"""Limit on those that set its hyperparameters."""
BEST_SHARE = 0.1
"""Losses are compared on the scale of log(loss + their quantile of this order)."""
LOSSES = Hyperparameters(signal=1.0, replicate=0.3, noise=0.2)
"""Medians of the prior, on the scale of `LogScale`."""
DIVERGENCE = Hyperparameters(signal=1.0, replicate=0.01, noise=0.3)
"""Model of divergence: -1 where a setting trains to the end, +1 where it diverges."""
CLIFF = 10.0
"""Penalty of a setting that diverges, in standard deviations of the losses."""
BOLDNESS = 0.5
"""Factor of the deviation of a draw from the mean: a smaller one explores less."""
JITTER = 1e-6


@dataclass(frozen=True)
class Observation:
    """One setting's training.

    Attributes
    ----------
    params : mapping
    value : float
        Mean over the replicates, smaller is better; NaN if it diverged.
    replicates : tuple of int
        Empty if they are not known: then it is one that no other observation shares.
    """

    params: Mapping[str, Any]
    value: float
    replicates: tuple[int, ...] = ()

    @property
    def diverged(self) -> bool:
        return not np.isfinite(self.value)


@dataclass(frozen=True)
class LogScale:
    """The scale ``y = (log(value + shift) - center) / spread`` on which losses are modelled.

    ``value + shift`` is at least `floor`, that of the best value: a better one has no logarithm of
    its own.
    """

    shift: float
    center: float
    spread: float
    floor: float

    @classmethod
    def of(cls, values: Array) -> Self:
        """Return the scale of values, which may be losses or negative metrics."""
        lowest = float(values.min())
        if lowest > 0:
            shift = float(np.quantile(values, BEST_SHARE))
        else:  # a metric has no natural zero: the best value is given one
            shift = float(np.quantile(values, 0.25)) - 2 * lowest
            shift = max(shift, 1e-3 * (float(values.max()) - lowest) - lowest)
            shift = shift if shift + lowest > 0 else 1.0 - lowest
        logarithms = np.log(values + shift)
        return cls(
            shift, float(np.median(logarithms)), float(logarithms.std()) or 1.0, shift + lowest
        )

    def gap(self, values: Array) -> Array:
        return np.maximum(values + self.shift, self.floor)

    def to(self, values: Array) -> Array:
        return np.asarray((np.log(self.gap(values)) - self.center) / self.spread)

    def back(self, y: Array) -> Array:
        return np.asarray(np.exp(y * self.spread + self.center) - self.shift)


@dataclass(frozen=True)
class Belief:
    """Predictions at settings: the mean and covariance of y, and those of divergence."""

    loss: tuple[Array, Array]
    edge: tuple[Array, Array] | None

    def bound(self, errors: float) -> Array:
        """Return the mean plus some standard deviations, and the expected penalty."""
        mean, covariance = self.loss
        spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        return np.asarray(mean + errors * spread + CLIFF * self.divergence(errors))

    def divergence(self, errors: float = 0.0) -> Array:
        """Return the probability of divergence, with some standard deviations of caution."""
        if self.edge is None:
            return np.zeros(len(self.loss[0]))
        mean, covariance = self.edge
        return np.asarray(special.ndtr(mean / np.sqrt(np.diag(covariance) + JITTER) + errors))

    @cached_property
    def _factors(self) -> list[tuple[Array, Array]]:
        """Return the means and Cholesky factors."""
        parts = [self.loss, *([] if self.edge is None else [self.edge])]
        return [(mean, _factor(covariance)) for mean, covariance in parts]

    def draw(self, rng: np.random.Generator) -> Array:
        """Return a draw of y, with a penalty where it diverges (Thompson sampling)."""
        draws = [
            mean + BOLDNESS * (factor @ rng.standard_normal(len(mean)))
            for mean, factor in self._factors
        ]
        penalties = [CLIFF * np.maximum(0.0, draw) for draw in draws[1:]]
        return np.asarray(sum(penalties, start=draws[0]))


@dataclass(frozen=True)
class LossModel:
    """The loss over settings, given observations of which one at least has a value."""

    encoder: Encoder
    observations: tuple[Observation, ...]
    scale: LogScale
    losses: Posterior
    edge: Posterior | None
    columns: Mapping[int, int]
    """Column of each replicate in the random effects."""

    @classmethod
    def fit(cls, encoder: Encoder, observations: Sequence[Observation], seed: int = 0) -> Self:
        """Fit the model to observations; of many, to the best ones and a sample of the others."""
        chosen = subsample(observations, MOST, seed)
        features = encoder.features([each.params for each in chosen])
        completed = np.array([not each.diverged for each in chosen])
        values = np.array([each.value for each in chosen])[completed]
        scale = LogScale.of(values)
        membership, columns = _membership([each for each in chosen if not each.diverged])
        losses = _condition(features.at(completed), membership, scale.to(values), seed)
        edge = None
        if not completed.all():
            labels = np.where(completed, 0.0, 2.0)  # around a mean of -1
            prior = replace(DIVERGENCE, lengths=tuple(features.lengths.tolist()))
            edge = condition(features, np.eye(len(chosen)), labels, prior)
        return cls(encoder, tuple(chosen), scale, losses, edge, columns)

    def predict(self, settings: Sequence[Mapping[str, Any]]) -> Belief:
        """Return the predictions at settings, of a replicate of average difficulty."""
        features = self.encoder.features(settings)
        edge = None
        if self.edge is not None:
            mean, covariance = self.edge.predict(features)
            edge = mean - 1.0, covariance
        return Belief(self.losses.predict(features), edge)

    def best(self, n: int) -> list[Mapping[str, Any]]:
        """Return the n settings, of those observed to the end, with the lowest mean."""
        mean = self.losses.mean(self.losses.features)
        settings = [each.params for each in self.observations if not each.diverged]
        return [settings[index] for index in np.argsort(mean, kind="stable")[:n]]

    def adjust(self, observation: Observation) -> tuple[float, float]:
        """Return an observation's value on a replicate of average difficulty, and its error.

        The error is that of the replicate's effect.
        """
        effects, errors = self.losses.effects()
        index = [self.columns[each] for each in observation.replicates if each in self.columns]
        if not index or observation.diverged:
            return observation.value, 0.0
        shift, spread, value = self.scale.shift, self.scale.spread, observation.value
        effect, error = (spread * float(each[index].mean()) for each in (effects, errors))
        if value > 0 and effect > 0:  # equal to the first order, and a loss stays positive
            adjusted = value * math.exp(-effect * (value + shift) / value)
            return adjusted, error * (adjusted + shift)
        gap = float(self.scale.gap(np.array(value)))
        return value + gap * (math.exp(-effect) - 1), error * gap * math.exp(-effect)


def subsample(observations: Sequence[Observation], most: int, seed: int) -> list[Observation]:
    """Return the observations, or of many the best half and a random sample, in their order."""
    values = [np.inf if each.diverged else each.value for each in observations]
    return [observations[index] for index in best_and_sample(values, most, seed)]


def best_and_sample(values: Sequence[float], most: int, seed: int) -> list[int]:
    """Return all indices in order, or of many those of the lowest values and of a random sample."""
    if len(values) <= most:
        return list(range(len(values)))
    ranked = np.argsort(values, kind="stable")
    rng = np.random.default_rng(seed)
    sample = rng.choice(ranked[most // 2 :], most - most // 2, replace=False)
    return sorted([*ranked[: most // 2].tolist(), *sample.tolist()])


def _membership(observations: Sequence[Observation]) -> tuple[Array, dict[int, int]]:
    """Return the share of each replicate in each observation, and the replicates' columns."""
    numbers = dict.fromkeys(number for each in observations for number in each.replicates)
    columns = {number: column for column, number in enumerate(numbers)}
    n_alone = sum(not each.replicates for each in observations)
    shares = np.zeros((len(observations), len(columns) + n_alone))
    alone = len(columns)
    for row, each in zip(shares, observations, strict=True):
        if each.replicates:
            for number in each.replicates:
                row[columns[number]] += 1 / len(each.replicates)
        else:
            row[alone] = 1.0
            alone += 1
    return shares, columns


def _condition(features: Features, membership: Array, values: Array, seed: int) -> Posterior:
    """Return the process given all values, with the hyperparameters of a part of many."""
    prior = replace(LOSSES, lengths=tuple(features.lengths.tolist()))
    part: Any = slice(None)
    if len(values) > MOST_FITTED:
        rng = np.random.default_rng(seed)
        part = np.sort(rng.choice(len(values), MOST_FITTED, replace=False))
    hyperparameters = fit(features.at(part), membership[part], values[part], prior)
    return condition(features, membership, values, hyperparameters)


def _factor(covariance: Array) -> Array:
    """Return the Cholesky factor of a covariance that rounding may have left indefinite."""
    jitter = JITTER * max(1.0, float(np.trace(covariance)) / len(covariance))
    return np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))))
