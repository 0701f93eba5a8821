"""Replicates: splits that are stratified, differ from each other, and depend on their number."""

from itertools import islice

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.trainers.replicates import draw_replicates, make_replicates
from lrtune.tuning.trainers.splitting import VALIDATION_FRACTION


def test_classes_are_split_in_their_proportions() -> None:
    y = np.repeat(["a", "b"], [80, 20])
    for replicate in make_replicates(y, 5, task="classification", seed=7):
        labels, counts = np.unique(y[replicate.validation], return_counts=True)

        assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == {"a": 20, "b": 5}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_training_and_validation_rows_part_the_table(task: str) -> None:
    y = np.arange(60) % 3
    (replicate,) = make_replicates(y, 1, task=task)

    assert sorted([*replicate.train, *replicate.validation]) == list(range(60))
    assert len(replicate.validation) == 60 * VALIDATION_FRACTION


def test_a_replicate_depends_on_the_seed_and_its_number_alone() -> None:
    y = np.arange(40.0)
    few, many = (make_replicates(y, n, task="regression", seed=1) for n in (2, 6))
    (fifth,) = islice(draw_replicates(y, task="regression", seed=1, first=4), 1)

    for one, other in zip((*few, fifth), (*many[:2], many[4]), strict=True):
        assert one.seed == other.seed
        assert one.train.tolist() == other.train.tolist()
        assert one.validation.tolist() == other.validation.tolist()


def test_replicates_and_seeds_differ() -> None:
    y = np.arange(40.0)
    replicates = [
        r for seed in range(4) for r in make_replicates(y, 3, task="regression", seed=seed)
    ]

    assert len({replicate.seed for replicate in replicates}) == 12
    assert len({replicate.train.tobytes() for replicate in replicates}) == 12


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(20), "the target must have at least 2 classes, but got 1: name another `target`"),
        (np.array([0] * 20 + [7]), "every class must have at least 2 rows, but class '7' has 1"),
        (np.array([0, 0, 1, 1, 2, 2, 3, 3]), "enough rows to hold out 25% .* merge classes"),
    ],
)
def test_a_target_that_cannot_be_split_is_refused(y: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make_replicates(y, 1, task="classification")


def test_a_table_of_one_row_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"enough rows to hold out 25% .* add rows"):
        make_replicates(np.arange(1.0), 1, task="regression")


def test_at_least_one_replicate_is_needed() -> None:
    with pytest.raises(InvalidInputError, match="`n_replicates` must be at least 1, but got 0"):
        make_replicates(np.arange(9.0), 0, task="regression")
