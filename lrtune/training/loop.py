"""The training loop: trains a population epoch by epoch, each setting by its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule, epoch_rates
from lrtune.training.population import Population
from lrtune.training.rows import Rows

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Epoch:
    """Results of one epoch for the k settings still in training; arrays of shape (k,)."""

    settings: Array
    """Original indices of these settings."""
    rates: Array
    """Learning rates at the first step."""
    training_loss: Array
    """Mean of the losses before each update, without the L2 term."""
    validation_loss: Array | None
    """Mean loss on the validation rows after the last update."""


def train(
    population: Population,
    schedules: Sequence[Schedule],
    rows: Rows,
    *,
    epochs: range,
    rng: np.random.Generator | None,
    validation: Rows | None = None,
    feedback: Plateau | None = None,
    feedback_rows: Rows | None = None,
) -> Iterator[Epoch]:
    """Train a population and yield each epoch, until no setting is left.

    There is one schedule per original setting of the population. `rng` shuffles the rows in every
    epoch; None keeps their order. Settings that diverge on a batch or on the validation rows leave
    the population; the caller may drop others between two epochs with ``population.keep``.

    To continue a training, pass its population, the next `epochs` and its `feedback`, the state of
    the plateau decay. That decay follows the loss on `feedback_rows`, by default on the validation
    rows, or without any the training loss.
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
