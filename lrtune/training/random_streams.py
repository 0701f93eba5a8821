"""The random numbers of a training, from one seed."""

from __future__ import annotations

import numpy as np

__all__ = ["RandomStreams"]


class RandomStreams:
    """Independent random generators for initial weights, row order and validation split.

    The row order does not depend on how many numbers the initial weights took, so networks of
    different shapes train on the same mini-batches.

    Examples
    --------
    >>> RandomStreams(0).rows.permutation(5)
    array([4, 3, 2, 0, 1])
    """

    def __init__(self, seed: int) -> None:
        weights, rows, split = np.random.SeedSequence(seed).spawn(3)
        self.weights = np.random.default_rng(weights)
        self.rows = np.random.default_rng(rows)
        self.split_seed = int(split.generate_state(1)[0])
