"""Replicates: the split into training and validation rows, and the seed of everything else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.splitting import GOLDEN, RowSplit, Task, make_split

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Replicate:
    """Everything random about a training.

    Attributes
    ----------
    train, validation : ndarray of int
        Row indices.
    seed : int
        Of the initial weights and the shuffling.
    """

    train: Array
    validation: Array
    seed: int


@dataclass(frozen=True)
class Folds:
    """Splits that hang together: replicate n has split n modulo `count` of pass n // `count`.

    Attributes
    ----------
    count : int
    test_ratio : float
        Mean ratio of the validation rows to the training rows.
    is_fixed : bool
        True if each pass has the same splits; else it draws new ones that share out the rows.
    """

    count: int
    test_ratio: float
    is_fixed: bool


def make_replicates(
    y: Array,
    n_replicates: int,
    *,
    task: Task,
    seed: int = 0,
    split: RowSplit | None = None,
) -> tuple[Replicate, ...]:
    """Draw replicates 0, 1, … of a table with the target `y`, by default split at random.

    Raises
    ------
    InvalidInputError
        If there are too few rows, or a class has too few, to split.

    Examples
    --------
    >>> first, second = make_replicates(np.arange(8.0), 2, task="regression")
    >>> len(first.train), len(first.validation), first.seed != second.seed
    (6, 2, True)
    """
    if n_replicates < 1:
        raise InvalidInputError(
            f"`n_replicates` must be at least 1, but got {n_replicates}: the default is 3"
        )
    return tuple(islice(draw_replicates(y, task=task, seed=seed, split=split), n_replicates))


def draw_replicates(
    y: Array, *, task: Task, seed: int = 0, first: int = 0, split: RowSplit | None = None
) -> Iterator[Replicate]:
    """Draw replicates without end, from number `first` on; splits are stratified for classes.

    `split` is from `make_split`, if rows are not split at random. A replicate depends on the seed
    and its number alone.

    Examples
    --------
    >>> y = np.arange(8.0)
    >>> third = next(draw_replicates(y, task="regression", first=2))
    >>> third.seed == make_replicates(y, 3, task="regression")[2].seed
    True
    """
    split = split or make_split(y, task=task)
    phase = np.random.default_rng(seed).random()
    for number in itertools.count(first):
        child = np.random.SeedSequence(seed, spawn_key=(number,))
        split_seed, model_seed = (int(word) for word in child.generate_state(2))
        yield Replicate(*split(split_seed, (phase + number * GOLDEN) % 1), model_seed)
