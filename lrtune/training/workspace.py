"""Buffers for batches of rows, and the forward and backward passes of K networks over them.

On small networks a step is mostly the overhead of NumPy calls. So buffers and their views are made
once, rows are read for several batches at a time, and the losses of these are computed together. A
step of two hidden layers takes 24 NumPy calls with relu, log loss and SGD.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.training.network import ACTIVATIONS, LOSSES, Network, Scratch, bits_of
from lrtune.training.rows import Rows, TableRows

Array = npt.NDArray[Any]

WORKSPACE_BYTES = 256 << 10
"""Limit for the rows, targets and outputs of the batches that are read together: enough batches to
amortise the overhead of reading, few enough to stay in a core's cache."""
MIN_COLUMNS = 2
"""Columns to pad to: NumPy sums a first axis in order, but a single column pairwise, so the last
bit of a setting's loss would depend on the number of settings."""


class _Part(NamedTuple):
    """Consecutive batches of the same size."""

    batches: slice
    rows: slice
    n_rows: int
    """Rows of each batch."""
    targets: Array
    """View of the targets, ``(n_batches, n_outputs, n_rows)``."""


class _Layout(NamedTuple):
    """Division of rows into full batches and a smaller last one."""

    parts: list[_Part]
    sizes: list[int]
    """Rows of each batch."""
    weights: Array
    """Total weight of each batch, for rows without weights."""
    scales: list[Array]
    """`Workspace.scales`, for rows without weights."""


