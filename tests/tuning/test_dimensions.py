"""Dimensions: ranges as Optuna distributions, and the values of their labels."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.dimensions import Dimension, at_share, holds

SPECS: list[Any] = [
    (1e-5, 1e-2), (-1.0, 1.0), (0.0, 0.5), (1, 100), (0, 6), ["relu", "tanh"], [True, False],
    [(50, 12), (100,)], FloatDistribution(0.1, 0.9, step=0.2), IntDistribution(2, 10, step=2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "distribution"),
    [
        ((1e-5, 1e-2), FloatDistribution(1e-5, 1e-2, log=True)),
        ((0.0, 0.5), FloatDistribution(0.0, 0.5)),
        ((-1, 1.0), FloatDistribution(-1.0, 1.0)),
        ((1, 100), IntDistribution(1, 100, log=True)),
        ((0, 6), IntDistribution(0, 6)),
        ((np.int64(2), np.int64(4)), IntDistribution(2, 4, log=True)),
        (["relu", "tanh"], CategoricalDistribution(["relu", "tanh"])),
        ([(50, 12), (100,)], CategoricalDistribution(["(50, 12)", "(100,)"])),
        (IntDistribution(2, 10, step=2), IntDistribution(2, 10, step=2)),
    ],
)
def test_a_users_range_is_a_distribution(spec: Any, distribution: Any) -> None:
    assert Dimension.of("alpha", spec).distribution == distribution


@pytest.mark.parametrize("spec", [(1.0, 0.1), (0, math.inf), (1,), (1, 2, 3), "small", [], 3, None])
def test_other_ranges_are_refused(spec: Any) -> None:
    with pytest.raises(InvalidInputError, match="`alpha` must be searched over a list of choices"):
        Dimension.of("alpha", spec)


def test_a_label_has_its_value_and_any_other_value_is_its_own_label() -> None:
    sizes = Dimension.of("hidden_layer_sizes", [(50, 12), [100]])

    assert sizes.label((50, 12)) == "(50, 12)"
    assert sizes.value("(100,)") == (100,)
    assert sizes.label((3,)) == (3,)
    assert Dimension.of("alpha", (0.1, 0.2)).label(0.15) == 0.15


def test_the_ends_are_those_of_a_range_or_all_choices() -> None:
    assert Dimension.of("batch_size", (8, 64)).ends == (8, 64)
    assert Dimension.of("alpha", (1e-6, 1e-2)).ends == (1e-6, 1e-2)
    assert Dimension.of("hidden_layer_sizes", [(50, 12), (100,)]).ends == ((50, 12), (100,))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_dimension_survives_json(spec: Any) -> None:
    dimension = Dimension.of("alpha", spec)

    assert Dimension.from_json(json.loads(json.dumps(dimension.to_json()))) == dimension


@given(st.sampled_from(SPECS), st.floats(0, 1, exclude_max=True))
def test_a_value_at_any_share_is_held(spec: Any, share: float) -> None:
    distribution = Dimension.of("alpha", spec).distribution

    assert holds(distribution, at_share(distribution, share))


def test_shares_are_even_on_the_scale_of_the_range() -> None:
    assert at_share(FloatDistribution(1e-4, 1.0, log=True), 0.5) == pytest.approx(1e-2)
    assert at_share(FloatDistribution(-1.0, 3.0), 0.25) == 0.0
    shares = (np.arange(100) + 0.5) / 100
    values = [at_share(IntDistribution(1, 4), share) for share in shares]
    assert np.bincount(values).tolist() == [0, 25, 25, 25, 25]
    choices = [at_share(CategoricalDistribution(["a", "b"]), share) for share in (0, 0.49, 0.5)]
    assert choices == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("distribution", "value", "held"),
    [
        (IntDistribution(8, 64), 8.5, False),
        (IntDistribution(8, 64), 8, True),
        (FloatDistribution(0.1, 0.9, step=0.2), 0.35, False),
        (FloatDistribution(0.1, 0.9), math.nan, False),
        (FloatDistribution(0.1, 0.9), None, False),
        (CategoricalDistribution(["relu"]), "tanh", False),
    ],
)
def test_a_value_outside_is_not_held(distribution: Any, value: Any, held: bool) -> None:
    assert holds(distribution, value) == held
