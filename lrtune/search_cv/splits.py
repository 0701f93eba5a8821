"""Replicates whose splits come from a scikit-learn splitter."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from lrtune.tuning.trainers.replicates import Folds, Replicate

GROUPED = (GroupKFold, StratifiedGroupKFold)
"""Splitters by groups, which have no order: they may shuffle even if they do not by default."""


class SplitReplicates:
    """Numbered replicates: a split of the cross-validation and a seed for each.

    The first are the splits of `cv`, kept in `first`. Further ones come from copies of `cv` that
    split again, with a new seed each time if `cv` draws at random, or if it may shuffle: a number
    of folds, and one that keeps groups together, say nothing of an order. `params` are further
    arguments of ``cv.split``.
    """

    def __init__(
        self,
        cv: Any,
        X: Any,
        y: Any,
        params: Mapping[str, Any],
        seed: int,
        *,
        may_shuffle: bool = False,
    ) -> None:
        self._cv, self._data, self._params, self._seed = cv, (X, y), params, seed
        self._further = copy(cv)
        if may_shuffle:
            self._further.shuffle = True
        self._is_random = bool(getattr(self._further, "shuffle", hasattr(cv, "random_state")))
        splits = list(cv.split(X, y, **params))
        self.first = tuple(self._replicate(split, number) for number, split in enumerate(splits))
        self._restart()

    @property
    def folds(self) -> Folds | None:
        """Return how the splits hang together; None if each is drawn apart from the others."""
        held_out = np.concatenate([each.validation for each in self.first])
        shares_out = len(np.unique(held_out)) == len(held_out) == len(self._data[1])
        if self._is_random and not shares_out:
            return None
        ratios = [len(each.validation) / len(each.train) for each in self.first]
        return Folds(len(ratios), float(np.mean(ratios)), not self._is_random)

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
        splitter = copy(self._further)
        if self._is_random:
            splitter.random_state = _seed_of(self._seed + 1, self._pass)
        self._splits = list(splitter.split(*self._data, **self._params))

    def _replicate(self, split: tuple[Any, Any], number: int) -> Replicate:
        train, test = split
        return Replicate(np.asarray(train), np.asarray(test), _seed_of(self._seed, number))


def _seed_of(seed: int, number: int) -> int:
    """Return the seed of a replicate's initial weights and shuffling."""
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
