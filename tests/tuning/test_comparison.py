"""Values of trials on different replicates, made comparable."""

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from optuna.trial import FrozenTrial
from scipy import stats

from lrtune.tuning.comparison import comparable_values
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome

SPACE = Space.default(20, learning_rate_init=(1e-3, 1.0), decay=["constant"])


def loss(rate: float) -> float:
    return 0.2 + 0.1 * math.log10(rate / 0.1) ** 2


def trials(effects: Sequence[float], *, shared: bool) -> list[FrozenTrial]:
    """Return blocks of 8 trials, whose losses are multiplied by e to the effect of the block."""
    rng, made = np.random.default_rng(0), []
    for number in range(8 * len(effects)):
        rate, block = float(10 ** rng.uniform(-3, 0)), number // 8
        params = {"learning_rate_init": rate, "decay": "constant", "decay_rate": 0.1}
        value = loss(rate) * math.exp(effects[block])
        outcome = Outcome(SPACE.setting(params), np.full((1, 20), value), None, 20.0, trainings=1)
        replicates = [0] if shared else [block]
        trial = to_trial(params, outcome, SPACE, replicates, cap=2.0, begun=datetime.now())
        trial.number = number
        made.append(trial)
    return made


def test_values_of_trials_that_share_their_replicates_are_as_they_are() -> None:
    made = trials([0.3, -0.2, 0.1], shared=True)
    values = comparable_values(made, SPACE, 20)
    assert [values[each.number].loss for each in made] == [each.value for each in made]
    assert {each.se for each in values.values()} == {None}


def test_the_effect_of_a_blocks_replicate_is_taken_out() -> None:
    effects = [0.5, -0.5, 0.3, -0.3, 0.0, 0.0]
    made = trials(effects, shared=False)

    values = comparable_values(made, SPACE, 20)

    true = np.array([loss(each.params["learning_rate_init"]) for each in made])
    ours = np.array([values[each.number].loss for each in made])
    raw = np.array([each.value for each in made])
    assert np.log(ours / true).std() < 0.5 * np.log(raw / true).std()
    assert ours.min() > 0
    assert min(float(each.se or 0.0) for each in values.values()) > 0
    ours_by_raw = [stats.spearmanr(each, true).statistic for each in (ours, raw)]
    assert ours_by_raw[0] > max(0.8, ours_by_raw[1])
