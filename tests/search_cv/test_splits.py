"""Replicates of a splitter: its own splits first, then new ones if it draws at random."""

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit, StratifiedKFold

from lrtune.search_cv.splits import SplitReplicates
from lrtune.tuning.trainers.replicates import Replicate

X, Y = np.zeros((30, 2)), np.arange(30) % 3


def replicates(cv: Any, *, seed: int = 0, **params: Any) -> SplitReplicates:
    return SplitReplicates(cv, X, Y, params, seed)


def rows(replicate: Replicate) -> tuple[list[int], list[int]]:
    return replicate.train.tolist(), replicate.validation.tolist()


@pytest.mark.parametrize(
    "cv", [KFold(3), StratifiedKFold(3, shuffle=True, random_state=1), ShuffleSplit(4)]
)
def test_the_first_are_the_splitters_own_splits(cv: Any) -> None:
    splits = replicates(cv)
    if getattr(cv, "random_state", 0) is not None:
        expected = [(train.tolist(), test.tolist()) for train, test in cv.split(X, Y)]
        assert [rows(replicate) for replicate in splits.first] == expected
    assert len(splits.first) == cv.get_n_splits()


def test_without_shuffling_the_same_splits_come_again_with_other_seeds() -> None:
    splits = replicates(KFold(3))
    for number in range(3, 9):
        assert rows(splits(number)) == rows(splits.first[number % 3])
    seeds = [each.seed for each in (*splits.first, *map(splits, range(3, 9)))]

    assert len(set(seeds)) == 9


@pytest.mark.parametrize(
    "cv", [KFold(3, shuffle=True, random_state=1), ShuffleSplit(3), RepeatedKFold(n_splits=3)]
)
def test_a_splitter_that_draws_at_random_gives_new_splits(cv: Any) -> None:
    splits = replicates(cv)
    n = len(splits.first)
    validations = {
        each.validation.tobytes() for each in (*splits.first, *map(splits, range(n, 3 * n)))
    }

    assert len(validations) == 3 * n


def test_a_number_means_the_same_in_any_order_and_process() -> None:
    cv = KFold(3, shuffle=True, random_state=1)
    splits, others = replicates(cv), replicates(cv)
    later = others(7)

    assert rows(splits(4)) != rows(later)
    assert rows(splits(7)) == rows(later)
    assert rows(splits(4)) == rows(others(4))
    assert splits(7).seed == later.seed
    assert rows(replicates(cv, seed=1)(7)) != rows(later)


def test_the_splitter_is_not_changed_and_gets_its_groups() -> None:
    cv = ShuffleSplit(2, random_state=5)
    replicates(cv)(9)
    groups = np.arange(30) // 10
    grouped = replicates(GroupKFold(3), groups=groups)

    assert cv.random_state == 5
    for replicate in (*grouped.first, grouped(4)):
        assert not set(groups[replicate.train]) & set(groups[replicate.validation])
