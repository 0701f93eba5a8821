"""Tables and replicates."""

from pathlib import Path

import numpy as np
import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.bundled import BUNDLED
from lrtune.tables.dataset import load_dataset
from lrtune.tuning.trainers.replicates import make_replicates


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_data_are_numeric_and_complete(name: str) -> None:
    dataset = load_dataset(name)

    assert len(dataset.X) == len(dataset.y) > 100
    assert np.isfinite(dataset.X).all()
    assert dataset.task == BUNDLED[name][1]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["u", "v"], "classification"),
        (["True", "False"], "classification"),
        ([0, 1], "classification"),
        ([5, 7], "classification"),
        ([0.5, 1.5], "regression"),
        (list(range(40)), "regression"),
        ([1.0, 2.0], "classification"),
    ],
)
def test_the_task_is_inferred_and_said(folder: Path, values: list[object], task: str) -> None:
    rows = [f"{i},{values[i % len(values)]}" for i in range(80)]
    Path("table.csv").write_text("\n".join(["a,y", *rows]))
    dataset = load_dataset("table.csv")

    assert dataset.task == task
    assert any(f"task: {task}" in note for note in dataset.notes)
    assert dataset.name == "table"


def test_the_target_may_be_any_column(folder: Path) -> None:
    Path("t.csv").write_text("y,a,b\n" + "u,1,2\nv,3,4\n" * 4)
    dataset = load_dataset("t.csv", target="y")

    assert dataset.X[:2].tolist() == [[1, 2], [3, 4]]
    assert dataset.y[:2].tolist() == ["u", "v"]


def test_replicates_split_rows_without_overlap_and_keep_the_classes() -> None:
    y = load_dataset("iris").y
    for replicate in make_replicates(y, 5, task="classification", seed=7):
        rows = np.concatenate([replicate.train, replicate.validation])

        assert sorted(rows) == list(range(150))
        assert len(replicate.validation) == 38
        assert {12, 13} == set(np.bincount(y[replicate.validation]))


def test_replicates_differ_in_split_and_seed() -> None:
    first, second = make_replicates(np.arange(50.0), 2, task="regression")

    assert first.seed != second.seed
    assert not np.array_equal(first.validation, second.validation)


def test_more_replicates_begin_with_the_fewer() -> None:
    y = load_dataset("wine").y
    few = make_replicates(y, 2, task="classification", seed=1)
    more = make_replicates(y, 6, task="classification", seed=1)
    for left, right in zip(few, more, strict=False):
        assert left.seed == right.seed
        assert np.array_equal(left.train, right.train)


def test_other_seeds_give_other_replicates() -> None:
    seeds = {
        make_replicates(np.arange(9.0), 1, task="regression", seed=s)[0].seed for s in range(9)
    }

    assert len(seeds) == 9


def test_no_replicates_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least 1, but got 0"):
        make_replicates(np.arange(9.0), 0, task="regression")
