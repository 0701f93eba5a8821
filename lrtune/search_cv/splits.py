"""Replicates whose splits come from a scikit-learn splitter."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from lrtune.tuning.trainers.replicates import Replicate


class SplitReplicates:
    """Numbered replicates: a split of the cross-validation and a seed for each.

    The first are the splits of `cv`, kept in `first`. Further ones come from copies of `cv` that
    split again, with a new seed each time if `cv` draws at random. `params` are further arguments
    of ``cv.split``.
    """

    def __init__(self, cv: Any, X: Any, y: Any, params: Mapping[str, Any], seed: int) -> None:
        self._cv, self._data, self._params, self._seed = cv, (X, y), params, seed
        splits = list(cv.split(X, y, **params))
        self.first = tuple(self._replicate(split, number) for number, split in enumerate(splits))
        self._restart()

    def __call__(self, number: int) -> Replicate:
        """Return a replicate by its number, beyond those in `first`."""
        if number < self._start:
            self._restart()
        while number >= self._start + len(self._splits):
            self._split_again()
        return self._replicate(self._splits[number - self._start], number)

    def _restart(self) -> None:
        self._pass, self._start = 0, len(self.first)
        self._splits: list[tuple[Any, Any]] = []

    def _split_again(self) -> None:
        self._pass += 1
        self._start += len(self._splits)
        splitter = copy(self._cv)
        if getattr(splitter, "shuffle", hasattr(self._cv, "random_state")):
            splitter.random_state = _seed_of(self._seed + 1, self._pass)
        self._splits = list(splitter.split(*self._data, **self._params))

    def _replicate(self, split: tuple[Any, Any], number: int) -> Replicate:
        train, test = split
        return Replicate(np.asarray(train), np.asarray(test), _seed_of(self._seed, number))


def _seed_of(seed: int, number: int) -> int:
    """Return the seed of a replicate's initial weights and shuffling."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
