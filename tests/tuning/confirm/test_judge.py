"""The judge: what it knows of settings that failed, and when a schedule is as good as constant."""

import math
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from lrtune import MLPClassifier
from lrtune.tuning.confirm.budget import ConfirmationBudget
from lrtune.tuning.confirm.judge import Judge, Racer
from lrtune.tuning.record.schema import DivergedAt
from lrtune.tuning.record.trials import to_trial
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import Control, Outcome
from lrtune.tuning.trainers.replicates import make_replicates

EPOCHS = 4
SPACE = Space.default(EPOCHS, learning_rate_init=(1e-3, 10.0))


def trial(rate: float, decay: str = "constant", *, diverged: bool = False) -> Any:
    setting = Setting(rate, decay, 0.1)
    outcome = Outcome(
        setting,
        np.full((1, EPOCHS), 0.5),
        np.ones(1),
        EPOCHS,
        diverged=DivergedAt(1, 1, 1, 9.0) if diverged else None,
    )
    return to_trial(setting.params, outcome, SPACE, range(1), cap=5.0, begun=datetime.now())


def judge(*trials: Any) -> Judge:
    rng = np.random.default_rng(0)
    y = np.arange(20) % 2
    trainer = NetworkTrainer(
        MLPClassifier((4,), max_iter=EPOCHS),
        rng.normal(size=(20, 2)),
        y,
        make_replicates(y, 1, task="classification"),
    )
    return Judge(trainer, SPACE, trials, ConfirmationBudget.of(64), Control(), simplify=True)


def test_the_ceiling_is_where_a_like_setting_diverged() -> None:
    rate = {"learning_rate_init": 0.1, "decay": "constant", "decay_rate": 0.1}
    ceiling = judge(trial(0.1), trial(0.5, diverged=True)).ceiling(rate)

    assert 0.1 < ceiling <= 0.5


@pytest.mark.parametrize(
    "others", [[trial(0.5)], [trial(9.0, diverged=True)], [trial(0.5, "cosine", diverged=True)]]
)
def test_what_trained_or_is_far_away_or_decays_is_no_ceiling(others: list[Any]) -> None:
    rate = {"learning_rate_init": 0.1, "decay": "constant", "decay_rate": 0.1}

    assert judge(trial(0.1), *others).ceiling(rate) == math.inf


def test_a_schedule_that_hardly_changes_is_made_constant() -> None:
    flat = Setting(0.1, "linear", 1e-6)
    racer = Racer(0, flat.params, flat, 0.5)
    racer.simplify(judge(trial(0.1)).encoder, SPACE)

    assert racer.setting.decay == "constant"
    assert racer.rate == pytest.approx(0.1, rel=1e-3)
