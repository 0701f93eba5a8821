"""Features of settings: what trains alike has the same ones."""

import math
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.sampling.curve_features import Encoder, curve_features, is_flat
from lrtune.tuning.space import Space

SPACE = Space.default(20, learning_rate_init=(1e-3, 10.0), decay=["constant", "linear", "cosine"])
ENCODER = Encoder(SPACE.distributions(), 20)


def setting(rate: float, decay: str, k: float, **others: Any) -> dict[str, Any]:
    return {"learning_rate_init": rate, "decay": decay, "decay_rate": k, **others}


def test_a_constant_rates_features_are_its_logarithm() -> None:
    (row,) = ENCODER.features([setting(0.1, "constant", 1.0)]).points
    assert row.tolist() == pytest.approx([math.log(0.1), 0.0, 0.0])


def test_settings_that_train_alike_have_the_same_features() -> None:
    settings = [setting(0.1, "constant", 0.01), setting(0.1, "constant", 1.0)]
    first, second = ENCODER.features(settings).points
    assert first.tolist() == second.tolist()


def test_a_slow_decay_is_close_to_a_constant_rate_and_a_fast_one_is_not() -> None:
    constant, slow, fast = ENCODER.features(
        [setting(0.1, "constant", 1.0), setting(0.1, "linear", 1e-4), setting(0.1, "linear", 0.05)]
    ).points
    assert np.abs(slow - constant).max() < 0.01
    assert np.abs(fast - constant).max() > 0.5


def test_a_curve_of_ones_own_is_that_of_its_parameters() -> None:
    distributions = {
        "rate": FloatDistribution(1e-3, 1.0, log=True),
        "fall": FloatDistribution(0.0, 1.0),
        "width": IntDistribution(1, 9),
    }
    encoder = Encoder(distributions, 20, lambda rate, fall: lambda t: rate * math.exp(-fall * t))
    built_in = Encoder(Space.default(20, learning_rate_init=(1e-3, 1.0)).distributions(), 20)

    own = encoder.features([{"rate": 0.1, "fall": 0.2, "width": 3}]).points[0]

    expected = built_in.features([setting(0.1, "exponential", 0.2)]).points[0]
    assert own[:3] == pytest.approx(expected)
    assert own[3:].tolist() == [0.25]


def test_two_choices_are_a_distance_of_one_apart_and_share_a_length_scale() -> None:
    distributions = {
        **SPACE.distributions(),
        "batch_size": CategoricalDistribution((16, 32, 64)),
        "alpha": FloatDistribution(1e-6, 1e-2, log=True),
    }
    features = Encoder(distributions, 20).features(
        [setting(0.1, "linear", 0.1, batch_size=n, alpha=1e-4) for n in (16, 32, 64)]
    )
    assert features.groups.tolist() == [0, 1, 2, 3, 3, 3, 4]
    distances = np.linalg.norm(features.points[:, np.newaxis] - features.points, axis=2)
    assert distances == pytest.approx(1 - np.eye(3))


def test_a_fixed_parameter_is_no_feature() -> None:
    distributions = {**SPACE.distributions(), "alpha": FloatDistribution(0.1, 0.1)}
    features = Encoder(distributions, 20).features([setting(0.1, "linear", 0.1, alpha=0.1)])
    assert features.points.shape == (1, 3)


def test_a_decay_that_follows_losses_is_told_from_a_constant_rate() -> None:
    space = Space.default(20, learning_rate_init=(1e-3, 1.0), decay=["constant", "plateau"])
    constant, plateau = (
        Encoder(space.distributions(), 20)
        .features([setting(0.1, "constant", 0.5), setting(0.1, "plateau", 0.5)])
        .points
    )
    assert constant.tolist() != plateau.tolist()


def prefixed(prefix: str, params: dict[str, Any]) -> dict[str, Any]:
    return {prefix + name: value for name, value in params.items()}


def test_each_group_of_parameters_has_a_curve() -> None:
    groups = {"": (0.1, "linear", 0.02), "head_": (0.3, "cosine", 0.05)}
    distributions, params = {"alpha": FloatDistribution(0.0, 1.0)}, {"alpha": 0.25}
    for prefix, group in groups.items():
        distributions |= prefixed(prefix, SPACE.distributions())
        params |= prefixed(prefix, setting(*group))
    encoder = Encoder(distributions, 20)

    features = encoder.features([params])

    alone = [ENCODER.features([setting(*group)]).points[0] for group in groups.values()]
    assert encoder.prefixes == ("", "head_")
    assert features.points[0].tolist() == [*alone[0], *alone[1], 0.25]
    assert features.groups.tolist() == list(range(7))


def test_a_parameter_whose_name_ends_alike_is_no_group() -> None:
    others = {"my_learning_rate_init": FloatDistribution(0.1, 1.0)}
    features = Encoder({**SPACE.distributions(), **others}, 20).features(
        [setting(0.1, "linear", 0.1, my_learning_rate_init=0.1)]
    )
    assert features.points.shape == (1, 4)


def test_a_parameter_of_the_schedule_that_is_not_searched_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"'decay'.*suggest it in every trial"):
        Encoder({"learning_rate_init": FloatDistribution(0.1, 1.0)}, 20).require_names()


def test_a_rate_that_reaches_zero_has_finite_features() -> None:
    assert np.isfinite(curve_features(np.array([[1.0] + [0.0] * 31]))).all()


@pytest.mark.parametrize(("last", "expected"), [(0.95, True), (0.85, False)])
def test_a_curve_is_flat_if_it_falls_by_at_most_a_tenth(last: float, expected: bool) -> None:
    assert is_flat(np.linspace(1.0, last, 32)) is expected
