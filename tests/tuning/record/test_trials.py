"""Outcomes as Optuna's trials: states, values, what they carry; counted and compared."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.record.schema import DIVERGED, DivergedAt, TrialFacts
from lrtune.tuning.record.trials import (
    MAX_LOSSES,
    STATUSES,
    TrialCounts,
    best_loss,
    best_trial,
    complete_trials,
    n_replicates,
    status,
    to_trial,
)
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.protocol import Outcome

SPACE = Space.default(3, learning_rate_init=(0.01, 1.0))
SETTING = Setting(0.1, "cosine", 0.1)
CURVES = np.array([[3.0, 2.0, 1.0], [5.0, 4.0, 3.0]])
BEGUN = datetime(2026, 1, 1)


def made(metric: str | None = None, **changes: Any) -> FrozenTrial:
    scores = np.array([0.5, 1.0])
    outcome = replace(Outcome(SETTING, CURVES, scores, epochs=6.0, trainings=2), **changes)
    return to_trial(SETTING.params, outcome, SPACE, (4, 5), cap=9.0, begun=BEGUN, metric=metric)


def diverged(epoch: int, loss: float | None = None) -> FrozenTrial:
    at = DivergedAt(replicate=1, epoch=epoch, step=7, loss=loss)
    curves = CURVES[:, : epoch - 1]
    return made(validation_curves=curves, scores=None, epochs=1.5, diverged=at)


def pruned() -> FrozenTrial:
    return made(validation_curves=CURVES[:, :2], scores=None, epochs=4.0, pruned=True)


def failed() -> FrozenTrial:
    return made("f1", metrics={"f1": np.array([0.5, np.nan])})


def test_a_complete_trial_has_the_mean_loss_at_its_last_epoch() -> None:
    trial = made(seconds=0.5)

    assert trial.state == TrialState.COMPLETE
    assert trial.value == 2.0
    assert trial.intermediate_values == {1: 4.0, 2: 3.0, 3: 2.0}
    assert trial.params == SETTING.params
    assert trial.distributions == SPACE.distributions()
    assert trial.datetime_start == BEGUN
    assert TrialFacts.of(trial) == TrialFacts(
        epochs=6.0,
        trainings=2,
        seconds=0.5,
        replicates=(4, 5),
        replicate_losses=(1.0, 3.0),
        replicate_curves=((3.0, 2.0, 1.0), (5.0, 4.0, 3.0)),
        score=0.75,
        replicate_scores=(0.5, 1.0),
        metrics={},
    )


def test_a_metric_takes_the_place_of_the_loss_with_its_sign_turned() -> None:
    trial = made("f1", metrics={"f1": np.array([0.5, 0.7])})

    assert trial.value == pytest.approx(-0.6)
    assert trial.intermediate_values[3] == 2.0
    assert TrialFacts.of(trial).metrics == {"f1": (0.5, 0.7)}


def test_a_diverged_trial_is_pruned_capped_and_the_less_infeasible_the_later() -> None:
    early, late = diverged(epoch=1), diverged(epoch=3, loss=50.0)

    assert early.state == late.state == TrialState.PRUNED
    assert early.intermediate_values == {1: 9.0}
    assert late.intermediate_values == {1: 4.0, 2: 3.0, 3: 9.0}
    assert early.value == late.value == 9.0
    assert 0 < late.constraints[DIVERGED] < early.constraints[DIVERGED]
    assert TrialFacts.of(early).diverged == DivergedAt(1, 1, 7, None)
    assert TrialFacts.of(early).replicate_losses == ()
    assert TrialFacts.of(late).replicate_losses == (2.0, 4.0)
    assert TrialFacts.of(late).score is None


def test_only_diverged_trials_are_infeasible() -> None:
    assert made().constraints[DIVERGED] < 0
    assert pruned().constraints[DIVERGED] < 0


def test_a_trial_without_a_number_for_its_metric_failed() -> None:
    assert failed().state == TrialState.FAIL
    assert failed().value is None
    assert TrialFacts.of(failed()).score == 0.75


def test_curves_are_shortened_to_what_a_figure_shows_or_left_out() -> None:
    many = np.full((2, MAX_LOSSES // 2), 1 / 3)

    assert set(TrialFacts.of(made(validation_curves=many)).replicate_curves[0]) == {0.33333}
    assert TrialFacts.of(made(validation_curves=many)).replicate_losses == (1 / 3, 1 / 3)
    longer = np.full((2, MAX_LOSSES // 2 + 1), 1 / 3)
    assert TrialFacts.of(made(validation_curves=longer)).replicate_curves == ()


def test_trials_are_counted_by_outcome() -> None:
    trials = [made(), pruned(), made(), diverged(epoch=1), failed(), made()]

    assert [status(trial) for trial in trials[:5]] == [
        "complete", "pruned", "complete", "diverged", "failed",
    ]  # fmt: skip
    assert TrialCounts.of(trials) == TrialCounts(complete=3, pruned=1, diverged=1, failed=1)
    assert TrialCounts.of([]) == TrialCounts(0, 0, 0, 0)
    assert tuple(TrialCounts.__dataclass_fields__) == STATUSES
    assert complete_trials(trials) == [trials[0], trials[2], trials[5]]


def test_the_best_trial_is_the_first_of_the_lowest() -> None:
    trials = [made(validation_curves=CURVES + shift) for shift in (1, 0, 2, 0)]
    for number, trial in enumerate(trials):
        trial.number = number

    assert best_trial([pruned(), *trials, failed()]).number == 1


@pytest.mark.parametrize(
    ("trials", "count", "cure"),
    [
        (
            [diverged(1), diverged(2)],
            "none of 2 trials completed, 2 diverged",
            "learning_rate_init",
        ),
        ([failed()], "none of 1 trials completed, 0 diverged", "scorer gave no number for 1"),
    ],
)
def test_without_a_complete_trial_the_message_says_what_to_do(
    trials: list[FrozenTrial], count: str, cure: str
) -> None:
    with pytest.raises(NothingCompletedError) as error:
        best_trial(trials)

    assert count in str(error.value)
    assert cure in str(error.value)


def test_the_best_loss_is_the_lowest_of_the_trials_that_ended() -> None:
    lower = made(validation_curves=CURVES - 0.5)

    assert best_loss([made(), lower, diverged(1), failed()]) == lower.value == 1.5
    assert best_loss([diverged(1)]) is None


def test_the_replicates_are_counted_up_to_the_highest_one() -> None:
    assert n_replicates([made(), diverged(1)]) == 6
    assert n_replicates([]) == 0

    of_the_first_release = made()
    del of_the_first_release.user_attrs["replicates"]
    assert n_replicates([of_the_first_release]) == 0
