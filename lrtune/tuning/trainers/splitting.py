"""Splits into training and validation rows: at random, by whole groups, or in the order of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lrtune.exceptions import InvalidInputError

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]
RowSplit = Callable[[int, float], tuple[Array, Array]]
"""Function of a seed, and of a position of at least 0 and below 1 for what is in the order of time,
that returns the training and the validation rows."""

VALIDATION_FRACTION = 0.25
"""Share of the rows, or of the groups, that a replicate validates with."""
MIN_GROUPS = 4
"""Fewest groups of which some can be held out, and fewest different times."""
EARLIEST, LATEST = 0.6, 0.8
"""Shares of the rows, in the order of time, between which the cut lies."""
WINDOW = 0.2
"""Share of the rows, from the cut on, that are validated with."""
GOLDEN = (math.sqrt(5) - 1) / 2
"""Step from a replicate's position to the next one's, modulo 1: so the cuts of any few replicates
are spread evenly, and their mean loss is nearer to that of all cuts than that of random ones."""
DRAWS = 50
"""Splits that are drawn in search of one with every class on both sides."""


def make_split(
    y: Array, *, task: Task, groups: Array | None = None, times: Array | None = None
) -> RowSplit:
    """Return the function that splits the rows of a table with the target `y`.

    `groups` are the rows' groups, which stay together; `times` are the rows' times, in ascending
    order: validation rows are then later than training rows.

    Raises
    ------
    InvalidInputError
        If there are too few classes, groups or times, or a class has too few rows.
    """
    if task == "classification":
        _require_classes(y)
    if groups is not None:
        return _by_groups(y, groups, task)
    if times is not None:
        return _by_time(y, times, task)
    return _at_random(y, task)


def _at_random(y: Array, task: Task) -> RowSplit:
    """Hold out rows at random, stratified for classes."""
    from sklearn.model_selection import train_test_split

    stratify = y if task == "classification" else None
    cure = "add rows" if stratify is None else "merge classes, or add rows"

    def split(seed: int, _: float) -> tuple[Array, Array]:
        try:
            train, validation = train_test_split(
                np.arange(len(y)),
                test_size=VALIDATION_FRACTION,
                random_state=seed,
                stratify=stratify,
            )
        except ValueError as error:
            raise InvalidInputError(
                f"the table must have enough rows to hold out {VALIDATION_FRACTION:.0%} of them, "
                f"but with {len(y)} rows: {' '.join(str(error).split())}: {cure}"
            ) from error
        return train, validation

    return split


def _by_groups(y: Array, groups: Array, task: Task) -> RowSplit:
    """Hold out whole groups, drawn at random so that every class is on both sides if possible."""
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < MIN_GROUPS:
        raise InvalidInputError(
            f"`group` must name a column of at least {MIN_GROUPS} groups, some of which are held "
            f"out, but got {len(names)}: name another column, or leave it out"
        )
    labels = _labels(y, task)
    lies_in = np.zeros((labels.max() + 1, len(names)), dtype=bool)  # class by group
    lies_in[labels, codes] = True
    n_held_out = math.ceil(VALIDATION_FRACTION * len(names))
    if (lies_in.sum(axis=1) < 2).any():
        name = np.unique(y)[lies_in.sum(axis=1).argmin()]
        raise InvalidInputError(
            "every class must have rows of at least 2 groups, as groups are held out as a whole, "
            f"but class {str(name)!r} has rows of one: merge it with another class, or leave "
            "`group` out"
        )

    def split(seed: int, _: float) -> tuple[Array, Array]:
        rng = np.random.default_rng(seed)
        draws = (_draw_groups(rng, lies_in, n_held_out) for _ in range(DRAWS))
        held_out = _first_complete(draws, lambda held: bool(lies_in[:, held].any(axis=1).all()))
        return np.flatnonzero(~held_out[codes]), np.flatnonzero(held_out[codes])

    return split


def _draw_groups(rng: np.random.Generator, lies_in: Array, n_held_out: int) -> Array:
    """Draw a mask of the groups to hold out that leaves rows of every class to train on."""
    held_out = np.zeros(lies_in.shape[1], dtype=bool)
    held_out[rng.permutation(len(held_out))[:n_held_out]] = True
    for members in lies_in:  # by class; each has two groups or more, so that one at least stays
        if held_out[members].all():
            held_out[rng.choice(np.flatnonzero(members))] = False
    return held_out


def _by_time(y: Array, times: Array, task: Task) -> RowSplit:
    """Train on the rows before a cut, and validate with those that follow it.

    Rows of one time are on the same side of the cut.
    """
    n = len(y)
    starts = np.flatnonzero(times[1:] != times[:-1]) + 1  # first rows of all times but the earliest
    if len(starts) + 1 < MIN_GROUPS:
        raise InvalidInputError(
            f"`time` must name a column of at least {MIN_GROUPS} different times, but got "
            f"{len(starts) + 1}: name another column, or leave it out"
        )
    labels = _labels(y, task)
    _, begins = np.unique(labels, return_index=True)  # first row of each class
    n_classes = len(begins)
    cuts = starts[(starts >= EARLIEST * n) & (starts <= LATEST * n)]
    if not len(cuts):  # many rows have one time
        cuts = starts[[np.abs(starts - (EARLIEST + LATEST) / 2 * n).argmin()]]
    seen = cuts > begins.max()
    if not seen.any():
        raise InvalidInputError(
            "every class must have rows early enough to train on, as validation rows are later "
            f"than training rows, but class {str(np.unique(y)[begins.argmax()])!r} begins with row "
            f"{begins.max() + 1} of {n}: merge it with another class, or leave `time` out"
        )
    cuts = cuts[seen]
    window = math.ceil(WINDOW * n)

    def split(_: int, position: float) -> tuple[Array, Array]:
        positions = (position + GOLDEN * np.arange(DRAWS)) % 1
        cut = _first_complete(
            iter(cuts[(positions * len(cuts)).astype(int)].tolist()),
            lambda cut: len(np.unique(labels[cut : cut + window])) == n_classes,
        )
        return np.arange(cut), np.arange(cut, min(n, cut + window))

    return split


def _first_complete(draws: Iterator[Any], is_complete: Callable[[Any], bool]) -> Any:
    """Return the first draw whose validation rows have every class, or else the first of all."""
    first = next(draws)
    return next((draw for draw in chain([first], draws) if is_complete(draw)), first)


def _labels(y: Array, task: Task) -> Array:
    """Return the indices of the rows' classes; one class for all in a regression."""
    if task == "regression":
        return np.zeros(len(y), dtype=int)
    return np.asarray(np.unique(y, return_inverse=True)[1])


def _require_classes(y: Array) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) < 2:
        raise InvalidInputError(
            f"the target must have at least 2 classes, but got {len(classes)}: name another "
            "`target`, or set `task='regression'`"
        )
    if counts.min() < 2:
        raise InvalidInputError(
            f"every class must have at least 2 rows, but class "
            f"{str(classes[counts.argmin()])!r} has {counts.min()}: drop it or merge it with "
            "another"
        )
