"""Replicates from a scikit-learn splitter, and fresh ones from the same splitter."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import numpy as np

from lrtune.tuning.trainers.replicates import Replicate

__all__ = ["fresh_splits", "replicates_of"]


def replicates_of(
    splits: Iterable[tuple[Any, Any]], seed: int, *, first: int = 0
) -> Iterator[Replicate]:
    """Splits, each with a seed of its own for initial weights and shuffling.

    Parameters
    ----------
    splits : iterable of (train, test)
        Indices of rows.
    seed : int
    first : int, default=0
        The first one's number, which enters its seed.

    Examples
    --------
    >>> one, two = replicates_of([([0, 1], [2]), ([1, 2], [0])], seed=0)
    >>> one.seed != two.seed
    True
    """
    for number, (train, test) in enumerate(splits, first):
        yield Replicate(np.asarray(train), np.asarray(test), _seed_of(seed, number))


def fresh_splits(cv: Any, X: Any, y: Any, params: Any, seed: int) -> Iterator[tuple[Any, Any]]:
    """Split again and again, each time with another seed if the splitter draws at random.

    Parameters
    ----------
    cv : splitter
        Not changed.
    X, y
    params : mapping
        Further arguments of its ``split``.
    seed : int
    """
    for number in itertools.count(1):
        splitter = copy(cv)
        if getattr(splitter, "shuffle", hasattr(cv, "random_state")):
            splitter.random_state = _seed_of(seed + 1, number)
        yield from splitter.split(X, y, **params)


def _seed_of(seed: int, number: int) -> int:
    """Seed of a replicate's initial weights and shuffling."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
