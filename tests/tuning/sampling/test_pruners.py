"""`DivergencePruner` in real studies: ask, report, prune."""

import math

import optuna
import pytest

from lrtune import DivergencePruner
from lrtune.exceptions import InvalidInputError

optuna.logging.set_verbosity(optuna.logging.WARNING)


def pruned_at(pruner: optuna.pruners.BasePruner, losses: list[float]) -> int | None:
    """Return the step at which a trial that reports these losses is pruned."""
    trial = optuna.create_study(pruner=pruner).ask()
    for step, loss in enumerate(losses):
        trial.report(loss, step)
        if trial.should_prune():
            return step
    return None


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([1.0, 0.5, 0.2], None),
        ([1.0, math.nan], 1),
        ([1.0, math.inf], 1),
        ([math.nan], 0),
        ([math.inf, 1.0], 0),
        ([1.0, 9.9, 10.0], None),
        ([1.0, 0.1, 10.1], 2),
    ],
)
def test_a_trial_is_pruned_where_it_diverges(losses: list[float], step: int | None) -> None:
    assert step == pruned_at(DivergencePruner(), losses)


def test_the_threshold_can_be_given() -> None:
    assert pruned_at(DivergencePruner(threshold=2.0), [1.0, 1.9, 2.1]) == 2


def test_a_late_blow_up_survives_the_median_pruner_but_not_ours() -> None:
    study = optuna.create_study()
    for _ in range(8):
        trial = study.ask()
        for step in range(5):
            trial.report(1.0, step)
        study.tell(trial, 1.0)
    median = optuna.pruners.MedianPruner(n_startup_trials=2)
    outcomes = {}
    for pruner in (median, DivergencePruner(median)):
        study.pruner = pruner
        trial = study.ask()
        for step, loss in enumerate([0.5, 0.4, 0.3, 1e6]):
            trial.report(loss, step)
        outcomes[type(pruner).__name__] = trial.should_prune()

    assert outcomes == {"MedianPruner": False, "DivergencePruner": True}


def test_the_wrapped_pruner_decides_on_trials_that_have_not_diverged() -> None:
    wrapped = optuna.pruners.ThresholdPruner(upper=3.0)

    assert pruned_at(DivergencePruner(wrapped), [1.0, 2.0, 4.0]) == 2


def test_a_study_that_maximises_is_refused() -> None:
    trial = optuna.create_study(direction="maximize", pruner=DivergencePruner()).ask()
    trial.report(1.0, 0)

    with pytest.raises(InvalidInputError, match="minimises a loss"):
        trial.should_prune()


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan, math.inf])
def test_a_threshold_must_be_positive_and_finite(threshold: float) -> None:
    with pytest.raises(InvalidInputError, match="`threshold` must be positive and finite, but got"):
        DivergencePruner(threshold=threshold)
