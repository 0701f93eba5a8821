"""Forward and backward passes of K networks, batch by batch.

Whatever can be made once is: buffers (`Room`), and here the views of them. Biases are the weights
of an input that is always 1. A step of two hidden layers takes 24 NumPy calls with relu, log loss
and SGD.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.training.network import ACTIVATIONS, LOSSES, Scratch, bits_of
from lrtune.training.workspace import FEWEST_COLUMNS, Room

__all__ = ["Passes"]

Array = npt.NDArray[Any]


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
    """The passes of K networks over the batches of b rows in a `Room`.

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
        self._room = room
        self._activation, self._loss = ACTIVATIONS[network.activation], LOSSES[network.loss]
        columns = max(b, FEWEST_COLUMNS)
        self._all_output = room.output[:, :k, :columns]
        self.output = self._all_output[..., :b]
        # the batches, taken apart once, since slicing costs as much as a small product
        self._inputs = [(rows, rows.T) for rows in room.inputs[:, :b]]
        self._targets = list(room.targets[..., :b])
        self._z = [
            (z, z[..., :b].swapaxes(0, 1), total)
            for z, total in zip(
                room.z[:, :, :k, :columns], room.totals[:, :k, :columns], strict=True
            )
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

    def forward(self, batch: int) -> None:
        """Propagate one of the batches of b rows that were read, by its number."""
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

    def backward(self, batch: int) -> None:
        """Write the gradient of the (weighted) mean loss of the batch just propagated."""
        _, multiply_by_derivative, _ = self._activation
        np.subtract(self.output, self._targets[batch], out=self.output)
        np.multiply(self.output, self._room.scales[batch], out=self.output)
        delta = self._delta
        for layer in reversed(self._hidden):
            np.matmul(layer.transposed, delta, out=layer.gradient_above)
            np.matmul(delta, layer.block_above, out=layer.delta)
            multiply_by_derivative(layer.delta, layer.signal, layer.scratch)
            delta = layer.delta_units
        np.matmul(self._inputs[batch][1], delta, out=self._first_gradient)
