"""Splits: whole groups and later rows are held out, with every class where that can be."""

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.confirm.errors import standard_error
from lrtune.tuning.trainers.replicates import Replicate, make_replicates
from lrtune.tuning.trainers.splitting import EARLIEST, GOLDEN, LATEST, WINDOW, make_split


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whole_groups_are_held_out_and_splits_differ(task: str) -> None:
    groups = np.repeat(np.arange(12), 5)
    split = make_split(np.arange(60) % 2, task=task, groups=groups)
    splits = [split(seed, seed * GOLDEN % 1) for seed in range(20)]

    for train, validation in splits:
        assert sorted([*train, *validation]) == list(range(60))
        assert not set(groups[train]) & set(groups[validation])
        assert len(set(groups[validation])) == 3
    assert len({validation.tobytes() for _, validation in splits}) > 15


def test_every_class_is_on_both_sides_where_groups_allow_it() -> None:
    groups = np.repeat(np.arange(20), 3)
    y = np.where(groups < 2, "rare", "common")  # one of its two groups on each side
    split = make_split(y, task="classification", groups=groups)

    for seed in range(50):
        train, validation = split(seed, seed * GOLDEN % 1)
        assert set(y[train]) == set(y[validation]) == {"rare", "common"}


def test_a_class_is_never_held_out_as_a_whole() -> None:
    groups = np.repeat(np.arange(40), 2)
    y = groups // 2  # 20 classes of two groups each: half a draw's ten groups cannot have all
    split = make_split(y, task="classification", groups=groups)

    for seed in range(50):
        train, validation = split(seed, seed * GOLDEN % 1)
        assert len(set(y[train])) == 20
        assert len(validation) > 0


def test_validation_rows_follow_training_rows_and_cuts_differ() -> None:
    split = make_split(np.arange(100.0), task="regression", times=np.arange(100))
    splits = [split(seed, seed * GOLDEN % 1) for seed in range(30)]

    for train, validation in splits:
        assert EARLIEST * 100 <= len(train) <= LATEST * 100
        assert train.tolist() == list(range(len(train)))
        assert validation.tolist() == list(range(len(train), len(train) + int(100 * WINDOW)))
    assert len({len(train) for train, _ in splits}) > 10


def test_rows_of_one_time_are_on_the_same_side() -> None:
    times = np.repeat(np.arange(10), 7)
    split = make_split(np.arange(70.0), task="regression", times=times)

    for seed in range(20):
        train, validation = split(seed, seed * GOLDEN % 1)
        assert times[train].max() < times[validation].min()


def test_a_cut_is_found_where_most_rows_have_one_time() -> None:
    times = np.repeat([0, 1, 2, 3], [1, 1, 90, 8])
    train, validation = make_split(np.arange(100.0), task="regression", times=times)(0, 0.5)

    assert (len(train), validation.tolist()) == (92, list(range(92, 100)))


def test_later_rows_of_every_class_are_preferred() -> None:
    y = np.array(["a", "b"] * 30 + ["a"] * 25 + ["b"] + ["a"] * 14)
    split = make_split(y, task="classification", times=np.arange(100))

    assert all(len(set(y[split(seed, seed * GOLDEN % 1)[1]])) == 2 for seed in range(10))


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"groups": np.arange(12) % 3}, np.arange(12) % 2, "at least 4 groups.* but got 3"),
        ({"times": np.arange(12) // 4}, np.arange(12) % 2, "at least 4 different times.* got 3"),
        (
            {"groups": np.arange(12) // 2},
            np.array(["x", "x"] + ["y"] * 10),
            "rows of at least 2 groups.* class 'x' has rows of one: merge",
        ),
        (
            {"times": np.arange(12)},
            np.array([0] * 10 + [1] * 2),
            "early enough to train on.* class '1' begins with row 11 of 12: merge",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(options: dict, y: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make_split(y, task="classification", **options)


@pytest.mark.parametrize("kind", ["groups", "times"])
def test_twice_the_stated_error_holds_the_mean_over_all_splits(kind: str) -> None:
    covered = []
    for table in range(2):
        rng = np.random.default_rng(table)
        y = rng.normal(size=30).repeat(10) + 0.3 * rng.normal(size=300)  # groups, or months
        rows = np.arange(300) // 10 if kind == "groups" else np.arange(300)
        split = make_split(y, task="regression", **{kind: rows})

        def loss(replicate: Replicate, y: np.ndarray = y) -> float:  # of the training rows' mean
            return float(((y[replicate.validation] - y[replicate.train].mean()) ** 2).mean())

        losses = np.array(
            [
                [
                    loss(each)
                    for each in make_replicates(y, 8, task="regression", seed=n, split=split)
                ]
                for n in range(200)
            ]
        )
        errors = np.array([standard_error(row) for row in losses])
        covered.append(np.abs(losses.mean(axis=1) - losses.mean()) <= 2 * errors)

    assert np.mean(covered) > 0.92
