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


class _Part(NamedTuple):
    """Batches of equally many rows, among those that were read together."""

    batches: slice
    rows: slice
    n_rows: int
    """Rows of each batch."""
    targets: Array
    """Where their targets are kept, ``(n_batches, n_outputs, n_rows)``."""


class _Layout(NamedTuple):
    """How rows are shared out among batches: whole ones, and one of what is left."""

    parts: list[_Part]
    sizes: list[int]
    """Rows of each batch."""
    weights: Array
    """The same, if the rows have no weights."""
    scales: list[Array]
    """What ``output - target`` is multiplied by for each batch, if the rows have no weights."""


class Room:
    """Batches of rows that were read together, and buffers for the passes over them.

    Parameters
    ----------
    network : Network
    n_settings : int
        K, at most.
    n_rows : int
        Rows per batch.
    n_batches : int
        Batches to be read at once, at most; fewer if they would pass `ROOM_BYTES`.
    dtype : dtype
    backward : bool, default=True
        Whether backward passes are to be made too.

    Attributes
    ----------
    n_wanted, n_batches : int
        Batches that were asked for, and that can be read at once.
    sizes : list of int
        Rows of each batch that was read; the last may have fewer than `n_rows`.
    scales : list of ndarray
        For each batch that was read, what ``output - target`` is multiplied by to be the gradient
        of its (weighted) mean loss.
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
        self.sizes: list[int] = []
        self.scales: list[Array] = []
        self._loss = LOSSES[network.loss]
        self._scale = self._loss.gradient_scale(n_outputs)
        self._rows_of_inputs = self.inputs.reshape(-1, n_inputs + 1)[:, :-1]
        self._layouts: dict[int, _Layout] = {}
        self._weights: Array | None = None
        self._totals: Array = np.empty(0)
        self._held: tuple[Batches, slice] | None = None

    def _layout_of(self, n: int) -> _Layout:
        if n not in self._layouts:
            whole, left = divmod(n, self.n_rows)
            split = whole * self.n_rows
            parts = [
                _Part(batches, rows, n_rows, self.targets[batches, :, 0, :n_rows])
                for batches, rows, n_rows in (
                    (slice(0, whole), slice(0, split), self.n_rows),
                    (slice(whole, whole + 1), slice(split, n), left),
                )
                if rows.start < rows.stop
            ]
            sizes = [self.n_rows] * whole + [left] * (left > 0)
            weights = np.array(sizes, dtype=np.float64)
            scales = [np.asarray(self._scale / size, dtype=self.z.dtype) for size in sizes]
            self._layouts[n] = _Layout(parts, sizes, weights, scales)
        return self._layouts[n]

    def read(self, rows: Batches, picked: Array | slice) -> Array:
        """Take in batches of rows.

        Parameters
        ----------
        rows : Batches
        picked : ndarray of int, or slice
            Which of them, no more than the room holds. A slice that was the last to be read is
            not read again.

        Returns
        -------
        ndarray of shape (n_batches,)
            Total weight of each batch; its number of rows if they have no weights.
        """
        if self._held is not None and self._held[0] is rows and self._held[1] == picked:
            return self._totals
        self.read_inputs(_pick(rows.X, picked))
        y = _pick(rows.y, picked)
        parts, self.sizes, self._totals, self.scales = self._layout
        for part in parts:
            by_batch = y[part.rows].reshape(-1, part.n_rows, y.shape[1])
            np.copyto(part.targets, by_batch.swapaxes(1, 2))
        self._weights = None
        if rows.sample_weight is not None:
            self._weigh(rows.sample_weight[picked])
        if isinstance(picked, slice):
            self._held = rows, picked
        return self._totals

    def _weigh(self, weights: Array) -> None:
        totals, self.scales = [], []
        for part in self._layout.parts:
            by_batch = weights[part.rows].reshape(-1, part.n_rows)
            totals.append(by_batch.sum(axis=1))
            self.scales += list(by_batch * (self._scale / totals[-1])[:, np.newaxis])
        self._weights, self._totals = weights, np.concatenate(totals).astype(np.float64)

    def read_inputs(self, X: Array) -> None:
        """Take in the inputs alone, ``(n, n_features)``."""
        self._held, self._layout = None, self._layout_of(len(X))
        np.copyto(self._rows_of_inputs[: len(X)], X)

    def losses(self, n_settings: int) -> Array:
        """Mean loss ``(n_batches, K)``, in float64, of the batches propagated since they were read.

        A batch without weight has no mean.
        """
        n_batches = len(self.sizes)
        losses = self._loss.rows(
            self.z[:n_batches, :, :n_settings],
            self.totals[:n_batches, :n_settings],
            self.targets[:n_batches],
        ).astype(np.float64)
        means = np.empty((n_batches, n_settings))
        for part in self._layout.parts:
            of_rows = losses[part.batches, :, : part.n_rows]
            if self._weights is None:
                means[part.batches] = of_rows.sum(axis=-1) / part.n_rows
            else:
                weights = self._weights[part.rows].reshape(-1, 1, part.n_rows)
                means[part.batches] = (of_rows * weights).sum(axis=-1) / weights.sum(axis=-1)
        return means


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
