"""Replicates: seeds of everything random, each with a split of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from lrtune.exceptions import InvalidInputError

__all__ = ["Replicate", "VALIDATION_FRACTION", "make_replicates"]

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
    if task == "classification":
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
    stratify = y if task == "classification" else None
    replicates = []
    for child in np.random.SeedSequence(seed).spawn(n_replicates):
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
                f"but with {len(y)} rows: {error}"
            ) from error
        replicates.append(Replicate(train, validation, model_seed))
    return tuple(replicates)
