"""A table of many rows is not copied, by a fit or by a search."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.search import Budget, search
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer

ROWS, COLUMNS = 40_000, 50
MIB = 1 << 20


@pytest.fixture(scope="module")
def table() -> Any:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def network() -> MLPClassifier:
    return MLPClassifier((8,), max_iter=1, batch_size=1000, dtype="float32", random_state=0)


def test_a_fit_takes_a_fraction_of_the_table(table: Any, peak: Callable[[], int]) -> None:
    X, y = table
    network().fit(X, y)

    assert peak() < 0.5 * X.nbytes + MIB


@pytest.mark.slow
def test_a_search_with_confirmation_takes_no_more_than_the_table(
    table: Any, peak: Callable[[], int]
) -> None:
    X, y = table
    result = search(
        NetworkTrainer.on_random_splits(make_pipeline(StandardScaler(), network()), X, y, 3),
        Space.default(1, learning_rate_init=(0.01, 1.0)),
        budget=Budget(n_trials=8),
        sampling=Sampling(),
    )

    assert result.confirmed_loss is not None
    assert peak() < 1.5 * X.nbytes + 8 * MIB
