"""Rows on a device, their split into training and validation rows, and their batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from lrtune.exceptions import InvalidInputError
from lrtune.training.random_streams import RandomStreams
from lrtune.tuning.trainers.splitting import VALIDATION_FRACTION

EVALUATION_ROWS = 256
"""Rows that are evaluated at once, at least: those of a batch if it has more."""
ROWS_READ_TWICE = 3
"""Rows of a dataset that are read twice, to see whether they change."""


@dataclass(frozen=True)
class Rows:
    """Inputs and targets of n rows."""

    inputs: tuple[Tensor, ...]
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)

    def take(self, index: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the inputs and targets of the rows of an index of any shape."""
        return tuple(each[index] for each in self.inputs), self.target[index]


@dataclass(frozen=True)
class Data:
    """Training rows, and validation rows if they are given apart."""

    train: Rows
    validation: Rows | None

    @classmethod
    def read(cls, train: Any, validation: Any, device: Any, dtype: Any) -> Data:
        """Return what a trainer is given, on its device and in its precision."""
        rows = read_rows(train, "train", device, dtype)
        held = None if validation is None else read_rows(validation, "validation", device, dtype)
        if held is None and len(rows) < 2:
            raise InvalidInputError(
                f"`train` must have at least 2 rows, of which some are held out, but got "
                f"{len(rows)}: add rows, or give `validation`"
            )
        return cls(rows, held)

    @property
    def n_validation(self) -> int:
        """Return the number of validation rows of a replicate."""
        if self.validation is not None:
            return len(self.validation)
        return min(len(self.train) - 1, max(1, round(VALIDATION_FRACTION * len(self.train))))

    @property
    def n_train(self) -> int:
        """Return the number of training rows of a replicate."""
        return len(self.train) - (self.n_validation if self.validation is None else 0)

    @property
    def held_out(self) -> Rows:
        """Return the rows that validation rows are taken of."""
        return self.train if self.validation is None else self.validation

    def split(self, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the indices of a seed's training rows, in `train`, and of its validation rows."""
        if self.validation is not None:
            return np.arange(len(self.train)), np.arange(len(self.validation))
        rng = np.random.default_rng(RandomStreams(seed).split_seed)
        order = rng.permutation(len(self.train))
        return np.sort(order[self.n_validation :]), np.sort(order[: self.n_validation])

    def orders(self, seed: int) -> Iterator[np.ndarray[Any, Any]]:
        """Yield the training rows of a seed in the order of each epoch."""
        rows, _ = self.split(seed)
        rng = RandomStreams(seed).rows
        while True:
            yield rows[rng.permutation(len(rows))]

    def fingerprint(self) -> str:
        """Return a hash of all rows."""
        parts = [self.train] + ([] if self.validation is None else [self.validation])
        arrays = [each.cpu() for part in parts for each in (*part.inputs, part.target)]
        return str(joblib.hash([_as_array(each) for each in arrays]))


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return -(-n_rows // batch_size)


def _as_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor as an array; one of a precision that NumPy lacks, in double precision."""
    is_known = tensor.dtype not in (torch.bfloat16,)
    return np.asarray((tensor if is_known else tensor.double()).detach().numpy())


def read_rows(data: Any, name: str, device: Any, dtype: Any) -> Rows:
    """Return rows of a pair of arrays, or of a dataset of pairs."""
    if isinstance(data, TensorDataset):
        data = (data.tensors[:-1], data.tensors[-1])
    if isinstance(data, Dataset):
        data = _read_dataset(data, name)
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise InvalidInputError(
            f"`{name}` must be (X, y) or a Dataset of such pairs, but got {type(data).__name__}"
        )
    X, y = data
    parts = tuple(X) if isinstance(X, tuple | list) else (X,)
    inputs = tuple(_to_device(each, name, device, dtype) for each in parts)
    target = _to_device(y, name, device, dtype)
    if target.dtype in (torch.int8, torch.int16, torch.int32, torch.uint8):
        target = target.long()
    lengths = {each.shape[0] if each.ndim else -1 for each in (*inputs, target)}
    if len(lengths) != 1 or not lengths or min(lengths) < 1:
        shapes = ", ".join(str(tuple(each.shape)) for each in (*inputs, target))
        raise InvalidInputError(
            f"`{name}` must have as many rows of X as of y, and at least one, but got the shapes "
            f"{shapes}"
        )
    return Rows(inputs, target)


def _to_device(values: Any, name: str, device: Any, dtype: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(values).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"`{name}` must hold tensors or arrays of numbers, but got {type(values).__name__}: "
            f"{error}"
        ) from error
    return tensor.to(device, dtype if tensor.is_floating_point() else None)


def _arrays(values: Any) -> list[Any]:
    """Return the arrays of a collated row, which may be nested."""
    if isinstance(values, Tensor):
        return [_as_array(values)]
    return [array for value in values for array in _arrays(value)]


def _read_dataset(data: Any, name: str) -> Any:
    """Return all rows of a map-style dataset as a pair of tensors."""
    if isinstance(data, IterableDataset) or not hasattr(data, "__len__"):
        raise InvalidInputError(
            f"`{name}` must be a Dataset with a length, whose rows are read by their number, but "
            f"got {type(data).__name__}: write a loop of your own for a stream"
        )
    for index in range(min(ROWS_READ_TWICE, len(data))):
        first, again = (default_collate([data[index]]) for _ in range(2))
        if joblib.hash(_arrays(first)) != joblib.hash(_arrays(again)):
            raise InvalidInputError(
                f"`{name}` must give a row the same each time, as it is read once, but row {index} "
                "changed when it was read again: draw augmentations in the module's forward, or "
                "write a loop of your own"
            )
    return default_collate([data[index] for index in range(len(data))])
