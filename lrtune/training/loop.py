"""The lockstep loop: a population and its schedules, epoch by epoch."""

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
    """What an epoch gave, for the k settings still in training.

    Attributes
    ----------
    settings : ndarray of int, shape (k,)
        Which of the population's settings these are.
    rates : ndarray of shape (k,)
        Learning rate at the epoch's first step.
    training_loss : ndarray of shape (k,)
        Mean loss over the epoch's rows as they were visited, without the L2 term.
    validation_loss : ndarray of shape (k,) or None
        Mean loss at the end of the epoch, if there are rows to validate with.
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
    epochs: int,
    rng: np.random.Generator,
    validation: Batches | None = None,
    shuffle: bool = True,
    first_epoch: int = 0,
    feedback: Feedback | None = None,
    watched: Batches | None = None,
) -> Iterator[Epoch]:
    """Train a population epoch by epoch.

    Between two epochs the caller may drop settings with ``population.keep``. The iteration ends
    early when no setting is left.

    Parameters
    ----------
    population : Population
        Freshly made, or trained before (training goes on from its parameters).
    schedules : sequence of Schedule
        One per setting of the population, by original index.
    rows : Batches
        Training rows.
    epochs : int
        Passes over the training rows.
    rng : numpy.random.Generator
        Draws the order of the rows.
    validation : Batches, optional
        Rows for the loss at the end of each epoch; a setting whose validation loss has diverged
        leaves the stack.
    shuffle : bool, default=True
        Visit the rows in a new order in every epoch.
    first_epoch : int, default=0
        Epochs trained before, where the schedules go on.
    feedback : Feedback, optional
        What loss-driven decays remember of the epochs before; by default nothing.
    watched : Batches, optional
        Rows whose loss drives these decays; by default the validation rows, or else the
        training loss.

    Yields
    ------
    Epoch
        For the settings still in the stack.
    """
    if feedback is None:
        feedback = Plateau(schedules)
    steps = population.steps_per_epoch(len(rows))
    for table in epoch_rates(schedules, epochs, steps, first_epoch=first_epoch):
        rates = feedback.apply(table) if feedback.follows else table
        order = rng.permutation(len(rows)) if shuffle else np.arange(len(rows))
        training = population.train_epoch(rows, rates[:, population.settings], order)
        loss = None
        if validation is not None and len(population):
            loss = population.evaluate(validation)
            kept = population.drop_diverged(loss, validation)
            if len(population) < len(loss):
                loss, training = loss[kept], training[kept]
        if not len(population):
            return
        if feedback.follows:
            told = training if loss is None else loss
            told = told if watched is None else population.evaluate(watched)
            _feed_back(feedback, population, told, len(schedules))
        yield Epoch(population.settings, rates[0, population.settings], training, loss)
        if not len(population):
            return


def _feed_back(feedback: Feedback, population: Population, loss: Array, n_settings: int) -> None:
    """Spread the losses of the settings still in the stack over all of them."""
    losses = np.full(n_settings, np.inf)
    losses[population.settings] = loss
    feedback.update(losses)
