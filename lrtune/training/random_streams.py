"""The random numbers of a training, from one seed."""

from __future__ import annotations

import numpy as np


class RandomStreams:
    """Independent random generators for initial weights, row order and validation split.

    They are independent so that networks of different shapes train on the same mini-batches.
    """

    def __init__(self, seed: int) -> None:
        weights, rows, split = np.random.SeedSequence(seed).spawn(3)
        self.weights = np.random.default_rng(weights)
        self.rows = np.random.default_rng(rows)
        self.split_seed = int(split.generate_state(1)[0])
