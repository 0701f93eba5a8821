"""Standard errors: twice the error covers as often as it should, whatever the splits."""

import numpy as np
import pytest
from scipy import stats

from lrtune.tuning.confirm.errors import (
    Sample,
    error_over_splits,
    standard_error,
    stated_error,
    upper_bound,
)
from lrtune.tuning.trainers.replicates import Folds


@pytest.mark.parametrize("n", [2, 3, 6, 20])
@pytest.mark.parametrize("n_earlier", [0, 4])
def test_twice_the_standard_error_covers_the_mean_whatever_the_number(
    n: int, n_earlier: int
) -> None:
    rng = np.random.default_rng(n)
    losses = rng.normal(1.0, 0.3, (2000, n + n_earlier))
    errors = [standard_error(row[:n], row[n:]) for row in losses]
    covered = np.abs(losses[:, :n].mean(axis=1) - 1.0) <= 2 * np.array(errors)

    assert 0.94 < covered.mean() < 0.97


def test_one_loss_has_no_standard_error() -> None:
    assert standard_error(np.array([1.0])) is None


@pytest.mark.parametrize("n_splits", [3, 5])
def test_an_error_over_fixed_splits_covers_the_error_on_other_data(n_splits: int) -> None:
    """The mean predictor's squared error on data of the same source, by cross-validation."""
    rng = np.random.default_rng(n_splits)
    covered = []
    for _ in range(1000):
        y = rng.normal(size=60)
        folds = np.arange(60) % n_splits
        losses = [((y[folds == j] - y[folds != j].mean()) ** 2).mean() for j in range(n_splits)]
        error = error_over_splits(np.array(losses), np.arange(n_splits), 1 / (n_splits - 1))
        covered.append(abs(np.mean(losses) - (1 + n_splits / (n_splits - 1) / 60)) <= 2 * error)

    assert 0.9 < np.mean(covered) <= 0.995


def test_seeds_on_the_same_splits_do_not_make_the_error_smaller() -> None:
    losses, splits = np.array([1.0, 2.0, 3.0]), np.arange(3)
    once = error_over_splits(losses, splits, 0.5)

    assert error_over_splits(np.tile(losses, 9), np.tile(splits, 9), 0.5) == pytest.approx(once)
    assert error_over_splits(losses, np.zeros(3), 0.5) is None


def test_a_bound_is_students_and_of_fixed_splits_that_of_their_choice() -> None:
    losses = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    single = losses.mean() + stats.t.ppf(0.9, 5) * losses.std(ddof=1) / np.sqrt(6)
    fixed = 2.0 + stats.t.ppf(0.9, 2) * np.sqrt(1 / 3 + 0.5)  # the variance between them is 1

    assert upper_bound(losses, 0.9) == pytest.approx(single)
    assert upper_bound(losses, 0.9, Folds(3, 0.5, is_fixed=True)) == pytest.approx(fixed)
    assert upper_bound(losses[:1], 0.9) == np.inf


# --- splits that share out the rows ---------------------------------------------------------------


def folds_of(rng: np.random.Generator, rows: np.ndarray, n_passes: int) -> np.ndarray:
    """Return means of three folds of rows, shuffled for each pass, with noise of seeds."""
    means = [row.mean() for _ in range(n_passes) for row in rng.permutation(rows).reshape(3, -1)]
    return np.array(means) + rng.normal(0, 0.02, 3 * n_passes)


@pytest.mark.parametrize("n_passes", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_the_error_of_shuffled_folds_is_that_of_whole_passes(n_passes: int) -> None:
    """Each pass holds out every row once, so which fold a row is in does not matter."""
    rng, folds = np.random.default_rng(n_passes), Folds(3, 0.5, is_fixed=False)
    n, z = 3 * n_passes, []
    for _ in range(1500):
        rows = rng.normal(1.0, 1.0, 60)
        losses = folds_of(rng, rows, n_passes + 3)
        measured = Sample(losses[:n], range(n))
        error = stated_error(measured, Sample(losses[n:], range(n, n + 9)), folds)
        z.append((measured.losses.mean() - rows.mean()) / error)

    assert np.mean(np.abs(z) <= 2) == pytest.approx(0.955, abs=0.02)


def test_whole_passes_alone_are_compared_and_single_losses_where_they_are_too_few() -> None:
    folds = Folds(3, 0.5, is_fixed=False)
    losses = np.arange(14.0)
    whole = stated_error(Sample(losses, range(14)), None, folds)

    assert whole is None or whole == pytest.approx(standard_error(np.array([1.0, 4.0, 7.0, 10.0])))
    assert stated_error(Sample(losses[:7], range(7)), None, folds) == standard_error(losses[:7])


def test_on_one_fixed_split_the_error_is_that_of_the_seeds() -> None:
    losses = np.array([1.0, 2.0, 3.0])

    assert stated_error(Sample(losses, range(3)), None, Folds(1, 0.3, is_fixed=True)) == (
        standard_error(losses)
    )
