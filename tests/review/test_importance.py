"""Importances on functions that are known."""

from collections.abc import Callable
from itertools import compress
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from lrtune.review.importance import MIN_TRIALS, importances

SPACE = {
    "learning_rate_init": FloatDistribution(1e-3, 10.0, log=True),
    "decay": CategoricalDistribution(("constant", "cosine")),
    "decay_rate": FloatDistribution(0.01, 1.0, log=True),
}
GUESS = 1.0


def valley(rate: float, decay_rate: float) -> float:
    """Lowest at 0.1."""
    return min(GUESS, 0.1 + 0.2 * np.log10(rate / 0.1) ** 2)


def cliff(rate: float, decay_rate: float) -> float:
    """Flat but for a little of the decay rate, up to where it diverges."""
    return 0.1 + 0.05 * np.log10(decay_rate / 0.01)


def trials_of(
    n: int, loss_of: Callable[[float, float], float] = valley
) -> tuple[list[Any], list[float]]:
    """Trials of a search that gathers at 0.1, and what each counts as; from 1 on they diverge."""
    rng = np.random.default_rng(0)
    trials, losses = [], []
    for index in range(n):
        exponent = rng.uniform(-3, 1) if index % 3 == 0 else rng.normal(-1, 0.2)
        params = {
            "learning_rate_init": float(10**exponent),
            "decay": ("constant", "cosine")[rng.integers(2)],
            "decay_rate": float(10 ** rng.uniform(-2, 0)),
        }
        diverged = params["learning_rate_init"] > 1
        loss = GUESS if diverged else loss_of(params["learning_rate_init"], params["decay_rate"])
        loss += 0 if diverged else 0.02 * float(rng.normal())
        state = TrialState.PRUNED if diverged else TrialState.COMPLETE
        trials.append(create_trial(params=params, distributions=SPACE, value=loss, state=state))
        losses.append(loss)
    return trials, losses


@pytest.mark.slow
def test_the_parameter_that_makes_trials_diverge_is_the_important_one() -> None:
    found = {each.parameter: each for each in importances(*trials_of(64))}

    assert found["learning_rate_init"].share > 0.85
    assert found["decay_rate"].share < 0.1
    assert found["decay"].share < 0.1
    assert sum(each.share for each in found.values()) == pytest.approx(1)
    assert 0 < found["learning_rate_init"].error < 0.1


@pytest.mark.slow
def test_without_the_diverged_trials_it_would_seem_to_matter_little() -> None:
    trials, losses = trials_of(64, cliff)
    complete = [trial.state == TrialState.COMPLETE for trial in trials]
    survived = importances(list(compress(trials, complete)), list(compress(losses, complete)))
    whole = importances(trials, losses)

    assert survived[0].parameter == "decay_rate"
    assert {each.parameter: each.share for each in survived}["learning_rate_init"] < 0.3
    assert whole[0].parameter == "learning_rate_init"
    assert whole[0].share > 0.8


@pytest.mark.slow
def test_the_same_trials_give_the_same_importances() -> None:
    assert importances(*trials_of(20)) == importances(*trials_of(20))


@pytest.mark.parametrize("n", [0, 1, MIN_TRIALS - 1])
def test_of_few_trials_nothing_is_said(n: int) -> None:
    assert importances(*trials_of(n)) == ()


def test_of_equal_losses_nothing_is_said() -> None:
    trials, _ = trials_of(20)

    assert importances(trials, [GUESS] * 20) == ()


def test_one_loss_that_differs_does_not_stop_it() -> None:
    trials, _ = trials_of(20)

    assert len(importances(trials, [GUESS] * 19 + [0.5])) == 3


def test_what_was_not_varied_has_no_importance() -> None:
    trials, losses = trials_of(20)
    for trial in trials:
        trial.distributions = SPACE | {"decay": CategoricalDistribution(("constant",))}
        trial.params = trial.params | {"decay": "constant"}

    assert {each.parameter for each in importances(trials, losses)} == {
        "learning_rate_init",
        "decay_rate",
    }


@pytest.mark.slow
def test_of_many_trials_some_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    add = optuna.Study.add_trials

    def count(self: optuna.Study, trials: Any) -> None:
        trials = list(trials)
        taken.append(len(trials))
        add(self, trials)

    monkeypatch.setattr(optuna.Study, "add_trials", count)
    monkeypatch.setattr("lrtune.review.importance.MAX_TRIALS", 24)
    importances(*trials_of(40))

    assert set(taken) == {24}