class Workspace:
    """Batches of rows that were read together, and buffers for the passes over them."""

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
        self.n_requested = n_batches
        n_inputs, *hidden, n_outputs = network.layer_sizes
        numbers = n_rows * (n_inputs + 1 + n_outputs * (1 + n_settings) + n_settings)
        self.n_batches = max(1, min(n_batches, WORKSPACE_BYTES // (numbers * dtype.itemsize)))
        """Number of batches that fit into `WORKSPACE_BYTES`, at most `n_requested`."""
        self.inputs = np.ones((self.n_batches, n_rows, n_inputs + 1), dtype=dtype)
        n_columns = max(n_rows, MIN_COLUMNS)
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
        """Rows of each batch; the last may have fewer than `n_rows`."""
        self.scales: list[Array] = []
        """Gradient of each batch's (weighted) mean loss, divided by ``output - target``."""
        self._loss = LOSSES[network.loss]
        self._scale = self._loss.gradient_scale(n_outputs)
        self._input_rows = self.inputs.reshape(-1, n_inputs + 1)[:, :-1]
        self._layouts: dict[int, _Layout] = {}
        self._row_weights: Array | None = None
        self._batch_weights: Array = np.empty(0)
        self._last_read: tuple[Rows, slice] | None = None

    def _layout_of(self, n: int) -> _Layout:
        if n not in self._layouts:
            n_full, rest = divmod(n, self.n_rows)
            split = n_full * self.n_rows
            parts = [
                _Part(batches, rows, n_rows, self.targets[batches, :, 0, :n_rows])
                for batches, rows, n_rows in (
                    (slice(0, n_full), slice(0, split), self.n_rows),
                    (slice(n_full, n_full + 1), slice(split, n), rest),
                )
                if rows.start < rows.stop
            ]
            sizes = [self.n_rows] * n_full + ([rest] if rest else [])
            weights = np.array(sizes, dtype=np.float64)
            scales = [np.asarray(self._scale / size, dtype=self.z.dtype) for size in sizes]
            self._layouts[n] = _Layout(parts, sizes, weights, scales)
        return self._layouts[n]

    def read(self, rows: Rows, selection: Array | slice) -> Array:
        """Read rows for at most `n_batches` batches; return the total weight of each batch."""
        last = self._last_read
        if last is not None and last[0] is rows and last[1] == selection:
            return self._batch_weights
        self.read_inputs(_select(rows.X, selection))
        y = _select(rows.y, selection)
        parts, self.sizes, self._batch_weights, self.scales = self._layout
        for part in parts:
            by_batch = y[part.rows].reshape(-1, part.n_rows, y.shape[1])
            np.copyto(part.targets, by_batch.swapaxes(1, 2))
        self._row_weights = None
        if rows.sample_weight is not None:
            self._apply_weights(rows.sample_weight[selection])
        if isinstance(selection, slice):
            self._last_read = rows, selection
        return self._batch_weights

    def _apply_weights(self, weights: Array) -> None:
        totals, self.scales = [], []
        for part in self._layout.parts:
            by_batch = weights[part.rows].reshape(-1, part.n_rows)
            totals.append(by_batch.sum(axis=1))
            self.scales += list(by_batch * (self._scale / totals[-1])[:, np.newaxis])
        self._row_weights, self._batch_weights = weights, np.concatenate(totals).astype(np.float64)

    def read_inputs(self, X: Array) -> None:
        """Read inputs ``(n, n_features)`` without targets."""
        self._last_read, self._layout = None, self._layout_of(len(X))
        np.copyto(self._input_rows[: len(X)], X)

    def losses(self, n_settings: int) -> Array:
        """Return the mean losses ``(n_batches, K)`` in float64, after the forward passes.

        The loss of a batch with zero total weight is undefined.
        """
        n_batches = len(self.sizes)
        losses = self._loss.rows(
            self.z[:n_batches, :, :n_settings],
            self.totals[:n_batches, :n_settings],
            self.targets[:n_batches],
        ).astype(np.float64)
        means = np.empty((n_batches, n_settings))
        for part in self._layout.parts:
            row_losses = losses[part.batches, :, : part.n_rows]
            if self._row_weights is None:
                means[part.batches] = row_losses.sum(axis=-1) / part.n_rows
            else:
                weights = self._row_weights[part.rows].reshape(-1, 1, part.n_rows)
                means[part.batches] = (row_losses * weights).sum(axis=-1) / weights.sum(axis=-1)
        return means


def _select(rows: Array | TableRows, selection: Array | slice) -> Array:
    if isinstance(selection, slice):
        return np.asarray(rows[selection])
    return np.asarray(rows.take(selection, axis=0))  # twice as fast as rows[selection]


class _HiddenLayer(NamedTuple):
    """Views of the arrays of one hidden layer and of the layer above it."""

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
    """Forward and backward passes of K networks over batches of b rows in a `Workspace`.

    Between `forward` and `backward`, `output` ``(n_outputs, K, b)`` is that of the last batch.
    """

    def __init__(
        self,
        workspace: Workspace,
        n_rows: int,
        blocks: list[Array],
        gradients: list[Array] | None = None,
    ) -> None:
        network, k, b = workspace.network, len(blocks[0]), n_rows
        self._workspace = workspace
        self._activation, self._loss = ACTIVATIONS[network.activation], LOSSES[network.loss]
        columns = max(b, MIN_COLUMNS)
        self._all_output = workspace.output[:, :k, :columns]
        self.output = self._all_output[..., :b]
        # views of each batch, made once because slicing costs as much as a small product
        self._inputs = [(rows, rows.T) for rows in workspace.inputs[:, :b]]
        self._targets = list(workspace.targets[..., :b])
        self._z = [
            (z, z[..., :b].swapaxes(0, 1), total)
            for z, total in zip(
                workspace.z[:, :, :k, :columns], workspace.totals[:, :k, :columns], strict=True
            )
        ]
        self._delta = self.output.transpose(1, 2, 0)
        self._last_block = blocks[-1].swapaxes(1, 2)
        self._first_gradient = gradients[0] if gradients else None
        self._hidden = [
            self._layer(index, b, blocks, gradients) for index in range(len(blocks) - 1)
        ]

    def _layer(
        self, index: int, b: int, blocks: list[Array], gradients: list[Array] | None
    ) -> _HiddenLayer:
        workspace, k = self._workspace, len(blocks[0])
        signal, zeros, spare = (
            arrays[index][:k, :b]
            for arrays in (workspace.signals, workspace.zeros, workspace.spare)
        )
        delta = workspace.deltas[index][:k, :b] if gradients else None
        bits = () if delta is None else bits_of(delta, signal, spare)
        return _HiddenLayer(
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
        """Compute the output for a batch, by its number among those that were read."""
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
        """Compute the gradient of a batch's (weighted) mean loss, after `forward`."""
        _, multiply_by_derivative, _ = self._activation
        np.subtract(self.output, self._targets[batch], out=self.output)
        np.multiply(self.output, self._workspace.scales[batch], out=self.output)
        delta = self._delta
        for layer in reversed(self._hidden):
            np.matmul(layer.transposed, delta, out=layer.gradient_above)
            np.matmul(delta, layer.block_above, out=layer.delta)
            multiply_by_derivative(layer.delta, layer.signal, layer.scratch)
            delta = layer.delta_units
        np.matmul(self._inputs[batch][1], delta, out=self._first_gradient)
