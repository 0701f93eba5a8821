"""`ScheduleSampler` in Optuna studies of one's own."""

import math
import random
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import lrtune
from lrtune.exceptions import InvalidInputError

RANGE = (1e-3, 10.0)


def curve(trial: optuna.Trial) -> Any:
    return lrtune.suggest_schedule(trial, epochs=20, learning_rate_init=RANGE)


def loss(schedule: lrtune.Schedule, seed: int) -> float:
    """Train x towards 0 on a quadratic with noise; rates above 1 diverge."""
    rng, x = random.Random(seed), 10.0  # noqa: S311
    for epoch in range(20):
        x -= schedule(epoch) * (2 * x + rng.gauss(0, 1))
        if abs(x) > 1e3:
            return math.inf
    return x * x + 1e-3


def objective(trial: optuna.Trial) -> float:
    seed = trial.number // 8
    trial.set_user_attr("replicates", seed)
    value = loss(curve(trial), seed)
    if not math.isfinite(value):
        trial.report(value, 20)
        raise optuna.TrialPruned
    return value


def search(n: int = 32, seed: int = 0, **options: Any) -> optuna.Study:
    sampler = lrtune.ScheduleSampler(epochs=20, seed=seed)
    study = optuna.create_study(sampler=sampler, **options)
    study.optimize(objective, n_trials=n)
    return study


def params(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_the_same_seed_gives_the_same_settings_and_another_others() -> None:
    first = params(search())
    assert first == params(search())
    assert first[8:] != params(search(seed=1))[8:]


@pytest.mark.slow
def test_it_finds_better_settings_than_random_ones() -> None:
    def best(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=24)
        schedule = lrtune.Schedule.from_trial(study.best_trial)
        return float(np.mean([loss(schedule, seed) for seed in range(1000, 1050)]))

    own = [best(lrtune.ScheduleSampler(epochs=20, seed=seed)) for seed in range(3)]
    others = [best(optuna.samplers.RandomSampler(seed=seed)) for seed in range(3)]
    assert np.median(own) < np.median(others)


def test_it_learns_where_the_cliff_is() -> None:
    diverged = [trial.state == TrialState.PRUNED for trial in search(32).trials]
    assert sum(diverged[:8]) >= 1
    assert np.mean(diverged[16:]) < 0.15


def test_it_models_the_schedule_of_each_group_of_parameters() -> None:
    def train(trial: optuna.Trial) -> float:
        slow, fast = (
            lrtune.suggest_schedule(trial, epochs=20, learning_rate_init=bounds, prefix=prefix)
            for prefix, bounds in (("", (1e-4, 1.0)), ("head_", (1e-2, 100.0)))
        )
        aims = ((slow.learning_rate_init, 1e-3), (fast.learning_rate_init, 10.0))
        return 0.1 + sum(math.log(rate / aim) ** 2 for rate, aim in aims)

    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    study.optimize(train, n_trials=32)
    values = [trial.value for trial in study.trials]
    assert np.median(values[24:]) < 0.2 * np.median(values[:8])


def test_it_maximises_too() -> None:
    def accuracy(trial: optuna.Trial) -> float:
        return 0.9 - 0.05 * abs(math.log10(curve(trial).learning_rate_init / 0.1))

    sampler = lrtune.ScheduleSampler(epochs=20, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(accuracy, n_trials=32)
    late = [abs(math.log10(each["learning_rate_init"] / 0.1)) for each in params(study)[24:]]
    assert np.median(late) < 0.3


def test_further_parameters_are_modelled() -> None:
    def function(trial: optuna.Trial) -> float:
        schedule = curve(trial)
        width = trial.suggest_int("width", 1, 64, log=True)
        kind = trial.suggest_categorical("kind", ["a", "b", "c"])
        return (
            0.1
            + math.log10(schedule.learning_rate_init / 0.1) ** 2
            + math.log2(width / 16) ** 2
            + (kind != "b")
        )

    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    study.optimize(function, n_trials=48)
    late = params(study)[36:]
    assert np.mean([each["kind"] == "b" for each in late]) > 0.6
    assert np.median([abs(math.log2(each["width"] / 16)) for each in late]) <= 1


def test_a_schedule_of_ones_own_parameters() -> None:
    def function(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("peak", 1e-4, 1.0, log=True)
        fall = trial.suggest_float("fall", 1e-3, 1.0, log=True)
        mean = np.mean([rate * math.exp(-fall * t) for t in range(20)])
        return 0.1 + math.log10(mean / 0.01) ** 2

    def schedule(peak: float, fall: float) -> Any:
        return lambda t: peak * math.exp(-fall * t)

    sampler = lrtune.ScheduleSampler(epochs=20, schedule=schedule, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(function, n_trials=40)
    assert study.best_value < 0.12


def test_the_first_trials_are_spread_over_every_range() -> None:
    study = search(8)
    shares = [(math.log10(each["learning_rate_init"]) + 3) / 4 for each in params(study)]
    assert sorted(int(8 * share) for share in shares) == list(range(8))


def test_trials_without_a_value_are_no_obstacle() -> None:
    def function(trial: optuna.Trial) -> float:
        value = objective(trial)
        return math.nan if trial.number % 5 == 0 else value

    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    study.optimize(function, n_trials=24)
    assert len(study.trials) == 24


def test_a_trial_that_was_pruned_before_it_had_all_parameters_is_no_obstacle() -> None:
    def function(trial: optuna.Trial) -> float:
        if trial.number == 3:
            trial.suggest_float("learning_rate_init", *RANGE, log=True)
            raise optuna.TrialPruned
        return objective(trial)

    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    study.optimize(function, n_trials=12)
    assert len(study.trials) == 12


def test_if_all_trials_diverged_it_goes_on_at_random() -> None:
    def function(trial: optuna.Trial) -> float:
        curve(trial)
        trial.report(math.inf, 1)
        raise optuna.TrialPruned

    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    study.optimize(function, n_trials=20)
    assert len({each["learning_rate_init"] for each in params(study)}) == 20


def test_settings_that_run_at_the_same_time_differ() -> None:
    study = search(16)
    asked = [study.ask(study.trials[0].distributions) for _ in range(16)]
    assert len({str(trial.params) for trial in asked}) == 16


def test_several_objectives_are_refused_as_other_samplers_do() -> None:
    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=lrtune.ScheduleSampler(epochs=20)
    )
    with pytest.raises(ValueError, match="multi-objective"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"`epochs`.*positive.*0"),
        ({"epochs": math.inf}, r"`epochs`.*finite.*inf"),
        ({"epochs": 20, "schedule": 0.1}, r"`schedule`.*function.*0\.1"),
        ({"epochs": 20, "n_startup_trials": 1}, r"`n_startup_trials`.*at least 2.*1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        lrtune.ScheduleSampler(**options)


def test_a_parameter_that_the_schedule_lacks_is_named() -> None:
    study = optuna.create_study(sampler=lrtune.ScheduleSampler(epochs=20, seed=0))
    with pytest.raises(InvalidInputError, match=r"'learning_rate_init'.*`schedule`"):
        study.optimize(lambda trial: trial.suggest_float("lr", 0.1, 1.0), n_trials=12)
