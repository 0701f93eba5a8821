"""Rows are read from pairs and datasets, and split and shuffled by the seed."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lrtune.exceptions import InvalidInputError  # noqa: E402
from lrtune.tuning.trainers.torch.batches import Data, read_rows, steps_per_epoch  # noqa: E402

pytestmark = pytest.mark.torch
DEVICE = torch.device("cpu")
X, Y = np.arange(24.0).reshape(8, 3), np.arange(8, dtype=np.int32)


class Pairs(torch.utils.data.Dataset):
    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        return X[index] + self.noise * torch.randn(3).numpy(), int(Y[index])


def read(data: Any) -> Any:
    return read_rows(data, "train", DEVICE, torch.float32)


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        (torch.from_numpy(X), Y.tolist()),
        torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
        Pairs(),
    ],
    ids=["arrays", "tensor and list", "tensor dataset", "dataset"],
)
def test_rows_are_read_from_whatever_holds_pairs(data: Any) -> None:
    rows = read(data)

    assert rows.inputs[0].dtype == torch.float32
    assert rows.inputs[0].tolist() == X.tolist()
    assert rows.target.dtype == torch.int64
    assert rows.target.tolist() == Y.tolist()


def test_there_may_be_several_inputs() -> None:
    inputs, target = read(((X, Y), Y.astype(float))).take(torch.tensor([5, 0]))

    assert [each.tolist() for each in inputs] == [X[[5, 0]].tolist(), [5, 0]]
    assert target.dtype == torch.float32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, r"must be \(X, y\) or a Dataset"),
        ((X, Y[:3]), r"as many rows of X as of y.*\(8, 3\), \(3,\)"),
        ((X, ["a"] * 8), "must hold tensors or arrays of numbers"),
        (Pairs(noise=1.0), "row 0 changed when it was read again"),
    ],
)
def test_bad_rows_are_refused(data: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read(data)


def test_a_stream_is_refused() -> None:
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            yield from zip(X, Y, strict=True)

    with pytest.raises(InvalidInputError, match="a Dataset with a length"):
        read(Stream())


def test_a_seed_splits_and_orders_the_rows() -> None:
    data = Data.read((X, Y), None, DEVICE, torch.float32)
    training, validation = data.split(3)
    first, second = (order for order, _ in zip(data.orders(3), range(2), strict=False))

    assert (data.n_train, data.n_validation) == (len(training), len(validation)) == (6, 2)
    assert sorted([*training, *validation]) == list(range(8))
    assert sorted(first) == sorted(second) == sorted(training)
    assert first.tolist() != second.tolist()
    assert first.tolist() == next(data.orders(3)).tolist()
    assert data.split(4)[1].tolist() != validation.tolist()
    assert steps_per_epoch(6, 4) == 2


def test_given_validation_rows_are_those_of_every_seed() -> None:
    data = Data.read((X, Y), (X[:3], Y[:3]), DEVICE, torch.float32)

    assert [each.tolist() for each in data.split(3)] == [list(range(8)), [0, 1, 2]]
    assert (data.n_train, data.n_validation, len(data.held_out)) == (8, 3, 3)
    assert data.fingerprint() != Data.read((X, Y), None, DEVICE, torch.float32).fingerprint()


def test_one_row_cannot_be_split() -> None:
    with pytest.raises(InvalidInputError, match="at least 2 rows"):
        Data.read((X[:1], Y[:1]), None, DEVICE, torch.float32)
