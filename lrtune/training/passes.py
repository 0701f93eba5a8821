"""Forward and backward pass of K networks over one batch, in work space made once.

On small networks a step is mostly the overhead of NumPy calls, not arithmetic; so whatever can be
made once is: buffers, the views of them for a number of rows, their transposes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.training.network import ACTIVATIONS, LOSSES, Layer, Network

__all__ = ["Passes", "Room"]

Array = npt.NDArray[Any]


class Room:
    """Buffers for the passes of at most K networks over at most B rows.

    Parameters
    ----------
    network : Network
    n_settings : int
        K.
    n_rows : int
        B.
    dtype : dtype
    backward : bool, default=True
        Whether backward passes are to be made too.
    """

    def __init__(
        self,
        network: Network,
        n_settings: int,
        n_rows: int,
        dtype: np.dtype[Any],
        *,
        backward: bool = True,
    ) -> None:
        self.network = network
        self.n_rows = n_rows
        sizes = network.layer_sizes[1:]
        self.outputs = [np.empty((n_settings, n_rows, m), dtype=dtype) for m in sizes]
        hidden = sizes[:-1] if backward else ()
        self.deltas = [np.empty((n_settings, n_rows, m), dtype=dtype) for m in hidden]


class Passes:
    """The passes of K networks over batches of b rows, as views of a `Room`.

    Parameters
    ----------
    room : Room
    n_rows : int
        b.
    layers : list of Layer
        The parameters, of K settings.
    gradients : list of Layer, optional
        Where gradients are written.

    Attributes
    ----------
    outputs : list of ndarray
        After `forward` the hidden layers' activations and the last layer's z, ``(K, b, units)``
        each; after `losses` the last one is the network's output.
    """

    def __init__(
        self, room: Room, n_rows: int, layers: list[Layer], gradients: list[Layer] | None = None
    ) -> None:
        network, n_settings = room.network, len(layers[0].weights)
        self._apply, self._multiply_by_derivative = ACTIVATIONS[network.activation]
        self._loss = LOSSES[network.loss]
        self._layers, self._gradients = layers, gradients or []
        self.outputs = [buffer[:n_settings, :n_rows] for buffer in room.outputs]
        self._deltas = [buffer[:n_settings, :n_rows] for buffer in room.deltas]
        self._transposed_outputs = [output.swapaxes(-1, -2) for output in self.outputs]
        self._transposed_weights = [layer.weights.swapaxes(-1, -2) for layer in layers]
        self._ones = np.ones((1, n_rows), dtype=layers[0].weights.dtype)

    def forward(self, X: Array) -> None:
        """Propagate a batch ``(b, n_features)``, shared by all settings."""
        signal, last = X, len(self.outputs) - 1
        for index, (layer, z) in enumerate(zip(self._layers, self.outputs, strict=True)):
            np.matmul(signal, layer.weights, out=z)
            np.add(z, layer.biases, out=z)
            if index < last:
                self._apply(z)
            signal = z

    def losses(self, y: Array) -> Array:
        """Loss of every row, ``(K, b)``; the last of `outputs` turns from z to the output.

        Parameters
        ----------
        y : ndarray of shape (b, n_outputs)
            Target, classes one-hot.
        """
        return self._loss.rows(self.outputs[-1], y)

    def backward(self, X: Array, y: Array, sample_weight: Array | None = None) -> None:
        """Write the gradient of the (weighted) mean loss of a batch, after `losses`.

        Parameters
        ----------
        X : ndarray of shape (b, n_features)
        y : ndarray of shape (b, n_outputs)
        sample_weight : ndarray of shape (b,), optional
            Weights of the rows; the mean is taken over their sum.
        """
        delta = self.outputs[-1]
        np.subtract(delta, y, out=delta)
        scale = self._loss.gradient_scale(y.shape[1])
        if sample_weight is None:
            np.multiply(delta, scale / len(X), out=delta)
        else:
            weights = sample_weight * (scale / sample_weight.sum())
            np.multiply(delta, weights[:, np.newaxis], out=delta)
        for index in range(len(self._layers) - 1, -1, -1):
            gradient = self._gradients[index]
            signal = self._transposed_outputs[index - 1] if index else X.T
            np.matmul(signal, delta, out=gradient.weights)
            np.matmul(self._ones, delta, out=gradient.biases)  # sums faster than np.sum
            if index:
                below = self._deltas[index - 1]
                delta = np.matmul(delta, self._transposed_weights[index], out=below)
                self._multiply_by_derivative(delta, self.outputs[index - 1])
