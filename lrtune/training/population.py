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

from lrtune.training.batches import Batches, TableRows
from lrtune.training.divergence import divergence_threshold, has_diverged
from lrtune.training.network import LOSSES, Network
from lrtune.training.optimizers import Optimizer
from lrtune.training.passes import Passes
from lrtune.training.workspace import Room

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


def _weighed(loss: Array, weights: Array) -> Array:
    """Losses ``(n, k)`` times weights ``(n,)``; 0 where there is no weight, and so no loss."""
    product = loss * weights[:, np.newaxis]
    return product if weights.all() else np.where(weights[:, np.newaxis] > 0, product, 0.0)


def _mean(weighed: list[Array], weight: float) -> Array:
    """Mean ``(k,)`` of weighed losses ``(n, k)``, added in order: `sum` goes pairwise if k is 1."""
    total = np.add.accumulate(np.concatenate(weighed), axis=0)[-1]
    return np.asarray(total / weight) if weight else total


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
        self._is_weight = network.is_weight.astype(self.parameters.dtype)
        self._make_room()

    def _make_room(self) -> None:
        """Work space; that for passes waits until the number of rows is known."""
        self._training_room: Room | None = None
        self._evaluation_room: Room | None = None
        self._bind(np.empty_like(self.parameters))

    def _bind(self, gradients: Array) -> None:
        self._gradients = gradients
        self._penalty = np.empty_like(gradients)
        self._blocks = self.network.blocks(self.parameters)
        self._gradient_blocks = self.network.blocks(gradients)
        self._training: dict[int, Passes] = {}
        self._evaluation: dict[int, Passes] = {}

    def _room_for(self, rows: Batches, n_batches: int) -> Room:
        """Work space to train on some batches of rows at once."""
        room, n_rows = self._training_room, min(self.batch_size, len(rows))
        if room is None or room.n_rows != n_rows or room.n_wanted < n_batches:
            self._training.clear()
            room = Room(self.network, len(self), n_rows, n_batches, self.parameters.dtype)
            self._training_room = room
        return room

    def _evaluation_passes(self, n_rows: int) -> tuple[Room, Passes]:
        if self._evaluation_room is None:
            self._evaluation_room = Room(
                self.network, len(self), EVALUATION_ROWS, 1, self.parameters.dtype, backward=False
            )
        if n_rows not in self._evaluation:
            self._evaluation[n_rows] = Passes(self._evaluation_room, n_rows, self._blocks)
        return self._evaluation_room, self._evaluation[n_rows]

    def __len__(self) -> int:
        return len(self.settings)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the views and the work space, which are made anew."""
        made_anew = (
            "_gradients", "_penalty", "_blocks", "_gradient_blocks",
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

        Settings whose loss on a batch has diverged leave the stack. The losses of several batches
        are looked at together, so what a setting did after it diverged is thrown away.

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
        losses: list[Array] = []
        weight_total, step = 0.0, 0
        room = self._room_for(rows, len(rates))
        at_once = room.n_batches * room.n_rows
        with np.errstate(all="ignore"):  # a diverging setting overflows; the predicate tells
            rates = rates.astype(self.parameters.dtype)[..., np.newaxis]
            for start in range(0, len(order), at_once):
                before = self.settings
                loss, weights = self._train(
                    room, rows, order[start : start + at_once], rates[step:]
                )
                if self.settings is not before:
                    kept = np.isin(before, self.settings)
                    loss, rates = loss[:, kept], rates[:, kept]
                    losses = [one[:, kept] for one in losses]
                losses.append(_weighed(loss, weights))
                weight_total += float(weights.sum())
                step += len(weights)
                if not len(self):
                    break
        return _mean(losses, weight_total)

    def train_step(self, rows: Batches, picked: Array, rates: Array) -> tuple[Array, float]:
        """Train on one batch.

        Settings whose loss on the batch has diverged leave the stack.

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
            rates = rates.astype(self.parameters.dtype)[np.newaxis, :, np.newaxis]
            loss, weights = self._train(self._room_for(rows, 1), rows, picked, rates)
        return (loss[0] if weights[0] else np.zeros(loss.shape[1])), float(weights[0])

    def _train(self, room: Room, rows: Batches, picked: Array, rates: Array) -> tuple[Array, Array]:
        """Train on some batches; drop what diverged on them.

        Returns their losses ``(n_batches, k)`` before each update, also of the settings that left
        the stack, and their weights ``(n_batches,)``.
        """
        weights = room.read(rows, picked)
        for batch, (n_rows, weight) in enumerate(zip(room.sizes, weights.tolist(), strict=True)):
            if n_rows not in self._training:
                self._training[n_rows] = Passes(room, n_rows, self._blocks, self._gradient_blocks)
            passes = self._training[n_rows]
            passes.forward(batch)
            if weight:
                passes.backward(batch)
                self._update(weight, rates[batch])
        loss = room.losses(len(self))
        self._weed(loss, weights, room, rows, picked)
        self.steps += int(np.count_nonzero(weights))
        return loss, weights

    def _update(self, weight: float, rates: Array) -> None:
        if self.alpha:
            np.multiply(self.parameters, self._is_weight, out=self._penalty)
            self._penalty *= self.alpha / weight
            self._gradients += self._penalty
        self.optimizer.update(self.parameters, self._gradients, self._state, rates)

    def _weed(self, loss: Array, weights: Array, room: Room, rows: Batches, picked: Array) -> None:
        """Drop the settings whose loss ``(n_batches, k)`` on some batch has diverged."""
        # a batch that is not full counts by its share: one odd row is not a divergence
        loss_of_share = loss * (np.array(room.sizes) / room.n_rows)[:, np.newaxis]
        if self.threshold is not None and not has_diverged(loss_of_share, self.threshold).any():
            return
        trained = np.flatnonzero(weights)
        if not len(trained):
            return
        if self.threshold is None:
            self._guess = LOSSES[self.network.loss].guess(rows.y)
            self._centre = rows.y.mean(axis=0)
            self.threshold = divergence_threshold(self._guess, float(loss[trained[0], 0]))
        gone = np.zeros(len(self), dtype=bool)
        for step, batch in enumerate(trained):
            batch_rows = picked[batch * room.n_rows :][: room.sizes[batch]]
            lost = self._lost(loss_of_share[batch], rows, batch_rows) & ~gone
            self._note(lost, loss[batch], self.steps + step)
            gone |= lost
        if gone.any():
            self.keep(~gone)

    def _note(self, lost: Array, loss: Array, step: int) -> None:
        for index in np.flatnonzero(lost):
            setting = int(self.settings[index])
            self.diverged[setting] = Divergence(setting, step, float(loss[index]))

    def _lost(self, loss: Array, rows: Batches, picked: Array | slice) -> Array:
        """Mask of the settings whose ``(k,)`` loss on the rows picked has diverged.

        Rows with outliers among their targets may lose more, by as much as a mere guess does.
        """
        assert self.threshold is not None  # noqa: S101
        lost = np.asarray(has_diverged(loss, self.threshold))
        if not lost.any():
            return lost
        guess = LOSSES[self.network.loss].guess_rows(rows.y[picked], self._centre)
        weight = None if rows.sample_weight is None else rows.sample_weight[picked]
        hard = max(1.0, float(np.average(guess, weights=weight)) / self._guess)
        threshold = float(min(self.threshold * hard, np.finfo(np.float64).max))
        return np.asarray(has_diverged(loss, threshold))

    def drop_diverged(self, loss: Array, rows: Batches) -> Array:
        """Drop the settings whose ``(k,)`` loss on `rows` has diverged; return those kept."""
        if self.threshold is None:  # no row had weight, so nothing was trained
            return np.ones(len(self), dtype=bool)
        lost = self._lost(loss, rows, slice(None))
        if lost.any():
            self._note(lost, loss, self.steps)
            self.keep(~lost)
        return ~lost

    def outputs(self, X: Array | TableRows) -> Array:
        """Network outputs (probabilities, or predicted targets), shape (k, n, n_outputs)."""
        n_outputs = self.network.layer_sizes[-1]
        result = np.empty((len(self), len(X), n_outputs), dtype=self.parameters.dtype)
        with np.errstate(all="ignore"):
            for start in range(0, len(X), EVALUATION_ROWS):
                piece = np.asarray(X[start : start + EVALUATION_ROWS])
                room, passes = self._evaluation_passes(len(piece))
                room.read_inputs(piece)
                passes.forward(0)
                result[:, start : start + len(piece)] = passes.output.transpose(1, 2, 0)
        return result

    def evaluate(self, rows: Batches) -> Array:
        """Mean loss over all rows, without the L2 term, shape (k,)."""
        losses, weight_total = [], 0.0
        with np.errstate(all="ignore"):
            for start in range(0, len(rows), EVALUATION_ROWS):
                piece = slice(start, start + EVALUATION_ROWS)
                room, passes = self._evaluation_passes(min(EVALUATION_ROWS, len(rows) - start))
                weights = room.read(rows, piece)
                passes.forward(0)
                losses.append(_weighed(room.losses(len(self)), weights))
                weight_total += float(weights[0])
        return _mean(losses, weight_total)
