"""Replicates: the split into training and validation rows, and the seed of everything else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]

VALIDATION_FRACTION = 0.25
"""Share of the rows that a replicate validates with."""


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
    y: Array, n_replicates: int, *, task: Task, seed: int = 0
) -> tuple[Replicate, ...]:
    """Draw replicates 0, 1, … of a table with the target `y`.

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
    return tuple(islice(draw_replicates(y, task=task, seed=seed), n_replicates))


def draw_replicates(y: Array, *, task: Task, seed: int = 0, first: int = 0) -> Iterator[Replicate]:
    """Draw replicates without end, from number `first` on; splits are stratified for classes.

    A replicate depends on the seed and its number alone.

    Examples
    --------
    >>> y = np.arange(8.0)
    >>> third = next(draw_replicates(y, task="regression", first=2))
    >>> third.seed == make_replicates(y, 3, task="regression")[2].seed
    True
    """
    from sklearn.model_selection import train_test_split

    if task == "classification":
        _require_classes(y)
    stratify = y if task == "classification" else None
    cure = "add rows" if stratify is None else "merge classes, or add rows"
    for number in itertools.count(first):
        child = np.random.SeedSequence(seed, spawn_key=(number,))
        split_seed, model_seed = (int(word) for word in child.generate_state(2))
        try:
            train, validation = train_test_split(
                np.arange(len(y)),
                test_size=VALIDATION_FRACTION,
                random_state=split_seed,
                stratify=stratify,
            )
        except ValueError as error:
            raise InvalidInputError(
                f"the table must have enough rows to hold out {VALIDATION_FRACTION:.0%} of them, "
                f"but with {len(y)} rows: {' '.join(str(error).split())}: {cure}"
            ) from error
        yield Replicate(train, validation, model_seed)


def _require_classes(y: Array) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise InvalidInputError(
            f"the target must have at least 2 classes, but got {len(classes)}: name another "
            "`target`, or set `task='regression'`"
        )
    if counts.min() < 2:
        raise InvalidInputError(
            f"every class must have at least 2 rows, but class "
            f"{str(classes[counts.argmin()])!r} has {counts.min()}: drop it or merge it with "
            "another"
        )
