"""Outcomes: a setting's values on its replicates."""

import numpy as np

from lrtune.tuning.record.schema import DivergedAt
from lrtune.tuning.setting import Setting
from lrtune.tuning.trainers.protocol import Outcome

SETTING = Setting(0.1, "constant", 0.0)
CURVES = np.array([[3.0, 1.0], [4.0, 2.0]])


def test_values_are_the_losses_at_the_last_epoch() -> None:
    outcome = Outcome(SETTING, CURVES, np.ones(2), 4.0)

    assert outcome.values(2).tolist() == [1.0, 2.0]


def test_with_a_metric_values_are_minus_its_scores_and_infinite_where_it_has_no_number() -> None:
    scores = {"accuracy": np.array([0.9, np.nan])}
    outcome = Outcome(SETTING, CURVES, np.ones(2), 4.0, metrics=scores)

    assert outcome.values(2, "accuracy").tolist() == [-0.9, np.inf]


def test_a_diverged_setting_has_infinite_values() -> None:
    at = DivergedAt(replicate=1, epoch=1, step=3, loss=None)
    outcome = Outcome(SETTING, np.empty((3, 0)), None, 0.5, at)

    assert outcome.values(3).tolist() == outcome.values(3, "accuracy").tolist() == [np.inf] * 3
