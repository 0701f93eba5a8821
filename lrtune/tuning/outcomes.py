"""Judging settings: train them in lockstep on every replicate and say what came of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from lrtune.base import RandomStreams, one_blas_thread
from lrtune.data import Replicate
from lrtune.training.network import LOSSES
from lrtune.training.population import Batches, Epoch, Population, population_size, train
from lrtune.tuning.space import Setting

__all__ = [
    "DivergedAt",
    "Outcome",
    "Prepared",
    "judge",
    "prepare",
    "split_pipeline",
]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """A replicate's rows, preprocessed and encoded, and the estimator that encoded them."""

    model: Any
    rows: Batches
    validation: Batches
    seed: int

    @property
    def guess_loss(self) -> float:
        """Validation loss of a prediction that ignores the input, in the target's own unit."""
        loss: str = self.model._loss
        return LOSSES[loss].guess(self.validation.y) * float(self.model.loss_unit)


def split_pipeline(estimator: Any) -> tuple[Pipeline | None, Any]:
    """The transformers before the network, if any, and the network."""
    if isinstance(estimator, Pipeline):
        return (estimator[:-1] if len(estimator) > 1 else None), estimator[-1]
    return None, estimator


def prepare(estimator: Any, X: Any, y: Any, replicate: Replicate) -> Prepared:
    """Preprocess and encode a replicate; whatever is learned is learned on its training rows.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or a Pipeline that ends in one
        Not changed.
    X : array_like or DataFrame of shape (n, n_features)
    y : array_like of shape (n,) or (n, n_outputs)
    replicate : Replicate
    """
    transformers, model = split_pipeline(estimator)
    parts = (_safe_indexing(X, replicate.train), _safe_indexing(X, replicate.validation))
    y_train, y_validation = (
        _safe_indexing(y, replicate.train),
        _safe_indexing(y, replicate.validation),
    )
    if transformers is not None:
        transformers = clone(transformers)
        parts = (transformers.fit_transform(parts[0], y_train), transformers.transform(parts[1]))
    model = clone(model).set_params(random_state=replicate.seed)
    rows = model.learn_encoding(parts[0], y_train)
    return Prepared(model, rows, model.encode(parts[1], y_validation), replicate.seed)


@dataclass(frozen=True)
class DivergedAt:
    """Where a trial diverged: replicate and epoch counted from 1, updates made before in all."""

    replicate: int
    epoch: int
    step: int
    loss: float | None
    """The loss there; None if it was not finite."""


@dataclass(frozen=True)
class Outcome:
    """What came of one setting.

    Attributes
    ----------
    setting : Setting
    validation_curves : ndarray of shape (R, E)
        Validation loss of each replicate at the end of each epoch, in the target's own unit; E
        is the number of epochs that all replicates finished.
    scores : ndarray of shape (R,) or None
        Accuracy or R² at the last epoch; None if the trial diverged.
    epochs : float
        Epochs trained, over all replicates; fractional where one was broken off.
    diverged : DivergedAt or None
        Where it diverged, if it did. It was then stopped on every replicate.
    """

    setting: Setting
    validation_curves: Array
    scores: Array | None
    epochs: float
    diverged: DivergedAt | None = None


def judge(replicates: Sequence[Prepared], settings: Sequence[Setting]) -> list[Outcome]:
    """Train settings on every replicate, in populations that fit the cache.

    The replicates advance together, epoch by epoch: a setting that diverges on one is dropped
    from all at once.

    Parameters
    ----------
    replicates : sequence of Prepared
    settings : sequence of Setting

    Returns
    -------
    list of Outcome
        In the order of `settings`.
    """
    first = replicates[0]
    network = first.model.make_population(first.rows, 1, np.random.default_rng(0)).network
    size = population_size(network, first.model.batch_size, first.rows.X.dtype)
    outcomes: list[Outcome] = []
    with one_blas_thread():
        for start in range(0, len(settings), size):
            outcomes += _Lockstep(replicates, settings[start : start + size]).run()
    return outcomes


class _Lockstep:
    """One population per replicate, advancing together."""

    def __init__(self, replicates: Sequence[Prepared], settings: Sequence[Setting]) -> None:
        self.replicates = replicates
        self.settings = settings
        self.n_epochs: int = replicates[0].model.max_iter
        self.populations: list[Population] = []
        self.trainings: list[Iterator[Epoch]] = []
        for replicate in replicates:
            population, training = _start(replicate, settings)
            self.populations.append(population)
            self.trainings.append(training)
        shape = (len(replicates), len(settings))
        self.losses = np.full((*shape, self.n_epochs), np.nan)
        self.epochs_done = np.zeros(shape)
        self.diverged: dict[int, DivergedAt] = {}

    def run(self) -> list[Outcome]:
        for epoch in range(self.n_epochs):
            for index in range(len(self.replicates)):
                if len(self.populations[index]):
                    self._advance(index, epoch)
        scores = self._scores()
        return [self._outcome(index, scores.get(index)) for index in range(len(self.settings))]

    def _scores(self) -> dict[int, Array]:
        """Scores ``(R,)`` of the settings that trained to the end on every replicate."""
        survivors = self.populations[0].settings.tolist()
        if not survivors:
            return {}
        scores = [
            replicate.model.score_outputs(
                population.outputs(replicate.validation.X), replicate.validation.y
            )
            for replicate, population in zip(self.replicates, self.populations, strict=True)
        ]
        return dict(zip(survivors, np.transpose(scores), strict=True))

    def _advance(self, index: int, epoch: int) -> None:
        """Train one replicate for one epoch; drop what diverged there from all replicates."""
        population, replicate = self.populations[index], self.replicates[index]
        trained = next(self.trainings[index], None)
        if trained is not None and trained.validation_loss is not None:
            loss = trained.validation_loss * replicate.model.loss_unit
            self.losses[index, trained.settings, epoch] = loss
            self.epochs_done[index, trained.settings] = epoch + 1
        gone = [setting for setting in population.diverged if setting not in self.diverged]
        for setting in gone:
            at = population.diverged[setting]
            loss_there = at.loss if np.isfinite(at.loss) else None
            self.diverged[setting] = DivergedAt(index + 1, epoch + 1, at.step, loss_there)
            steps = population.steps_per_epoch(len(replicate.rows))
            self.epochs_done[index, setting] = at.step / steps
        if gone:
            for other in self.populations:
                other.keep(~np.isin(other.settings, gone))

    def _outcome(self, index: int, scores: Array | None) -> Outcome:
        finished = int(np.isfinite(self.losses[:, index]).all(axis=0).sum())
        return Outcome(
            self.settings[index],
            self.losses[:, index, :finished],
            scores,
            float(self.epochs_done[:, index].sum()),
            self.diverged.get(index),
        )


def _start(replicate: Prepared, settings: Sequence[Setting]) -> tuple[Population, Iterator[Epoch]]:
    streams = RandomStreams(replicate.seed)
    model = replicate.model
    population: Population = model.make_population(replicate.rows, len(settings), streams.weights)
    schedules = [clone(model).set_params(**asdict(setting)).schedule() for setting in settings]
    training = train(
        population,
        schedules,
        replicate.rows,
        epochs=model.max_iter,
        rng=streams.rows,
        validation=replicate.validation,
        shuffle=model.shuffle,
    )
    return population, training
