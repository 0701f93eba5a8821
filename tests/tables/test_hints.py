"""Hints at groups and times: where rows hang together, and nowhere else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrtune.tables.dataset import load_dataset

RNG = np.random.default_rng(0)


def hints(frame: pd.DataFrame, **options: str) -> list[str]:
    frame.to_csv("table.csv", index=False)
    notes = load_dataset("table.csv", **options).notes
    return [note for note in notes if "`group=" in note or "`time=" in note]


@pytest.mark.parametrize("name", ["patient", "user_id", "Customer No", "households", "pid"])
def test_a_column_named_like_groups_that_repeats_values(name: str, folder: Path) -> None:
    frame = pd.DataFrame({name: np.arange(120) // 6, "x": RNG.normal(size=120), "y": range(120)})
    (hint,) = hints(frame)

    assert hint.startswith(f"column '{name}' repeats each value about 6 times: if rows of one ")
    assert f"`group='{name}'`" in hint
    assert hints(frame, group=name) == []


def test_a_column_that_decides_the_class_whatever_its_name(folder: Path) -> None:
    codes = np.arange(120) // 4
    y = np.array(["ill", "well"])[codes % 2]
    frame = pd.DataFrame({"ward_of": [f"w{code}" for code in codes], "x": range(120), "y": y})

    assert "if rows of one 'ward_of' belong together, use `group='ward_of'`" in hints(frame)[0]
    assert hints(frame.assign(y=RNG.permutation(y))) == []


@pytest.mark.parametrize(
    "values",
    [
        range(120),  # each differs
        np.arange(120) % 3,  # too few to hold any out
        RNG.normal(size=120).round(1),  # fractions
    ],
)
def test_what_is_no_group_whatever_its_name(values: object, folder: Path) -> None:
    assert (
        hints(pd.DataFrame({"patient": values, "x": range(120), "y": RNG.normal(size=120)})) == []
    )


def walk(n: int) -> np.ndarray:
    return RNG.normal(size=n).cumsum()


def test_dates_along_which_the_target_changes_little(folder: Path) -> None:
    days = pd.date_range("2020-01-01", periods=200).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": days, "x": RNG.normal(size=200), "y": walk(200)})
    (hint,) = hints(frame)

    assert hint.startswith("column 'day' rises from row to row, and the target changes little")
    assert hint.endswith("use `time='day'`")
    assert "is a time, and the target" in hints(frame.sample(frac=1, random_state=0))[0]
    assert hints(frame, time="day") == []


def test_dates_that_rise_while_the_target_does_as_it_likes(folder: Path) -> None:
    days = pd.date_range("2020-01-01", periods=200).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": days, "x": RNG.normal(size=200), "y": RNG.normal(size=200)})

    assert hints(frame)[0].startswith("column 'day' rises from row to row: if later rows")
    assert hints(frame.sample(frac=1, random_state=0)) == []


@pytest.mark.parametrize(("name", "n_hints"), [("year", 1), ("t", 1), ("weight", 0)])
def test_numbers_are_times_by_their_name(name: str, n_hints: int, folder: Path) -> None:
    frame = pd.DataFrame({name: np.arange(200) + 1800, "x": RNG.normal(size=200), "y": walk(200)})

    assert len(hints(frame)) == n_hints


def test_hours_of_the_day_are_no_time(folder: Path) -> None:
    hour = RNG.permutation(np.arange(240) % 24)
    frame = pd.DataFrame({"hour": hour, "x": RNG.normal(size=240), "y": 10.0 * hour})

    assert hints(frame) == []


def test_several_rows_of_each_day(folder: Path) -> None:
    days = pd.date_range("2020-01-01", periods=40).strftime("%Y-%m-%d").repeat(5)
    frame = pd.DataFrame({"day": days, "x": RNG.normal(size=200), "y": walk(40).repeat(5)})

    assert "use `time='day'`" in hints(frame)[0]


def test_classes_that_stay_for_a_while_along_time(folder: Path) -> None:
    days = pd.date_range("2020-01-01", periods=200).strftime("%Y-%m-%d")
    y = np.where(np.arange(200) // 25 % 2, "up", "down")
    frame = pd.DataFrame({"day": days, "x": RNG.normal(size=200), "y": y})

    assert "the target changes little from row to row" in hints(frame)[0]
