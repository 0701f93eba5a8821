"""A population: K settings on the same mini-batches, as stacked arrays.

All settings of a population share initial weights and mini-batch order, so that they differ by
their learning rates alone (common random numbers). Each setting's numbers are those that it would
get alone, bit for bit: every product is one BLAS call per setting, and no sum crosses settings.
(OpenBLAS kernels for processors from before 2008 depend on the alignment of a matrix in its last
bit; those since then do not.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.training.batches import Batches, mean_loss, total_weight
from lrtune.training.divergence import divergence_threshold, has_diverged
from lrtune.training.network import LOSSES, Network
from lrtune.training.optimizers import Optimizer
from lrtune.training.passes import Passes, Room

__all__ = ["CACHE_BYTES", "Divergence", "EVALUATION_ROWS", "Population", "population_size"]

Array = npt.NDArray[Any]

CACHE_BYTES = 4 << 20
"""What a population may occupy. Measured: on a 64-32 network lockstep was fastest at K = 32
(about 3 MB of weights, gradients and activations) and lost 40 % at K = 128."""
EVALUATION_ROWS = 256
"""Rows evaluated at once."""


@dataclass(frozen=True)
class Divergence:
    """Where a setting diverged: updates made before, and the loss there (may be inf or NaN)."""

    setting: int
    step: int
    loss: float


def population_size(network: Network, batch_size: int, dtype: np.dtype[Any]) -> int:
    """How many settings to train in lockstep so that they stay in the cache.

    Counts parameters, gradients and one optimizer buffer, and activations with their gradients,
    against `CACHE_BYTES`.

    Examples
    --------
    >>> population_size(Network((4, 50, 12, 3)), 32, np.dtype("float32"))
    152
    >>> population_size(Network((64, 256, 128, 10)), 32, np.dtype("float32"))
    5
    """
    numbers = 3 * network.n_parameters + 2 * batch_size * sum(network.layer_sizes[1:])
    return max(1, CACHE_BYTES // (numbers * dtype.itemsize))


class Population:
    """K settings of one network, stacked.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    parameters : ndarray of shape (P,)
        Initial parameters, shared by all settings.
    n_settings : int, default=1
        K.
    alpha : float, default=0
        L2 penalty on the weights, ``alpha / (2 B) * ‖W‖²`` per batch of B rows, as in
        scikit-learn.
    batch_size : int, default=32
        Rows per step, B; the last batch of an epoch may be smaller.

    Attributes
    ----------
    settings : ndarray of int, shape (k,)
        The settings still in the stack, by their original index.
    parameters : ndarray of shape (k, P)
    diverged : dict of int to Divergence
        The settings that diverged, by original index.
    threshold : float or None
        The divergence threshold, set by the first batch; rows with outliers among their targets
        are allowed more.
    steps : int
        Updates made.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        parameters: Array,
        *,
        n_settings: int = 1,
        alpha: float = 0.0,
        batch_size: int = 32,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.alpha = alpha
        self.batch_size = batch_size
        self.settings = np.arange(n_settings)
        self.diverged: dict[int, Divergence] = {}
        self.threshold: float | None = None
        self.steps = 0
        self.parameters = np.repeat(parameters[np.newaxis], n_settings, axis=0)
        self._state = optimizer.init(self.parameters)
        self._make_room()

    def _make_room(self) -> None:
        """Work space; that for passes waits until the number of rows is known."""
        self._training_room: Room | None = None
        self._evaluation_room: Room | None = None
        self._bind(np.empty_like(self.parameters))

    def _bind(self, gradients: Array) -> None:
        self._gradients = gradients
        self._layers = self.network.layers(self.parameters)
        self._gradient_layers = self.network.layers(gradients)
        self._training: dict[int, Passes] = {}
        self._evaluation: dict[int, Passes] = {}

    def _training_passes(self, n_rows: int) -> Passes:
        if n_rows not in self._training:
            room = self._training_room
            if room is None or room.n_rows < n_rows:
                dtype = self.parameters.dtype
                room = self._training_room = Room(self.network, len(self), n_rows, dtype)
                self._training.clear()
            self._training[n_rows] = Passes(room, n_rows, self._layers, self._gradient_layers)
        return self._training[n_rows]

    def _evaluation_passes(self, n_rows: int) -> Passes:
        if n_rows not in self._evaluation:
            if self._evaluation_room is None:
                self._evaluation_room = Room(
                    self.network, len(self), EVALUATION_ROWS, self.parameters.dtype, backward=False
                )
            self._evaluation[n_rows] = Passes(self._evaluation_room, n_rows, self._layers)
        return self._evaluation[n_rows]

    def __len__(self) -> int:
        return len(self.settings)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the views and the work space, which are made anew."""
        made_anew = (
            "_gradients", "_layers", "_gradient_layers",
            "_training_room", "_evaluation_room", "_training", "_evaluation",
        )  # fmt: skip
        return {name: value for name, value in vars(self).items() if name not in made_anew}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_room()

    def steps_per_epoch(self, n_rows: int) -> int:
        """Updates in one pass over `n_rows` rows."""
        return -(-n_rows // self.batch_size)

    def keep(self, mask: Array) -> None:
        """Drop the settings where the ``(k,)`` mask is false; the others are not touched."""
        self.settings = self.settings[mask]
        self.parameters = self.parameters[mask]
        self._state.keep(mask)
        self._bind(self._gradients[: len(self.parameters)])

    def train_epoch(self, rows: Batches, rates: Array, order: Array) -> Array:
        """Train on every row once.

        Settings whose batch loss has diverged leave the stack at once, before the update.

        Parameters
        ----------
        rows : Batches
        rates : ndarray of shape (steps_per_epoch, k)
            Learning rates of the settings now in the stack.
        order : ndarray of int, shape (n,)
            The order in which rows are visited.

        Returns
        -------
        ndarray of shape (k',)
            Mean training loss of the settings still in the stack.
        """
        total, weight_total = np.zeros(len(self)), 0.0
        with np.errstate(all="ignore"):  # a diverging setting overflows; the predicate tells
            rates = rates.astype(self.parameters.dtype)
            for step, start in enumerate(range(0, len(order), self.batch_size)):
                before = self.settings
                picked = order[start : start + self.batch_size]
                loss, weight = self._train_step(rows, picked, rates[step])
                if self.settings is not before:
                    kept = np.isin(before, self.settings)
                    loss, total, rates = loss[kept], total[kept], rates[:, kept]
                    if not len(self):
                        break
                total += weight * loss
                weight_total += weight
        return np.asarray(total / weight_total) if weight_total else total

    def train_step(self, rows: Batches, picked: Array, rates: Array) -> tuple[Array, float]:
        """Train on one batch.

        Settings whose batch loss has diverged leave the stack, before the update.

        Parameters
        ----------
        rows : Batches
            All rows to train on.
        picked : ndarray of int, shape (b,)
            The batch's rows among them, at most `batch_size`.
        rates : ndarray of shape (k,)
            Learning rates of the settings now in the stack.

        Returns
        -------
        loss : ndarray of shape (k,)
            Mean loss on the batch before the update, also of the settings that left the stack.
        weight : float
            Total weight of the batch's rows; if it is 0 nothing was trained.
        """
        with np.errstate(all="ignore"):
            return self._train_step(rows, picked, rates.astype(self.parameters.dtype))

    def _train_step(self, rows: Batches, picked: Array, rates: Array) -> tuple[Array, float]:
        batch = rows.take(picked)
        weight = total_weight(batch)
        if weight == 0:
            return np.zeros(len(self)), weight
        passes = self._training_passes(len(batch))
        passes.forward(batch.X)
        loss = mean_loss(passes.losses(batch.y), batch)
        if self.threshold is None:
            self._guess = LOSSES[self.network.loss].guess(rows.y)
            self._centre = rows.y.mean(axis=0)
            self.threshold = divergence_threshold(self._guess, float(loss[0]))
        # a batch that is not full counts by its share: one odd row is not a divergence
        full = min(self.batch_size, len(rows))
        lost = self._lost(loss if len(batch) == full else loss * (len(batch) / full), batch)
        if lost is not None:
            kept = ~lost
            self._drop(kept, loss)
            if not len(self):
                return loss, weight
            rates = rates[kept]
            outputs = [output[kept] for output in passes.outputs]
            passes = self._training_passes(len(batch))
            for output, known in zip(passes.outputs, outputs, strict=True):
                output[...] = known
        passes.backward(batch.X, batch.y, batch.sample_weight)
        self._update(weight, rates[:, np.newaxis])
        return loss, weight

    def _update(self, weight: float, rates: Array) -> None:
        if self.alpha:
            n_weights = self.network.n_weights
            penalty = self.parameters[:, :n_weights] * (self.alpha / weight)
            self._gradients[:, :n_weights] += penalty
        self.optimizer.update(self.parameters, self._gradients, self._state, rates)
        self.steps += 1

    def _drop(self, kept: Array, loss: Array) -> None:
        """Note the settings that are not kept as diverged, and drop them."""
        for index in np.flatnonzero(~kept):
            setting = int(self.settings[index])
            self.diverged[setting] = Divergence(setting, self.steps, float(loss[index]))
        self.keep(kept)

    def _lost(self, loss: Array, rows: Batches) -> Array | None:
        """Mask of the settings whose ``(k,)`` loss on some rows has diverged; None if none has.

        Rows with outliers among their targets may lose more, by as much as a mere guess does.
        """
        assert self.threshold is not None  # noqa: S101
        if not has_diverged(loss, self.threshold).any():
            return None
        guess = LOSSES[self.network.loss].guess_rows(rows.y, self._centre)
        hard = max(1.0, float(mean_loss(guess[np.newaxis], rows)[0]) / self._guess)
        threshold = float(min(self.threshold * hard, np.finfo(np.float64).max))
        lost = np.asarray(has_diverged(loss, threshold))
        return lost if lost.any() else None

    def drop_diverged(self, loss: Array, rows: Batches) -> Array:
        """Drop the settings whose ``(k,)`` loss on `rows` has diverged; return those kept."""
        if self.threshold is None:  # no row had weight, so nothing was trained
            return np.ones(len(self), dtype=bool)
        lost = self._lost(loss, rows)
        if lost is None:
            return np.ones(len(self), dtype=bool)
        self._drop(~lost, loss)
        return ~lost

    def outputs(self, X: Array) -> Array:
        """Network outputs (probabilities, or predicted targets), shape (k, n, n_outputs)."""
        n_outputs = self.network.layer_sizes[-1]
        result = np.empty((len(self), len(X), n_outputs), dtype=self.parameters.dtype)
        blank = np.zeros((EVALUATION_ROWS, n_outputs), dtype=self.parameters.dtype)
        with np.errstate(all="ignore"):
            for start in range(0, len(X), EVALUATION_ROWS):
                piece = X[start : start + EVALUATION_ROWS]
                passes = self._evaluation_passes(len(piece))
                passes.forward(piece)
                passes.losses(blank[: len(piece)])
                result[:, start : start + len(piece)] = passes.outputs[-1]
        return result

    def evaluate(self, rows: Batches) -> Array:
        """Mean loss over all rows, without the L2 term, shape (k,)."""
        total, weight_total = np.zeros(len(self)), 0.0
        with np.errstate(all="ignore"):
            for start in range(0, len(rows), EVALUATION_ROWS):
                piece = rows.take(slice(start, start + EVALUATION_ROWS))
                weight = total_weight(piece)
                if weight == 0:
                    continue
                passes = self._evaluation_passes(len(piece))
                passes.forward(piece.X)
                total += weight * mean_loss(passes.losses(piece.y), piece)
                weight_total += weight
        return np.asarray(total / weight_total) if weight_total else total
