"""A study with what its readers derive from its result."""

from collections.abc import Callable

import numpy as np
import pytest

from lrtune.review.study import Study
from lrtune.tuning.record.trials import status


def test_losses_are_capped_at_a_guess_and_diverged_trials_are_drawn_there(
    interrupted: Study,
) -> None:
    diverged = [trial for trial in interrupted.trials if status(trial) == "diverged"]

    assert interrupted.cap == interrupted.plan.naive_loss
    assert len(diverged) == interrupted.counts.diverged == 3
    assert {interrupted.loss(trial) for trial in diverged} == {interrupted.cap}
    assert all(interrupted.loss(trial) <= interrupted.cap for trial in interrupted.trials)


def test_the_best_trial_is_recommended_until_fresh_replicates_choose(
    interrupted: Study, regression: Study
) -> None:
    best = min((t for t in interrupted.trials if t.value is not None), key=lambda t: t.value)

    assert interrupted.recommended_trial == interrupted.best == best
    assert regression.confirmation is not None
    winner = regression.confirmation.contenders[0]
    assert regression.recommended_trial is not None
    assert regression.recommended_trial.number == winner.trial
    assert regression.setting == winner.setting


def test_the_untuned_default_is_the_first_trial(regression: Study) -> None:
    assert regression.default_trial is not None
    assert regression.default_trial.number == 0
    assert regression.default_schedule.learning_rate_init == 0.1
    epochs = range(regression.epochs)  # a constant rate's decay_rate has no effect
    assert [regression.schedule_of(regression.default_trial)(t) for t in epochs] == [0.1] * 3


def test_a_trials_schedule_has_the_further_parameters_that_it_tried(scored: Study) -> None:
    for trial in scored.trials:
        schedule = scored.schedule_of(trial)

        assert schedule.power == trial.params["power"]
        assert schedule.decay == trial.params["decay"]


def test_the_edge_is_the_median_over_replicates(regression: Study, scored: Study) -> None:
    (edges,) = regression.plan.edges

    assert regression.edge is not None
    assert regression.edge.median == pytest.approx(np.median(np.array(edges, dtype=float)))
    assert scored.edge is None  # the range of α₀ was given


def test_the_metric_is_named_as_the_user_gave_it(
    interrupted: Study, scored: Study, read: Callable[[str, str], Study]
) -> None:
    assert (interrupted.metric, scored.metric) == (None, "accuracy")
    assert read("table", "houses").subject.loss == "squared error"
