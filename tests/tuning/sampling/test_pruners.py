"""`DivergencePruner` in real studies: ask, report, prune."""

import math

import optuna
import pytest

from lrtune import DivergencePruner
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.sampling.pruners import PRUNERS

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


def halted(name: str, epoch: int, loss: float) -> bool:
    """Return whether a pruner for 20 epochs halts a trial, after trials of losses 1 to 16."""
    study = optuna.create_study(pruner=PRUNERS[name](20))
    for rival in range(1, 17):
        trial = study.ask()
        for step in range(1, 21):
            trial.report(float(rival), step)
        study.tell(trial, float(rival))
    trial = study.ask()
    trial.report(loss, epoch)
    return trial.should_prune()


@pytest.mark.parametrize(
    ("name", "epoch", "loss", "expected"),
    [
        ("median", 5, 16.0, False),
        ("median", 15, 10.0, True),
        ("median", 15, 7.0, False),
        ("percentile", 5, 16.0, False),
        ("percentile", 15, 10.0, False),
        ("percentile", 15, 14.0, True),
    ],
)
def test_a_patient_pruner_waits_for_half_of_the_epochs(
    name: str, epoch: int, loss: float, expected: bool
) -> None:
    assert halted(name, epoch, loss) == expected


def test_every_competitive_pruner_is_made_for_a_number_of_epochs() -> None:
    made = {name: make(20) for name, make in PRUNERS.items()}

    assert made.pop("none") is None
    assert all(isinstance(pruner, optuna.pruners.BasePruner) for pruner in made.values())
