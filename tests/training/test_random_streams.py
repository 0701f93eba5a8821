"""Random streams are reproducible and independent of each other."""

import numpy as np

from lrtune.training.random_streams import RandomStreams


def numbers(streams: RandomStreams) -> list[float]:
    return [streams.weights.random(), streams.rows.random(), float(streams.split_seed)]


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert numbers(RandomStreams(3)) == numbers(RandomStreams(3))


def test_different_seeds_and_streams_give_different_numbers() -> None:
    assert len({*numbers(RandomStreams(3)), *numbers(RandomStreams(4))}) == 6


def test_the_row_order_does_not_depend_on_the_number_of_initial_weights() -> None:
    small, large = RandomStreams(0), RandomStreams(0)
    small.weights.normal(size=3)
    large.weights.normal(size=3000)

    assert np.array_equal(small.rows.permutation(50), large.rows.permutation(50))
