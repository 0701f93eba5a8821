"""Work space made once, and the batches of rows that are in it.

On small networks a step is mostly the overhead of NumPy calls, not arithmetic. So rows are read for
several batches at a time, the last of an epoch with the others even if it has fewer rows, and the
losses of all of them are worked out at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lrtune.training.batches import Batches, TableRows
from lrtune.training.network import LOSSES, Network

__all__ = ["FEWEST_COLUMNS", "ROOM_BYTES", "Room"]

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
        self._row_weights: Array | None = None
        self._batch_weights: Array = np.empty(0)
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
            sizes = [self.n_rows] * whole + ([left] if left else [])
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
            return self._batch_weights
        self.read_inputs(_pick(rows.X, picked))
        y = _pick(rows.y, picked)
        parts, self.sizes, self._batch_weights, self.scales = self._layout
        for part in parts:
            by_batch = y[part.rows].reshape(-1, part.n_rows, y.shape[1])
            np.copyto(part.targets, by_batch.swapaxes(1, 2))
        self._row_weights = None
        if rows.sample_weight is not None:
            self._weigh(rows.sample_weight[picked])
        if isinstance(picked, slice):
            self._held = rows, picked
        return self._batch_weights

    def _weigh(self, weights: Array) -> None:
        totals, self.scales = [], []
        for part in self._layout.parts:
            by_batch = weights[part.rows].reshape(-1, part.n_rows)
            totals.append(by_batch.sum(axis=1))
            self.scales += list(by_batch * (self._scale / totals[-1])[:, np.newaxis])
        self._row_weights, self._batch_weights = weights, np.concatenate(totals).astype(np.float64)

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
            if self._row_weights is None:
                means[part.batches] = of_rows.sum(axis=-1) / part.n_rows
            else:
                weights = self._row_weights[part.rows].reshape(-1, 1, part.n_rows)
                means[part.batches] = (of_rows * weights).sum(axis=-1) / weights.sum(axis=-1)
        return means


def _pick(rows: Array | TableRows, picked: Array | slice) -> Array:
    """`rows[picked]`, read; of an array `take` is twice as fast with an index."""
    if isinstance(picked, slice):
        return np.asarray(rows[picked])
    return np.asarray(rows.take(picked, axis=0))
