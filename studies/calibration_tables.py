"""Small tables for the study of calibration, and the ways to split them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import (
    load_diabetes,
    load_iris,
    load_wine,
    make_blobs,
    make_classification,
    make_friedman1,
    make_moons,
)
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

from lrtune.tuning.trainers.replicates import Replicate, draw_replicates
from lrtune.tuning.trainers.splitting import Task

Array = npt.NDArray[Any]
Draw = Callable[[int, int], tuple[Array, Array]]

FOLDS = 3
N_GROUPS = 12
FRESH_SEED = 50_000
STRETCHES = 40
"""Tables' worth of rows where the splits are fixed; the first of them is the table."""


@dataclass(frozen=True)
class Source:
    """A source of rows.

    Attributes
    ----------
    draw : callable
        Function of the number of rows and a seed that returns columns and target.
    n_rows : int
        Rows of a table.
    task : {"classification", "regression"}
    is_endless : bool
        True if it gives as many rows as are asked for.
    """

    draw: Draw
    n_rows: int
    task: Task
    is_endless: bool = True


def _skewed(n: int, seed: int) -> tuple[Array, Array]:
    """Return a target whose logarithm is linear in the columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, np.exp(X @ np.array([0.6, 0.4, -0.4, 0.2, 0.0]) + rng.normal(0, 0.5, n))


def _heavy_tails(n: int, seed: int) -> tuple[Array, Array]:
    """Return a target with outliers."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6))
    return X, X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.standard_t(3, n)


def _wide(n: int, seed: int) -> tuple[Array, Array]:
    """Return a target that is linear in a few of many columns."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 30))
    return X, X[:, :4].sum(axis=1) + rng.normal(0, 1, n)


def _bundled(load: Callable[..., Any]) -> Draw:
    def draw(n: int, seed: int) -> tuple[Array, Array]:
        X, y = load(return_X_y=True)
        chosen = np.random.default_rng(seed).permutation(len(y))[:n]
        return X[chosen], y[chosen]

    return draw


def _imbalanced(n: int, seed: int) -> tuple[Array, Array]:
    options: dict[str, Any] = {"n_informative": 3, "weights": [0.85], "flip_y": 0.02}
    return make_classification(n, 6, random_state=seed, **options)


SOURCES = {
    "two classes": Source(
        lambda n, s: make_classification(n, 8, n_informative=4, flip_y=0.1, random_state=s),
        90,
        "classification",
    ),
    "imbalanced": Source(_imbalanced, 150, "classification"),
    "moons": Source(lambda n, s: make_moons(n, noise=0.3, random_state=s), 100, "classification"),
    "four clusters": Source(
        lambda n, s: make_blobs(n, 5, centers=4, cluster_std=5.0, random_state=s),
        120,
        "classification",
    ),
    "iris": Source(_bundled(load_iris), 100, "classification", is_endless=False),
    "wine": Source(_bundled(load_wine), 120, "classification", is_endless=False),
    "friedman": Source(lambda n, s: make_friedman1(n, noise=1.0, random_state=s), 90, "regression"),
    "skewed": Source(_skewed, 120, "regression"),
    "heavy tails": Source(_heavy_tails, 150, "regression"),
    "wide": Source(_wide, 60, "regression"),
    "diabetes": Source(_bundled(load_diabetes), 150, "regression", is_endless=False),
}
"""By name of the table."""


@dataclass(frozen=True)
class Table:
    """Rows of a source; those after `n_rows` are later ones, which a search does not see."""

    X: Array
    y: Array
    task: Task
    n_rows: int
    groups: Array | None = None

    @property
    def seen(self) -> tuple[Array, Array]:
        """Return the columns and the target of the table."""
        return self.X[: self.n_rows], self.y[: self.n_rows]

    @classmethod
    def of(cls, source: Source, seed: int, split: str) -> "Table":
        """Return a table; of groups each has a shift of its own, and a series has a memory."""
        rng = np.random.default_rng(seed)
        n = source.n_rows * (STRETCHES if split in FIXED else 1)
        X, y = source.draw(n, seed)
        X = X / X.std(axis=0)
        groups = None
        if split == "grouped":
            groups = rng.integers(N_GROUPS, size=n)
            X[:, 0] += rng.normal(0, 0.5, N_GROUPS)[groups]
        elif split == "time":
            X[:, 0] += _memory(rng.normal(size=n), 0.8)
        return cls(X, y, source.task, source.n_rows, groups)


def _memory(noise: Array, share: float) -> Array:
    """Return an autoregressive series of first order."""
    series = np.empty_like(noise)
    last = 0.0
    for index, each in enumerate(noise):
        series[index] = last = share * last + each
    return 0.5 * series


# --- splits ---------------------------------------------------------------------------------------


def _folds(table: Table, seed: int | None) -> Any:
    kind = StratifiedKFold if table.task == "classification" else KFold
    return kind(FOLDS) if seed is None else kind(FOLDS, shuffle=True, random_state=seed)


CV: dict[str, Callable[[Table, int], Any]] = {
    "shuffled": _folds,
    "default": lambda table, seed: FOLDS,  # noqa: ARG005
    "grouped": lambda table, seed: GroupKFold(FOLDS),  # noqa: ARG005
    "time": lambda table, seed: TimeSeriesSplit(FOLDS),  # noqa: ARG005
}
"""What `LearningRateSearchCV` is given as `cv`, a function of a table and a seed."""
FIXED = ("time",)
"""Splits that are not drawn at random; fresh ones are those of other rows of the source."""


def fresh_replicates(table: Table, split: str, n: int) -> list[Replicate]:
    """Return replicates that no search had: other seeds, and other splits of the kind.

    Where the splits are fixed, they are those of later rows of the same source.
    """
    return list(islice(_fresh(table, split), n))


def _fresh(table: Table, split: str) -> Iterator[Replicate]:
    if split == "random":
        yield from draw_replicates(table.seen[1], task=table.task, seed=FRESH_SEED)
    for number in count():
        rows, seed = np.arange(table.n_rows), FRESH_SEED + number
        splitter = _folds(table, seed)
        if split == "grouped":
            splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
        elif split in FIXED:
            rows += table.n_rows * (1 + number % (STRETCHES - 1))
            splitter = CV[split](table, number)
        groups = None if table.groups is None else table.groups[rows]
        for place, (train, test) in enumerate(splitter.split(rows, table.y[rows], groups)):
            yield Replicate(rows[train], rows[test], FRESH_SEED + FOLDS * number + place)
