"""Batches that are read together give the losses and gradients of each batch by itself."""

from typing import Any

import numpy as np
import pytest

from lrtune.training import workspace as module
from lrtune.training.network import Network
from lrtune.training.rows import Rows, TableRows
from lrtune.training.workspace import Passes, Workspace

NETWORK = Network((3, 5, 2), activation="tanh")
FLOAT64 = np.dtype("float64")
N_ROWS, BATCH, K = 11, 4, 2
SIZES = [4, 4, 3]


def random_rows(*, weighted: bool = False) -> Rows:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N_ROWS, 3)), np.eye(2)[rng.integers(0, 2, N_ROWS)]
    return Rows(X, y, rng.uniform(0.5, 2, N_ROWS) if weighted else None)


def parameters() -> Any:
    return np.random.default_rng(1).normal(size=(K, NETWORK.n_parameters))


def outputs_by_hand(flat: Any, X: Any) -> Any:
    hidden, last = NETWORK.layers(flat[np.newaxis])
    z = np.tanh(X @ hidden.weights[0] + hidden.biases[0]) @ last.weights[0] + last.biases[0]
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def loss_by_hand(flat: Any, rows: Rows) -> float:
    losses = -np.log((outputs_by_hand(flat, rows.X) * rows.y).sum(axis=1))
    return float(np.average(losses, weights=rows.sample_weight))


def batches_of(rows: Rows) -> list[Rows]:
    return [rows.take(slice(start, start + BATCH)) for start in range(0, N_ROWS, BATCH)]


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(NETWORK, K, BATCH, 3, FLOAT64)


@pytest.mark.parametrize("weighted", [False, True])
def test_reading_returns_the_weight_of_each_batch(workspace: Workspace, weighted: bool) -> None:
    rows = random_rows(weighted=weighted)
    weights = workspace.read(rows, np.arange(N_ROWS))
    expected = [
        len(b) if b.sample_weight is None else b.sample_weight.sum() for b in batches_of(rows)
    ]

    assert workspace.sizes == SIZES
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients_are_those_of_each_batch(workspace: Workspace, weighted: bool) -> None:
    rows, flat = random_rows(weighted=weighted), parameters()
    gradients = np.empty_like(flat)
    workspace.read(rows, np.arange(N_ROWS))
    by_batch = []
    for number, size in enumerate(SIZES):
        passes = Passes(workspace, size, NETWORK.blocks(flat), NETWORK.blocks(gradients))
        passes.forward(number)
        passes.backward(number)
        by_batch.append(gradients.copy())

    for number, batch in enumerate(batches_of(rows)):
        for k in range(K):
            assert workspace.losses(K)[number, k] == pytest.approx(loss_by_hand(flat[k], batch))
            for i in range(NETWORK.n_parameters):
                step = 1e-6 * np.eye(NETWORK.n_parameters)[i]
                rise = loss_by_hand(flat[k] + step, batch) - loss_by_hand(flat[k] - step, batch)
                assert by_batch[number][k, i] == pytest.approx(rise / 2e-6, abs=1e-8)


def test_the_output_of_a_forward_pass_is_that_of_the_network(workspace: Workspace) -> None:
    rows, flat = random_rows(), parameters()
    workspace.read_inputs(rows.X[:BATCH])
    passes = Passes(workspace, BATCH, NETWORK.blocks(flat))
    passes.forward(0)

    for k in range(K):
        assert pytest.approx(outputs_by_hand(flat[k], rows.X[:BATCH])) == passes.output[:, k].T


def test_rows_of_a_table_are_read_as_an_array_of_them() -> None:
    rows, index = random_rows(), np.arange(N_ROWS)[::-1]
    table = Rows(TableRows(rows.X, np.arange(N_ROWS)), rows.y)
    inputs = []
    for source in (rows, table):
        workspace = Workspace(NETWORK, K, BATCH, 3, FLOAT64)
        workspace.read(source, index)
        inputs.append(workspace.inputs.copy())

    assert np.array_equal(*inputs)
    assert np.array_equal(inputs[0].reshape(-1, 4)[:N_ROWS], np.c_[rows.X[::-1], np.ones(N_ROWS)])


def test_other_rows_are_read_after_a_slice(workspace: Workspace) -> None:
    rows, first = random_rows(), slice(0, BATCH)
    other = Rows(rows.X + 1, rows.y)
    workspace.read(rows, first)
    workspace.read(other, first)

    assert np.array_equal(workspace.inputs[0, :, :-1], other.X[first])
    workspace.read(rows, first)
    assert np.array_equal(workspace.inputs[0, :, :-1], rows.X[first])


def test_a_workspace_stays_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = BATCH * (4 + 2 * (1 + K) + K)
    monkeypatch.setattr(module, "WORKSPACE_BYTES", 2 * numbers * 8)
    limited = Workspace(NETWORK, K, BATCH, 3, FLOAT64)

    assert (limited.n_batches, limited.n_requested) == (2, 3)
    monkeypatch.setattr(module, "WORKSPACE_BYTES", 1)
    assert Workspace(NETWORK, K, BATCH, 3, FLOAT64).n_batches == 1
