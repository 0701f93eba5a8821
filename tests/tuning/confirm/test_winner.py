"""The winner's measurement: on which replicates it trains."""

import itertools

import pytest

from lrtune.tuning.confirm.winner import _take
from lrtune.tuning.trainers.replicates import Folds


@pytest.mark.parametrize("is_fixed", [False, True])
@pytest.mark.parametrize("n", [3, 4, 8, 12])
@pytest.mark.parametrize("first", [3, 4, 5])
def test_where_splits_hang_together_it_is_measured_on_whole_passes(
    n: int, first: int, is_fixed: bool
) -> None:
    taken = _take(itertools.count(first), n, Folds(3, 0.5, is_fixed))

    assert len(taken) == n - n % 3
    assert taken[0] % 3 == 0
    assert taken[0] >= first
    assert taken == list(range(taken[0], taken[0] + len(taken)))


def test_too_few_for_a_pass_and_splits_of_their_own_are_taken_as_they_come() -> None:
    assert _take(itertools.count(4), 2, Folds(3, 0.5, is_fixed=False)) == [4, 5]
    assert _take(itertools.count(4), 5, None) == [4, 5, 6, 7, 8]
