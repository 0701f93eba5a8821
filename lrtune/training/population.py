"""A population: K settings trained in lockstep, their weights stacked along a leading K axis.

All settings of a population share initial weights and mini-batches, so that they differ only in
their learning rates (common random numbers). Each setting gets the same numbers as if it were
trained alone, bit for bit: every product is one BLAS call per setting, and no sum crosses settings.
(On processors from before 2008 the last bit of an OpenBLAS product depends on the alignment of the
matrix.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.training.divergence import divergence_threshold, has_diverged
from lrtune.training.network import LOSSES, Network
from lrtune.training.optimizers import Optimizer
from lrtune.training.rows import Rows, TableRows
from lrtune.training.workspace import Passes, Workspace

Array = npt.NDArray[Any]

CACHE_BYTES = 4 << 20
"""Memory that a population may use. Measured: a 64-32 network trained fastest at K = 32 (about 3 MB
of weights, gradients and activations) and 40 % slower at K = 128."""
EVALUATION_ROWS = 256
"""Rows evaluated at once."""


@dataclass(frozen=True)
class Divergence:
    """The divergence of a setting."""

    setting: int
    step: int
    """Updates made before."""
    loss: float
    """May be infinite or NaN."""


def population_size(network: Network, batch_size: int, dtype: np.dtype[Any]) -> int:
    """Return the number of settings whose training fits into `CACHE_BYTES`, at least 1."""
    # parameters, gradients, one optimizer buffer, and activations with their gradients
    numbers = 3 * network.n_parameters + 2 * batch_size * sum(network.layer_sizes[1:])
    return max(1, CACHE_BYTES // (numbers * dtype.itemsize))


def _weighted(loss: Array, weights: Array) -> Array:
    """Return losses ``(n, k)`` times weights ``(n,)``; 0 where the weight is 0, even for NaN."""
    product = loss * weights[:, np.newaxis]
    return product if weights.all() else np.where(weights[:, np.newaxis] > 0, product, 0.0)


def _mean(weighted: list[Array], weight: float) -> Array:
    """Return the mean ``(k,)`` of weighted losses ``(n, k)``."""
    # accumulate adds in order for every k, but sum adds pairwise for k = 1
    total = np.add.accumulate(np.concatenate(weighted), axis=0)[-1]
    return np.asarray(total / weight) if weight else total


class Population:
    """K settings of one network, trained in lockstep.

    All settings start with the same `parameters` ``(P,)``. `alpha` is the L2 penalty on the
    weights, ``alpha / (2 B) * ‖W‖²`` per batch of B rows, as in scikit-learn. The last batch of an
    epoch may have fewer than `batch_size` rows.
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
        """Original indices ``(k,)`` of the settings still in the population."""
        self.diverged: dict[int, Divergence] = {}
        """By original index."""
        self.threshold: float | None = None
        """The divergence threshold, set by the first batch."""
        self.steps = 0
        """Updates made."""
        self.parameters = np.repeat(parameters[np.newaxis], n_settings, axis=0)
        """Parameters ``(k, P)`` of these settings."""
        self._state = optimizer.init(self.parameters)
        self._is_weight = network.is_weight.astype(self.parameters.dtype)
        self._reset_workspaces()

    def _reset_workspaces(self) -> None:
        self._training_workspace: Workspace | None = None
        self._evaluation_workspace: Workspace | None = None
        self._bind(np.empty_like(self.parameters))

    def _bind(self, gradients: Array) -> None:
        self._gradients = gradients
        self._penalty = np.empty_like(gradients)
        self._blocks = self.network.blocks(self.parameters)
        self._gradient_blocks = self.network.blocks(gradients)
        self._training_passes: dict[int, Passes] = {}
        self._evaluation_passes: dict[int, Passes] = {}

    def _workspace_to_train(self, rows: Rows, n_batches: int) -> Workspace:
        workspace, n_rows = self._training_workspace, min(self.batch_size, len(rows))
        if workspace is None or workspace.n_rows != n_rows or workspace.n_requested < n_batches:
            self._training_passes.clear()
            workspace = Workspace(self.network, len(self), n_rows, n_batches, self.parameters.dtype)
            self._training_workspace = workspace
        return workspace

    def _workspace_to_evaluate(self, n_rows: int) -> tuple[Workspace, Passes]:
        if self._evaluation_workspace is None:
            self._evaluation_workspace = Workspace(
                self.network, len(self), EVALUATION_ROWS, 1, self.parameters.dtype, backward=False
            )
        if n_rows not in self._evaluation_passes:
            self._evaluation_passes[n_rows] = Passes(
                self._evaluation_workspace, n_rows, self._blocks
            )
        return self._evaluation_workspace, self._evaluation_passes[n_rows]

    def __len__(self) -> int:
        return len(self.settings)

    def __getstate__(self) -> dict[str, Any]:
        rebuilt = (
            "_gradients", "_penalty", "_blocks", "_gradient_blocks", "_training_workspace",
            "_evaluation_workspace", "_training_passes", "_evaluation_passes",
        )  # fmt: skip
        return {name: value for name, value in vars(self).items() if name not in rebuilt}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset_workspaces()

    def steps_per_epoch(self, n_rows: int) -> int:
        """Return the number of updates in one pass over `n_rows` rows."""
        return -(-n_rows // self.batch_size)

    def keep(self, mask: Array) -> None:
        """Drop the settings where the ``(k,)`` mask is False."""
        self.settings = self.settings[mask]
        self.parameters = self.parameters[mask]
        self._state.keep(mask)
        self._bind(self._gradients[: len(self.parameters)])

    def train_epoch(self, rows: Rows, rates: Array, order: Array) -> Array:
        """Train on all rows in this order; return the mean losses of the remaining settings.

        `rates` are ``(steps_per_epoch, k)``. Settings that diverge on a batch leave the population;
        since the losses of several batches are checked together, a few batches later.
        """
        losses: list[Array] = []
        total_weight, step = 0.0, 0
        workspace = self._workspace_to_train(rows, len(rates))
        rows_at_once = workspace.n_batches * workspace.n_rows
        with np.errstate(all="ignore"):  # the losses of a setting that overflows have diverged
            rates = rates.astype(self.parameters.dtype)[..., np.newaxis]
            for start in range(0, len(order), rows_at_once):
                before = self.settings
                selection = order[start : start + rows_at_once]
                loss, weights = self._train(workspace, rows, selection, rates[step:])
                if self.settings is not before:
                    kept = np.isin(before, self.settings)
                    loss, rates = loss[:, kept], rates[:, kept]
                    losses = [earlier[:, kept] for earlier in losses]
                losses.append(_weighted(loss, weights))
                total_weight += float(weights.sum())
                step += len(weights)
                if not len(self):
                    break
        return _mean(losses, total_weight)

    def train_step(self, rows: Rows, selection: Array, rates: Array) -> tuple[Array, float]:
        """Train on one batch, the selected rows ``(b,)``, at rates ``(k,)``.

        Return the mean losses ``(k,)`` before the update and the total weight of the rows; if it is
        0, nothing was trained. Settings that diverge leave the population, but have a loss here.
        """
        with np.errstate(all="ignore"):
            rates = rates.astype(self.parameters.dtype)[np.newaxis, :, np.newaxis]
            workspace = self._workspace_to_train(rows, 1)
            loss, weights = self._train(workspace, rows, selection, rates)
        return (loss[0] if weights[0] else np.zeros(loss.shape[1])), float(weights[0])

    def _train(
        self, workspace: Workspace, rows: Rows, selection: Array, rates: Array
    ) -> tuple[Array, Array]:
        """Train batch by batch, then drop the settings that diverged.

        Return the losses ``(n_batches, k)`` before each update, with those of dropped settings, and
        the weights ``(n_batches,)``.
        """
        weights = workspace.read(rows, selection)
        batches = zip(workspace.sizes, weights.tolist(), strict=True)
        for batch, (n_rows, weight) in enumerate(batches):
            if n_rows not in self._training_passes:
                self._training_passes[n_rows] = Passes(
                    workspace, n_rows, self._blocks, self._gradient_blocks
                )
            passes = self._training_passes[n_rows]
            passes.forward(batch)
            if weight:
                passes.backward(batch)
                self._update(weight, rates[batch])
        loss = workspace.losses(len(self))
        self._drop_diverged_in_training(loss, weights, workspace, rows, selection)
        self.steps += int(np.count_nonzero(weights))
        return loss, weights

    def _update(self, weight: float, rates: Array) -> None:
        if self.alpha:
            np.multiply(self.parameters, self._is_weight, out=self._penalty)
            self._penalty *= self.alpha / weight
            self._gradients += self._penalty
        self.optimizer.update(self.parameters, self._gradients, self._state, rates)

    def _drop_diverged_in_training(
        self, loss: Array, weights: Array, workspace: Workspace, rows: Rows, selection: Array
    ) -> None:
        """Drop the settings whose loss ``(n_batches, k)`` on a batch has diverged."""
        # the loss on a smaller batch counts less, or one odd row could be a divergence
        scaled = loss * (np.array(workspace.sizes) / workspace.n_rows)[:, np.newaxis]
        if self.threshold is not None and not has_diverged(scaled, self.threshold).any():
            return
        trained = np.flatnonzero(weights)
        if not len(trained):
            return
        if self.threshold is None:
            self._guess_loss = LOSSES[self.network.loss].guess(rows.y)
            self._mean_target = rows.y.mean(axis=0)
            self.threshold = divergence_threshold(self._guess_loss, float(loss[trained[0], 0]))
        diverged = np.zeros(len(self), dtype=bool)
        for step, batch in enumerate(trained):
            batch_rows = selection[batch * workspace.n_rows :][: workspace.sizes[batch]]
            newly = self._has_diverged(scaled[batch], rows, batch_rows) & ~diverged
            self._record_divergence(newly, loss[batch], self.steps + step)
            diverged |= newly
        if diverged.any():
            self.keep(~diverged)

    def _record_divergence(self, diverged: Array, loss: Array, step: int) -> None:
        for index in np.flatnonzero(diverged):
            setting = int(self.settings[index])
            self.diverged[setting] = Divergence(setting, step, float(loss[index]))

    def _has_diverged(self, loss: Array, rows: Rows, selection: Array | slice) -> Array:
        """Return a mask of the settings whose loss ``(k,)`` on the selected rows has diverged.

        The threshold rises with the loss of predicting the mean, for rows with outlying targets.
        """
        assert self.threshold is not None  # noqa: S101
        diverged = np.asarray(has_diverged(loss, self.threshold))
        if not diverged.any():
            return diverged
        guess = LOSSES[self.network.loss].guess_rows(rows.y[selection], self._mean_target)
        weight = None if rows.sample_weight is None else rows.sample_weight[selection]
        difficulty = max(1.0, float(np.average(guess, weights=weight)) / self._guess_loss)
        threshold = float(min(self.threshold * difficulty, np.finfo(np.float64).max))
        return np.asarray(has_diverged(loss, threshold))

    def drop_diverged(self, loss: Array, rows: Rows) -> Array:
        """Drop settings whose loss ``(k,)`` on `rows` has diverged; return a mask of the rest."""
        if self.threshold is None:  # no row had weight, so nothing was trained
            return np.ones(len(self), dtype=bool)
        diverged = self._has_diverged(loss, rows, slice(None))
        if diverged.any():
            self._record_divergence(diverged, loss, self.steps)
            self.keep(~diverged)
        return ~diverged

    def outputs(self, X: Array | TableRows) -> Array:
        """Return probabilities or predicted targets, shape (k, n, n_outputs)."""
        n_outputs = self.network.layer_sizes[-1]
        result = np.empty((len(self), len(X), n_outputs), dtype=self.parameters.dtype)
        with np.errstate(all="ignore"):
            for start in range(0, len(X), EVALUATION_ROWS):
                piece = np.asarray(X[start : start + EVALUATION_ROWS])
                workspace, passes = self._workspace_to_evaluate(len(piece))
                workspace.read_inputs(piece)
                passes.forward(0)
                result[:, start : start + len(piece)] = passes.output.transpose(1, 2, 0)
        return result

    def evaluate(self, rows: Rows) -> Array:
        """Return the mean losses over all rows, without the L2 term, shape (k,)."""
        losses, total_weight = [], 0.0
        with np.errstate(all="ignore"):
            for start in range(0, len(rows), EVALUATION_ROWS):
                n_rows = min(EVALUATION_ROWS, len(rows) - start)
                workspace, passes = self._workspace_to_evaluate(n_rows)
                weights = workspace.read(rows, slice(start, start + EVALUATION_ROWS))
                passes.forward(0)
                losses.append(_weighted(workspace.losses(len(self)), weights))
                total_weight += float(weights[0])
        return _mean(losses, total_weight)
