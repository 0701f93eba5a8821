"""The training loop: a population follows its schedules, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.schedules.plateau import Feedback, Plateau
from lrtune.schedules.schedule import Schedule, epoch_rates
from lrtune.training.batches import Batches
from lrtune.training.population import Population

__all__ = ["Epoch", "train"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Epoch:
    """Results of one epoch, for the k settings still in training.

    Attributes
    ----------
    settings : ndarray of int, shape (k,)
        Indices of these settings in the population.
    rates : ndarray of shape (k,)
        Learning rates at the first step.
    training_loss : ndarray of shape (k,)
        Mean of the losses before each update, without the L2 term.
    validation_loss : ndarray of shape (k,) or None
        Mean loss on the validation rows, if there are any, after the last update.
    """

    settings: Array
    rates: Array
    training_loss: Array
    validation_loss: Array | None


def train(
    population: Population,
    schedules: Sequence[Schedule],
    rows: Batches,
    *,
    epochs: range,
    rng: np.random.Generator | None,
    validation: Batches | None = None,
    feedback: Feedback | None = None,
    feedback_rows: Batches | None = None,
) -> Iterator[Epoch]:
    """Train a population and yield each epoch, until no setting is left.

    Settings that diverge on a batch or on the validation rows leave the population. Between two
    epochs the caller may drop others with ``population.keep``.

    Parameters
    ----------
    population : Population
        New, or trained before: training goes on from its parameters.
    schedules : sequence of Schedule
        One per original setting of the population.
    rows : Batches
        Training rows.
    epochs : range
        Epochs to train, from 0 on the first time.
    rng : numpy.random.Generator or None
        Shuffles the rows in every epoch; None keeps their order.
    validation : Batches, optional
        Rows for the loss at the end of each epoch.
    feedback : Feedback, optional
        State of loss-driven decays that training goes on with; by default a new one.
    feedback_rows : Batches, optional
        Rows whose loss drives these decays; by default the validation rows, or without these the
        training loss.
    """
    if feedback is None:
        feedback = Plateau(schedules)
    steps = population.steps_per_epoch(len(rows))
    for table in epoch_rates(schedules, epochs, steps):
        rates = feedback.apply(table) if feedback.active else table
        order = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
        training_loss = population.train_epoch(rows, rates[:, population.settings], order)
        validation_loss = None
        if validation is not None and len(population):
            validation_loss = population.evaluate(validation)
            kept = population.drop_diverged(validation_loss, validation)
            if len(population) < len(kept):
                validation_loss, training_loss = validation_loss[kept], training_loss[kept]
        if not len(population):
            return
        if feedback.active:
            losses = np.full(len(schedules), np.inf)
            if feedback_rows is not None:
                losses[population.settings] = population.evaluate(feedback_rows)
            else:
                losses[population.settings] = (
                    training_loss if validation_loss is None else validation_loss
                )
            feedback.update(losses)
        settings = population.settings
        yield Epoch(settings, rates[0, settings], training_loss, validation_loss)
        if not len(population):
            return
