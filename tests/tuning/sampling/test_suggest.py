"""`suggest_schedule` and `DivergencePruner` in a user's own Optuna studies."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from lrtune import DivergencePruner, Schedule, suggest_schedule
from lrtune.exceptions import InvalidInputError
from lrtune.tuning.space import DEFAULT_DECAYS

optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggested(**options: Any) -> tuple[Schedule, optuna.Trial]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    options = {"epochs": 20, "learning_rate_init": (0.01, 1.0)} | options
    return suggest_schedule(trial, **options), trial


def test_always_the_same_three_parameters_are_suggested_log_scaled() -> None:
    _, trial = suggested()

    assert trial.distributions == {
        "learning_rate_init": FloatDistribution(0.01, 1.0, log=True),
        "decay": CategoricalDistribution(DEFAULT_DECAYS),
        "decay_rate": FloatDistribution(0.03 / 20, 30 / 20, log=True),
    }


def test_the_schedule_has_the_suggested_parameters() -> None:
    schedule, trial = suggested()

    assert schedule == Schedule(**trial.params)


def test_ranges_and_decay_types_can_be_given() -> None:
    _, trial = suggested(decay=["linear"], decay_rate=(0.1, 0.2))

    assert trial.distributions["decay"] == CategoricalDistribution(("linear",))
    assert trial.distributions["decay_rate"] == FloatDistribution(0.1, 0.2, log=True)


def test_further_options_of_the_schedule_are_the_same_in_every_trial() -> None:
    schedule, trial = suggested(warmup_epochs=2, update="batch", decay=["step"], step_size=4)

    assert schedule == Schedule(**trial.params, warmup_epochs=2, update="batch", step_size=4)
    assert len(trial.params) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be positive"),
        ({"learning_rate_init": (1.0, 0.1)}, "LOW <= HIGH"),
        ({"learning_rate_init": None}, "must have a range"),
        ({"decay": ["magic"]}, "must be among"),
        ({"decay": ["cosine", "plateau"]}, "'plateau', which follows losses"),
        ({"decay": []}, "at least one"),
        ({"decay_rate": (0.0, 1.0)}, "positive"),
        ({"warmup_epochs": -1}, "`warmup_epochs` must be at least 0"),
        ({"min_learning_rate": 0.1}, "at most `learning_rate_init` (0.01)"),
        ({"prefix": None}, "`prefix` must be text"),
    ],
)
def test_a_broken_rule_is_refused_before_anything_is_suggested(
    options: dict[str, Any], message: str
) -> None:
    trial = optuna.create_study().ask()
    options = {"epochs": 20, "learning_rate_init": (0.01, 1.0)} | options

    with pytest.raises(InvalidInputError) as refused:
        suggest_schedule(trial, **options)

    assert message in str(refused.value)
    assert trial.params == {}


def objective(trial: optuna.Trial) -> float:
    """Descent on a parabola, which a rate above 1 makes diverge."""
    schedule = suggest_schedule(trial, epochs=20, learning_rate_init=(1e-3, 1e2))
    weight = 1.0
    for epoch in range(20):
        weight -= schedule(epoch) * 2 * weight
        trial.report(weight**2, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return weight**2


SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0),
    "multivariate": lambda: optuna.samplers.TPESampler(seed=0, multivariate=True),
    "quasi-random": lambda: optuna.samplers.QMCSampler(seed=0),
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_finds_a_rate_that_works_and_stops_those_that_diverge(sampler: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler](), pruner=DivergencePruner())
    study.optimize(objective, n_trials=30)
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]

    assert study.best_value < 1e-3
    assert min(trial.params["learning_rate_init"] for trial in pruned) > 1
    assert max(len(trial.intermediate_values) for trial in pruned) < 20
    assert all(math.isfinite(trial.value) for trial in study.trials if trial not in pruned)


@pytest.mark.parametrize("storage", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_study_in_a_storage_can_be_resumed(tmp_path: Path, storage: str) -> None:
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "s.journal"))
    stored: Any = {
        "sqlite": f"sqlite:///{tmp_path}/s.db",
        "journal": optuna.storages.JournalStorage(backend),
    }[storage]
    options = {"storage": stored, "study_name": "own", "load_if_exists": True}
    for _ in range(2):
        study = optuna.create_study(pruner=DivergencePruner(), **options)
        study.optimize(objective, n_trials=4)

    assert len(study.trials) == 8
    best = Schedule.from_trial(study.best_trial)
    assert best(0) == study.best_params["learning_rate_init"]


WRAPPED: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=1),
    "hyperband": optuna.pruners.HyperbandPruner,
    "patient": lambda: optuna.pruners.PatientPruner(None, patience=3),
    "threshold": lambda: optuna.pruners.ThresholdPruner(upper=1e300),
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("wrapped", WRAPPED)
def test_any_pruner_can_be_wrapped(wrapped: str) -> None:
    study = optuna.create_study(pruner=DivergencePruner(WRAPPED[wrapped]()))
    for rate in (0.1, 10.0):
        study.enqueue_trial({"learning_rate_init": rate, "decay": "constant", "decay_rate": 0.1})
    study.optimize(objective, n_trials=2)

    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]


def test_a_fixed_trial_tries_out_one_setting() -> None:
    params = {"learning_rate_init": 0.5, "decay": "cosine", "decay_rate": 0.05}
    schedule = suggest_schedule(
        optuna.trial.FixedTrial(params), epochs=20, learning_rate_init=(0.01, 1.0)
    )

    assert schedule == Schedule(**params)


# --- groups of parameters -------------------------------------------------------------------------

OPTIONS = {"warmup_epochs": 1, "min_learning_rate": 1e-3, "update": "batch", "cycle_epochs": 2.5}


def grouped(trial: optuna.trial.BaseTrial) -> dict[str, Schedule]:
    """Suggest two schedules, with options and ranges of their own, beside another parameter."""
    trial.suggest_float("weight_decay", 1e-5, 1e-2, log=True)
    trial.suggest_int("patience", 50, 60)
    ranges = {"": (0.01, 1.0), "backbone_": (1e-4, 1e-3)}
    options: dict[str, dict[str, Any]] = {
        "": OPTIONS,
        "backbone_": {"decay": ["step"], "step_size": 3},
    }
    return {
        prefix: suggest_schedule(
            trial, epochs=5, learning_rate_init=ranges[prefix], prefix=prefix, **options[prefix]
        )
        for prefix in ranges
    }


def test_each_prefix_has_ranges_of_its_own() -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()

    schedules = grouped(trial)

    assert 0.01 <= schedules[""].learning_rate_init <= 1
    assert 1e-4 <= schedules["backbone_"].learning_rate_init <= 1e-3
    assert trial.params["backbone_learning_rate_init"] == schedules["backbone_"].learning_rate_init


@pytest.mark.parametrize("in_file", [False, True])
def test_a_finished_trial_gives_back_the_schedules_it_was_trained_with(
    tmp_path: Path, in_file: bool
) -> None:
    trained = {}

    def train(trial: optuna.Trial) -> float:
        trained.update(grouped(trial))
        return 0.0

    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "s.journal"))
    storage = optuna.storages.JournalStorage(backend) if in_file else None
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(train, n_trials=1)

    for prefix in ("", "backbone_"):
        assert Schedule.from_trial(study.best_trial, prefix=prefix) == trained[prefix]
    assert grouped(study.best_trial) == trained  # as Optuna's objective(study.best_trial)


def test_a_running_and_a_fixed_trial_give_back_their_schedules() -> None:
    schedule, trial = suggested(**OPTIONS)
    fixed = optuna.trial.FixedTrial(trial.params)
    suggest_schedule(fixed, epochs=20, learning_rate_init=(0.01, 1.0), **OPTIONS)

    assert Schedule.from_trial(trial) == Schedule.from_trial(fixed) == schedule


def test_a_trial_without_such_a_schedule_is_refused() -> None:
    _, trial = suggested(prefix="head_")

    with pytest.raises(
        InvalidInputError, match=r"prefix=''.*head_learning_rate_init.*give the prefix"
    ):
        Schedule.from_trial(trial)


def test_the_same_call_again_returns_the_same_schedule() -> None:
    schedule, trial = suggested()

    assert suggest_schedule(trial, epochs=20, learning_rate_init=(0.01, 1.0)) == schedule


@pytest.mark.parametrize("prefix", ["", "head_"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"learning_rate_init": (1e-4, 1e-3)},
            "learning_rate_init` .* 0.0001 to 0.001 after 0.01 to 1",
        ),
        (
            {"decay": ["linear", "cosine"]},
            "decay` .* got linear, cosine after constant, inverse_time",
        ),
        ({"decay_rate": (0.1, 0.2)}, "decay_rate` .* got 0.1 to 0.2 after"),
        ({"epochs": 10}, "decay_rate` .* got 0.003 to 3 after 0.0015 to 1.5"),
        ({"warmup_epochs": 3}, "warmup_epochs` .* got 3 after 0"),
    ],
)
def test_two_schedules_of_one_prefix_are_refused(
    prefix: str, options: dict[str, Any], message: str
) -> None:
    _, trial = suggested(prefix=prefix)
    again = {"epochs": 20, "learning_rate_init": (0.01, 1.0), "prefix": prefix} | options

    with pytest.raises(InvalidInputError, match=f"{message}.*prefix of its own"):
        suggest_schedule(trial, **again)


def test_a_parameter_of_the_objective_with_another_range_is_no_rate_of_the_schedule() -> None:
    trial = optuna.create_study().ask()
    trial.suggest_float("learning_rate_init", 1e-5, 1.0, log=True)

    with pytest.raises(InvalidInputError, match="prefix of its own"):
        suggest_schedule(trial, epochs=20, learning_rate_init=(1e-3, 1e-2))
