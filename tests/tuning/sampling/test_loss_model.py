"""The model of the losses, on made-up losses whose law is known."""

import math
from typing import Any

import numpy as np
import pytest

from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import MOST, LogScale, LossModel, Observation, subsample
from lrtune.tuning.space import Space

SPACE = Space.default(20, learning_rate_init=(1e-3, 10.0), decay=["constant"])
ENCODER = Encoder(SPACE.distributions(), 20)
EDGE = 1.0
"""Rate above which the made-up training diverges."""


def params(rate: float) -> dict[str, Any]:
    return {"learning_rate_init": rate, "decay": "constant", "decay_rate": 0.1}


def loss(rate: float) -> float:
    """Return a loss whose best rate is 0.3."""
    return 0.2 + 0.1 * math.log10(rate / 0.3) ** 2


def observe(n: int, effects: Any = (), seed: int = 0, noise: float = 0.0) -> list[Observation]:
    """Return observations in blocks of 8, each with a replicate whose effect multiplies losses."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(n):
        rate = float(10 ** rng.uniform(-3, 1))
        effect = effects[index // 8] if len(effects) else 0.0
        value = loss(rate) * math.exp(effect + noise * rng.normal())
        made.append(Observation(params(rate), math.nan if rate > EDGE else value, (index // 8,)))
    return made


def test_it_predicts_losses_of_settings_that_it_has_not_seen() -> None:
    model = LossModel.fit(ENCODER, observe(64))
    rates = np.geomspace(0.003, 0.9, 9)
    predicted = model.scale.back(model.predict([params(rate) for rate in rates]).loss[0])
    assert predicted == pytest.approx([loss(rate) for rate in rates], rel=0.03)


def test_an_effect_of_a_replicate_is_taken_out() -> None:
    effects = np.random.default_rng(1).normal(scale=0.3, size=8)
    observations = [each for each in observe(64, effects) if not each.diverged]
    model = LossModel.fit(ENCODER, observations)

    adjusted = np.array([model.adjust(each)[0] for each in observations])

    true = np.array([loss(each.params["learning_rate_init"]) for each in observations])
    ratio = np.log(adjusted / true)
    raw = np.log([each.value for each in observations] / true)
    assert ratio.std() < 0.25 * raw.std()
    assert abs(ratio.mean()) < 0.2  # the mean of eight effects is left


def test_the_error_of_an_effect_shrinks_with_the_observations_of_its_replicate() -> None:
    effects = np.random.default_rng(1).normal(scale=0.3, size=8)
    observations = [each for each in observe(64, effects, noise=0.1) if not each.diverged]
    alone = Observation(params(0.1), 0.3, (99,))
    model = LossModel.fit(ENCODER, [*observations, alone])
    errors = [model.adjust(each)[1] / model.adjust(each)[0] for each in observations]
    assert model.adjust(alone)[1] / model.adjust(alone)[0] > 1.2 * float(np.median(errors))


def test_divergence_is_a_cliff_that_bends_no_other_loss() -> None:
    observations = observe(64)
    settings = [params(rate) for rate in (0.1, 0.5, 3.0, 9.0)]

    belief = LossModel.fit(ENCODER, observations).predict(settings)

    assert belief.divergence()[:2].max() < 0.1
    assert belief.divergence()[2:].min() > 0.9
    assert belief.bound(0.0)[2:].min() > belief.bound(0.0)[:2].max() + 5
    learned = [each for each in observations if not each.diverged]
    without = LossModel.fit(ENCODER, learned).predict(settings)
    assert belief.loss[0] == pytest.approx(without.loss[0])


def test_a_draw_depends_on_the_generator_alone() -> None:
    belief = LossModel.fit(ENCODER, observe(32)).predict([params(rate) for rate in (0.01, 0.1, 1)])
    first, again, other = (belief.draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(
    "values",
    [[0.1, 0.2, 5.0], [-0.99, -0.95, -0.5], [-1.0, 0.0, 1.0], [0.0, 0.0, 2.0], [3.0, 3.0, 3.0]],
    ids=["losses", "accuracies", "both signs", "zeros", "equal"],
)
def test_a_scale_keeps_the_order_of_losses_and_metrics_and_leads_back(values: list[float]) -> None:
    scale, given = LogScale.of(np.array(values)), np.array(values)
    y = scale.to(given)
    assert np.isfinite(y).all()
    assert (np.diff(y) >= 0).all()
    assert scale.back(y) == pytest.approx(given, abs=1e-9)


def test_a_value_better_than_all_that_made_a_scale_is_as_good_as_the_best() -> None:
    scale = LogScale.of(np.array([-0.99, -0.98, -0.97, -0.5]))
    best, better = scale.to(np.array([-0.99, -5.0]))
    assert better == best


def test_of_many_observations_the_best_half_and_a_sample_are_kept() -> None:
    observations = observe(3 * MOST)
    kept = subsample(observations, MOST, seed=0)
    values = sorted(each.value for each in observations if not each.diverged)
    assert len(kept) == MOST
    assert set(values[: MOST // 2]) <= {each.value for each in kept}
    assert kept == subsample(observations, MOST, seed=0)
    assert kept != subsample(observations, MOST, seed=1)
