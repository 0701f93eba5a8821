"""Forward and backward passes of K networks, batch by batch, in work space made once.

On small networks a step is mostly the overhead of NumPy calls, not arithmetic. So whatever can be
made once is (buffers, and the views of them), rows are read for several batches at a time, biases
are the weights of an input that is always 1, and losses are worked out for several batches at
once: a step of two hidden layers takes 24 NumPy calls with relu, log loss and SGD.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.training.batches import Batches, TableRows
from lrtune.training.network import ACTIVATIONS, LOSSES, Network, Scratch, bits_of

__all__ = ["FEWEST_COLUMNS", "Passes", "ROOM_BYTES", "Room"]

Array = npt.NDArray[Any]

ROOM_BYTES = 256 << 10
"""What the rows, targets and outputs of the batches that are read together may occupy: enough
batches to spread the overhead of reading over, few enough to stay in the cache of a core."""
FEWEST_COLUMNS = 2
"""NumPy sums a first axis in order, but a single column pairwise: of one setting and one row, the
sum over the outputs would differ in its last bit from the same among more settings."""


class Room:
    """Buffers for passes over some batches.

    Parameters
    ----------
    network : Network
    n_settings : int
        K, at most.
    n_rows : int
        Rows per batch, at most.
    n_batches : int
        Batches to be read at once, at most; fewer if they would pass `ROOM_BYTES`.
    dtype : dtype
    backward : bool, default=True
        Whether backward passes are to be made too.

    Attributes
    ----------
    n_wanted, n_batches : int
        Batches that were asked for, and that can be read at once.
    """

    def __init__(
        self,
        network: Network,
        n_settings: int,
        n_rows: int,
        n_batches: int,
        dtype: np.dtype[Any],
        *,
        backward: bool = True,
    ) -> None:
        self.network = network
        self.n_rows = n_rows
        self.n_wanted = n_batches
        n_inputs, *hidden, n_outputs = network.layer_sizes
        numbers = n_rows * (n_inputs + 1 + n_outputs * (1 + n_settings) + n_settings)
        self.n_batches = max(1, min(n_batches, ROOM_BYTES // (numbers * dtype.itemsize)))
        self.inputs = np.ones((self.n_batches, n_rows, n_inputs + 1), dtype=dtype)
        n_columns = max(n_rows, FEWEST_COLUMNS)
        self.targets = np.zeros((self.n_batches, n_outputs, 1, n_columns), dtype=dtype)
        self.z = np.zeros((self.n_batches, n_outputs, n_settings, n_columns), dtype=dtype)
        self.totals = np.ones((self.n_batches, n_settings, n_columns), dtype=dtype)
        self.output = np.empty(self.z.shape[1:], dtype=dtype)
        shapes = [(n_settings, n_rows, m + 1) for m in hidden]
        self.signals = [np.ones(shape, dtype=dtype) for shape in shapes]
        self.deltas = [np.empty(shape, dtype=dtype) for shape in shapes if backward]
        self.zeros = [np.zeros(shape, dtype=dtype) for shape in shapes]
        self.spare = [np.empty(shape, dtype=dtype) for shape in shapes]


def _pick(rows: Array | TableRows, picked: Array | slice) -> Array:
    """`rows[picked]`, read; of an array `take` is twice as fast with an index."""
    if isinstance(picked, slice):
        return np.asarray(rows[picked])
    return np.asarray(rows.take(picked, axis=0))


class _Hidden(NamedTuple):
    """Views of one hidden layer, and of the layer above it."""

    block: Array
    signal: Array
    units: Array
    ones: Array
    transposed: Array
    scratch: Scratch
    block_above: Array
    gradient_above: Any
    delta: Any
    delta_units: Any


class Passes:
    """The passes of K networks over batches of b rows, as views of a `Room`.

    Parameters
    ----------
    room : Room
    n_rows : int
        b.
    blocks : list of ndarray
        The parameters of K settings, as `Network.blocks` gives them.
    gradients : list of ndarray, optional
        Where gradients are written, likewise.

    Attributes
    ----------
    n_rows : int
        b.
    output : ndarray of shape (n_outputs, K, b)
        The networks' output on the batch propagated last, until `backward`.
    """

    def __init__(
        self, room: Room, n_rows: int, blocks: list[Array], gradients: list[Array] | None = None
    ) -> None:
        network, k, b = room.network, len(blocks[0]), n_rows
        self.n_rows = n_rows
        self._activation, self._loss = ACTIVATIONS[network.activation], LOSSES[network.loss]
        self._scale = self._loss.gradient_scale(network.layer_sizes[-1])
        self._scales: list[Any] = []
        self._weights: Array | None = None
        columns = max(b, FEWEST_COLUMNS)
        self._all_inputs, self._all_targets = room.inputs[:, :b], room.targets[..., :columns]
        self._all_z, self._all_totals = room.z[:, :, :k, :columns], room.totals[:, :k, :columns]
        self._all_output = room.output[:, :k, :columns]
        self.output = self._all_output[..., :b]
        # the same, taken apart once, since slicing costs as much as a small product
        self._inputs = [(rows, rows.T) for rows in self._all_inputs]
        self._targets = list(self._all_targets[..., :b])
        self._z = [
            (z, z[..., :b].swapaxes(0, 1), total)
            for z, total in zip(self._all_z, self._all_totals, strict=True)
        ]
        self._delta = self.output.transpose(1, 2, 0)
        self._last_block = blocks[-1].swapaxes(1, 2)
        self._first_gradient = gradients[0] if gradients else None
        self._hidden = [
            self._layer(room, index, blocks, gradients) for index in range(len(blocks) - 1)
        ]

    def _layer(
        self, room: Room, index: int, blocks: list[Array], gradients: list[Array] | None
    ) -> _Hidden:
        k, b = len(blocks[0]), self.n_rows
        signal, zeros, spare = (
            arrays[index][:k, :b] for arrays in (room.signals, room.zeros, room.spare)
        )
        delta = room.deltas[index][:k, :b] if gradients else None
        bits = () if delta is None else bits_of(delta, signal, spare)
        return _Hidden(
            blocks[index],
            signal,
            signal[:, :, :-1],
            signal[:, :, -1],
            signal.swapaxes(1, 2),
            Scratch(zeros, spare, bits),
            blocks[index + 1].swapaxes(1, 2),
            gradients[index + 1] if gradients else None,
            delta,
            None if delta is None else delta[:, :, :-1],
        )

    def read(self, rows: Batches, picked: Array | slice) -> Array:
        """Take in whole batches of rows.

        Parameters
        ----------
        rows : Batches
        picked : ndarray of int, or slice
            Which of them: b for every batch, and no more batches than the room holds.

        Returns
        -------
        ndarray of shape (n_batches,)
            Total weight of each batch; its number of rows if they have no weights.
        """
        X, y = _pick(rows.X, picked), _pick(rows.y, picked)
        n_batches = len(X) // self.n_rows
        self.read_inputs(X)
        by_batch = y.reshape(n_batches, self.n_rows, -1).swapaxes(1, 2)
        np.copyto(self._all_targets[:n_batches, :, 0, : self.n_rows], by_batch)
        if rows.sample_weight is None:
            self._weights, self._scales = None, [self._scale / self.n_rows] * n_batches
            return np.full(n_batches, float(self.n_rows))
        self._weights = rows.sample_weight[picked].reshape(n_batches, self.n_rows)
        totals = self._weights.sum(axis=1)
        self._scales = list(self._weights * (self._scale / totals)[:, np.newaxis])
        return np.asarray(totals, dtype=np.float64)

    def read_inputs(self, X: Array) -> None:
        """Take in the inputs alone, ``(n_batches * b, n_features)``."""
        n_batches = len(X) // self.n_rows
        np.copyto(self._all_inputs[:n_batches, :, :-1], X.reshape(n_batches, self.n_rows, -1))

    def forward(self, batch: int) -> None:
        """Propagate one of the batches that were read, by its number."""
        activate, _, keeps_one = self._activation
        signal, transposed = self._inputs[batch]
        for layer in self._hidden:
            np.matmul(signal, layer.block, out=layer.units)
            signal, transposed = layer.signal, layer.transposed
            activate(signal, layer.scratch)
            if not keeps_one:
                layer.ones.fill(1)
        z, z_by_setting, total = self._z[batch]
        np.matmul(self._last_block, transposed, out=z_by_setting)
        self._loss.output(z, total, self._all_output)

    def losses(self, n_batches: int) -> Array:
        """Mean loss ``(n_batches, K)``, in float64, of the batches propagated since they were read.

        A batch without weight has no mean.
        """
        read = slice(n_batches)
        losses = self._loss.rows(
            self._all_z[read], self._all_totals[read], self._all_targets[read]
        )[..., : self.n_rows].astype(np.float64)
        if self._weights is None:
            return np.asarray(losses.sum(axis=-1) / self.n_rows)
        weighed = losses * self._weights[:, np.newaxis]
        return np.asarray(weighed.sum(axis=-1) / self._weights.sum(axis=1, keepdims=True))

    def backward(self, batch: int) -> None:
        """Write the gradient of the (weighted) mean loss of the batch just propagated."""
        _, multiply_by_derivative, _ = self._activation
        np.subtract(self.output, self._targets[batch], out=self.output)
        np.multiply(self.output, self._scales[batch], out=self.output)
        delta = self._delta
        for layer in reversed(self._hidden):
            np.matmul(layer.transposed, delta, out=layer.gradient_above)
            np.matmul(delta, layer.block_above, out=layer.delta)
            multiply_by_derivative(layer.delta, layer.signal, layer.scratch)
            delta = layer.delta_units
        np.matmul(self._inputs[batch][1], delta, out=self._first_gradient)
