"""The competitive pruners by name."""

import optuna
import pytest

from lrtune.tuning.sampling.competitive import N_STARTUP_TRIALS, PRUNERS

EPOCHS = 8


def prunes(name: str, losses: list[float], *, n_earlier: int = N_STARTUP_TRIALS) -> int | None:
    """Return the epoch at which a trial is pruned after trials that all had a loss of 1."""
    study = optuna.create_study(pruner=PRUNERS[name](EPOCHS))
    for _ in range(n_earlier):
        trial = study.ask()
        for epoch in range(1, EPOCHS + 1):
            trial.report(1.0, epoch)
        study.tell(trial, 1.0)
    trial = study.ask()
    for epoch, loss in enumerate(losses, start=1):
        trial.report(loss, epoch)
        if trial.should_prune():
            return epoch
    return None


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_a_name_makes_an_optuna_pruner(name: str) -> None:
    assert isinstance(PRUNERS[name](EPOCHS), optuna.pruners.BasePruner)


def test_none_makes_no_pruner() -> None:
    assert PRUNERS["none"](EPOCHS) is None


@pytest.mark.parametrize("name", ["median", "percentile"])
def test_patient_pruners_wait_for_half_of_the_epochs_and_for_enough_trials(name: str) -> None:
    bad = [2.0] * EPOCHS

    assert prunes(name, bad) == EPOCHS // 2
    assert prunes(name, bad, n_earlier=N_STARTUP_TRIALS - 1) is None
    assert prunes(name, [0.5] * EPOCHS) is None


@pytest.mark.parametrize(
    ("name", "loss", "expected"),
    [
        ("median", 7.0, False),
        ("median", 10.0, True),
        ("percentile", 10.0, False),
        ("percentile", 14.0, True),
    ],
)
def test_median_prunes_the_worse_half_and_percentile_the_worst_quarter(
    name: str, loss: float, expected: bool
) -> None:
    study = optuna.create_study(pruner=PRUNERS[name](EPOCHS))
    for rival in range(1, N_STARTUP_TRIALS + 1):
        trial = study.ask()
        for epoch in range(1, EPOCHS + 1):
            trial.report(float(rival), epoch)
        study.tell(trial, float(rival))
    trial = study.ask()
    trial.report(loss, EPOCHS)

    assert trial.should_prune() == expected
