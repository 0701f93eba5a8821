"""Replicates: seeds of everything random, each with a split of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from lrtune.exceptions import InvalidInputError

__all__ = ["Replicate", "VALIDATION_FRACTION", "draw_replicates", "make_replicates"]

Array = npt.NDArray[Any]

VALIDATION_FRACTION = 0.25
"""Share of the rows that a replicate validates with."""


@dataclass(frozen=True)
class Replicate:
    """One seed of everything random: the split, the initial weights, the shuffling.

    Attributes
    ----------
    train, validation : ndarray of int
        Row indices.
    seed : int
        Of initial weights and shuffling.
    """

    train: Array
    validation: Array
    seed: int


def make_replicates(
    y: Array,
    n_replicates: int,
    *,
    task: Literal["classification", "regression"],
    seed: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
) -> tuple[Replicate, ...]:
    """Draw replicates: each its own split (stratified for classes) and its own seed.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Target.
    n_replicates : int
        R.
    task : {"classification", "regression"}
    seed : int, default=0
        Replicate r depends on the seed and r alone, not on R.
    validation_fraction : float, default=0.25
        Share of the rows to validate with.

    Returns
    -------
    tuple of Replicate

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
        raise InvalidInputError(f"replicates must be at least 1, but got {n_replicates}")
    endless = draw_replicates(y, task=task, seed=seed, validation_fraction=validation_fraction)
    return tuple(islice(endless, n_replicates))


def draw_replicates(
    y: Array,
    *,
    task: Literal["classification", "regression"],
    seed: int = 0,
    first: int = 0,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Iterator[Replicate]:
    """Draw replicates without end, from number `first` on; see `make_replicates`.

    Examples
    --------
    >>> y = np.arange(8.0)
    >>> third = next(draw_replicates(y, task="regression", first=2))
    >>> third.seed == make_replicates(y, 3, task="regression")[2].seed
    True
    """
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
                test_size=validation_fraction,
                random_state=split_seed,
                stratify=stratify,
            )
        except ValueError as error:
            raise InvalidInputError(
                f"the table must have enough rows to hold out {validation_fraction:.0%} of them, "
                f"but with {len(y)} rows: {' '.join(str(error).split())}: {cure}"
            ) from error
        yield Replicate(train, validation, model_seed)


def _require_classes(y: Array) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise InvalidInputError(
            f"the target must have at least 2 classes, but got {len(classes)}: name another "
            "--target, or --task regression"
        )
    if counts.min() < 2:
        raise InvalidInputError(
            f"every class must have at least 2 rows, but class "
            f"{str(classes[counts.argmin()])!r} has {counts.min()}: drop it or merge it with "
            "another"
        )
