"""Confirmation: what is recommended, and what is said of it, holds on replicates of its own."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.confirm.budget import (
    FIELD,
    MEASUREMENT_REPLICATES,
    ROUND,
    ConfirmationBudget,
    share_of_search,
)
from lrtune.tuning.confirm.errors import standard_error
from lrtune.tuning.confirm.judge import APART
from lrtune.tuning.confirm.measurement import FACTORS
from lrtune.tuning.confirm.race import ERRORS
from lrtune.tuning.confirm.result import Confirmation, Estimate
from lrtune.tuning.dimensions import Dimension
from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import complete_trials
from lrtune.tuning.result import SearchResult, read_result
from lrtune.tuning.sampling.asking import Sampling
from lrtune.tuning.sampling.curve_features import Encoder
from lrtune.tuning.sampling.loss_model import LossModel
from lrtune.tuning.sampling.schedule_sampler import observe
from lrtune.tuning.search import Budget, Recording, search
from lrtune.tuning.setting import LEARNING_RATE_FREE, Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import train_all
from lrtune.tuning.trainers.replicates import Replicate, draw_replicates, make_replicates

EPOCHS = 5
N_REPLICATES = 2
DATA = {
    "classification": (load_iris(return_X_y=True), MLPClassifier, 1.0),
    "regression": (load_diabetes(return_X_y=True), MLPRegressor, 0.3),
}


class Run:
    """A search with confirmation, and the fresh replicates that it drew."""

    def __init__(self, task: str = "classification", seed: int = 0, **changes: Any) -> None:
        (self.X, self.y), network, highest = DATA[task]
        options = {"max_iter": EPOCHS} | changes.pop("options", {})
        self.estimator = make_pipeline(StandardScaler(), network(**options))
        n_replicates = changes.pop("n_replicates", N_REPLICATES)
        self.replicates = make_replicates(self.y, n_replicates, task=task, seed=seed)
        self.fresh: list[Replicate] = []

        def fresh(number: int) -> Replicate:
            replicate = next(draw_replicates(self.y, task=task, seed=seed, first=number))
            self.fresh.append(replicate)
            return replicate

        space = Space.default(EPOCHS, learning_rate_init=(highest / 100, highest))
        self.space: Space = changes.pop("space", space)
        self.trainer = NetworkTrainer(
            self.estimator,
            self.X,
            self.y,
            self.replicates,
            fresh=fresh,
            n_jobs=changes.pop("n_jobs", None),
        )
        recording = changes.pop("recording", None)
        self.result: SearchResult = search(
            self.trainer,
            self.space,
            budget=Budget(replicates=n_replicates, **({"n_trials": 16} | changes)),
            sampling=Sampling(seed),
            recording=recording,
        )
        assert self.result.confirmation is not None
        self.confirmation: Confirmation = self.result.confirmation

    @property
    def measuring(self) -> list[Replicate]:
        return self.fresh[-self.confirmation.replicates :]

    def by_hand(
        self, replicates: Sequence[Replicate], setting: Setting | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Losses and scores of the estimator, trained as a user would who pastes a setting."""
        losses, scores = [], []
        for replicate in replicates:
            model = clone(self.estimator)
            model[-1].set_params(
                random_state=replicate.seed, **({} if setting is None else setting.params)
            )
            model.fit(self.X[replicate.train], self.y[replicate.train])
            held_out, truth = self.X[replicate.validation], self.y[replicate.validation]
            if isinstance(model[-1], MLPClassifier):
                losses.append(log_loss(truth, model.predict_proba(held_out)))
            else:
                losses.append(mean_squared_error(truth, model.predict(held_out)))
            scores.append(model.score(held_out, truth))
        return np.array(losses), np.array(scores)

    def diverges(self, setting: Setting, replicate: Replicate) -> bool:
        trainer = NetworkTrainer(self.estimator, self.X, self.y, [replicate])
        return train_all(trainer, [setting], [0])[0].diverged is not None


@pytest.fixture(scope="module", params=DATA)
def run(request: pytest.FixtureRequest) -> Run:
    return Run(request.param)


# --- what is reported is what a user gets ---------------------------------------------------------


def test_the_recommended_settings_loss_is_that_of_training_with_it_on_the_last_replicates(
    run: Run,
) -> None:
    losses, scores = run.by_hand(run.measuring, run.result.best)
    raced = run.fresh[: run.confirmation.contenders[0].replicates]
    earlier, _ = run.by_hand(raced, run.result.best)

    assert run.result.confirmed_loss == pytest.approx(losses.mean(), rel=1e-9)
    assert run.result.confirmed_se == pytest.approx(standard_error(losses, earlier), rel=1e-9)
    assert run.result.score == pytest.approx(scores.mean(), rel=1e-9)


def test_the_defaults_loss_is_that_of_the_estimator_as_it_was_given(run: Run) -> None:
    losses, _ = run.by_hand(run.measuring)
    gain = losses - run.by_hand(run.measuring, run.result.best)[0]

    assert run.result.default_loss == pytest.approx(losses.mean(), rel=1e-9)
    assert run.confirmation.gain.loss == pytest.approx(gain.mean(), rel=1e-9)
    assert run.confirmation.gain.se == pytest.approx(standard_error(gain), rel=1e-9)


def test_the_profile_is_of_the_recommended_decay_on_the_same_replicates(
    run: Run,
) -> None:
    profile, best = run.confirmation.profile, run.result.best
    lowest = Setting(best.learning_rate_init * FACTORS[0], best.decay, best.decay_rate)
    losses, _ = run.by_hand(run.measuring, lowest)
    untrained = Setting(1e-30, "constant", 0.0)

    assert profile.losses[0] == pytest.approx(losses, rel=1e-9)
    assert profile.mean[len(FACTORS) // 2] == run.result.confirmed_loss
    assert profile.rates[len(FACTORS) // 2] == best.learning_rate_init
    assert profile.initial_loss == pytest.approx(
        run.by_hand(run.measuring, untrained)[0].mean(), rel=1e-6
    )


def test_a_contenders_loss_is_that_on_the_replicates_it_met_in_the_race(
    run: Run,
) -> None:
    for contender in run.confirmation.contenders[:: len(run.confirmation.contenders) - 1]:
        raced = run.space.setting(run.result.finished[contender.trial].params)
        losses, _ = run.by_hand(run.fresh[: contender.replicates], raced)

        assert contender.loss == pytest.approx(losses.mean(), rel=1e-9)


def test_a_learning_rate_free_baseline_is_measured_beside_it() -> None:
    run = Run(baseline=LEARNING_RATE_FREE, n_trials=4)
    losses, _ = run.by_hand(run.measuring, LEARNING_RATE_FREE)

    assert run.confirmation.baseline is not None
    assert run.confirmation.baseline.loss == pytest.approx(losses.mean(), rel=1e-9)
    assert run.confirmation.summary()["baseline_loss"] == run.confirmation.baseline.loss
    assert Run(n_trials=4).confirmation.baseline is None


# --- the replicates are fresh -------------------------------------------------------------------


def test_search_race_and_measurement_share_no_replicate(run: Run) -> None:
    raced = max(contender.replicates for contender in run.confirmation.contenders)
    seeds = [replicate.seed for replicate in (*run.replicates, *run.fresh)]
    splits = {replicate.validation.tobytes() for replicate in (*run.replicates, *run.fresh)}

    assert len(run.fresh) == raced + run.confirmation.replicates
    assert len(set(seeds)) == len(splits) == len(seeds)


def test_contenders_are_trials_of_the_search_the_recommended_one_first(run: Run) -> None:
    contenders = run.confirmation.contenders
    numbers = {each.trial for each in contenders}
    complete = {
        trial.number: trial.value
        for trial in run.result.finished
        if trial.user_attrs["diverged"] is None
    }

    assert [each.status for each in contenders].count("recommended") == 1
    assert contenders[0].status == "recommended"
    assert contenders[0].setting == run.result.best
    assert contenders[0].trial == run.result.best_trial
    assert contenders[0].search_loss == run.result.search_loss
    assert len(numbers) == len(contenders)
    assert all(complete[each.trial] == each.search_loss for each in contenders)
    assert all(each.replicates % ROUND == 0 for each in contenders)
    assert contenders[0].replicates == max(each.replicates for each in contenders)


def test_whoever_does_not_race_is_no_better_by_the_model_or_trains_as_a_racer_does(
    run: Run,
) -> None:
    finished = run.result.finished
    encoder = Encoder(run.space.distributions(), run.result.facts.trainer.epochs)
    model = LossModel.fit(encoder, observe(finished))
    complete = complete_trials(finished)
    settings = [each.params for each in complete]
    bounds, points = model.predict(settings).bound(ERRORS), encoder.features(settings).points
    numbers = {each.trial for each in run.confirmation.contenders}
    raced = np.array([each.number in numbers for each in complete])
    default = np.array([each.number == 0 for each in complete])  # which races in any case
    worst = bounds[raced & ~default].max()

    assert raced.any()
    assert (~raced).any()
    for bound, point in zip(bounds[~raced], points[~raced], strict=True):
        alike = np.abs(points[raced] - point).max(axis=1) <= APART
        assert bound >= worst or alike.any()


def test_the_naive_loss_is_that_of_class_shares_or_the_mean_on_the_last_replicates(
    run: Run,
) -> None:
    losses = []
    for replicate in run.measuring:
        train, held_out = run.y[replicate.train], run.y[replicate.validation]
        if isinstance(run.estimator[-1], MLPClassifier):
            shares = np.bincount(train) / len(train)
            losses.append(log_loss(held_out, np.tile(shares, (len(held_out), 1))))
        else:
            losses.append(((held_out - train.mean()) ** 2).mean())

    assert run.confirmation.naive_loss == pytest.approx(np.mean(losses), rel=1e-9)
    assert run.confirmation.summary()["naive_loss"] == run.confirmation.naive_loss


def test_the_summary_says_on_which_sides_the_safe_range_is_bounded(run: Run) -> None:
    bounded = run.confirmation.summary()["safe_range_is_bounded"]

    assert bounded == list(run.confirmation.profile.is_bounded)
    assert [type(side) for side in bounded] == [bool, bool]


@pytest.mark.parametrize("rate", [0.0101, pytest.param(0.99, marks=pytest.mark.slow)])
def test_the_untuned_default_is_among_the_contenders(rate: float) -> None:
    run = Run(options={"learning_rate_init": rate}, n_trials=48)
    ((trial, met),) = (
        (each.trial, each.replicates)
        for each in run.confirmation.contenders
        if each.setting.is_like(Setting(rate, "constant", 0.0))
    )

    assert trial == 0
    assert met >= ROUND


def test_if_the_default_alone_was_searched_it_is_recommended_and_gains_nothing() -> None:
    run = Run(n_trials=1)

    assert run.result.best.is_like(Setting(0.1, "constant", 0.0))
    assert run.confirmation.gain == Estimate(0.0, 0.0)
    assert run.result.confirmed_loss == run.result.default_loss


def test_those_that_left_as_worse_are_worse(run: Run) -> None:
    best, *others = run.confirmation.contenders
    worse = [each for each in others if each.status == "worse"]

    for each in worse:
        assert each.loss > run.by_hand(run.fresh[: each.replicates], best.setting)[0].mean()


# --- the same again -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_seed_confirms_the_same_whatever_the_number_of_processes(n_jobs: Any) -> None:
    first, again = Run(), Run(n_jobs=n_jobs)

    assert first.confirmation == again.confirmation
    assert first.result.best == again.result.best
    assert Run(seed=1).confirmation != first.confirmation


def test_confirmation_does_not_change_the_search(run: Run) -> None:
    plain = search(
        run.trainer,
        run.space,
        budget=Budget(16, N_REPLICATES, confirm=False),
        sampling=Sampling(),
    )

    assert [t.params for t in plain.finished] == [t.params for t in run.result.finished]
    assert plain.trial_epochs == run.result.trial_epochs
    assert plain.confirmation is None
    assert plain.confirmed_loss is None


def test_a_confirmation_survives_json(run: Run) -> None:
    for confirmation in (
        run.confirmation,
        Run(baseline=LEARNING_RATE_FREE).confirmation,
    ):
        text = json.dumps(confirmation.to_json(), allow_nan=False)

        assert Confirmation.from_json(json.loads(text)) == confirmation
        assert json.loads(json.dumps(confirmation.summary(), allow_nan=False))


@pytest.mark.slow
def test_it_is_kept_with_the_study_and_is_the_same_when_resumed(folder: Path) -> None:
    def kept(opening: Any, n_trials: int) -> tuple[Any, Any]:
        recording = Recording(partial(opening, "a.journal", "iris"))
        run = Run(n_trials=n_trials, recording=recording)
        stored = read_result("iris", "a.journal").confirmation
        return stored, run.confirmation

    short = kept(Record.create, 16)
    resumed = kept(Record.resume, 32)
    again = kept(Record.resume, 32)
    whole = Run(n_trials=32).confirmation

    assert short[0] != resumed[0] == again[0]
    assert whole == resumed[1] == resumed[0]


# --- divergence ---------------------------------------------------------------------------------


def risky(low: float, high: float, **changes: Any) -> Run:
    """A search near the edge, on one replicate, so that much of what completes diverges later."""
    space = Space.default(8, learning_rate_init=(low, high), decay=["constant"])
    options = {"options": {"max_iter": 8}, "space": space, "n_replicates": 1}
    return Run(**(options | changes))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
def test_a_setting_that_diverges_on_a_fresh_replicate_is_never_recommended(seed: int) -> None:
    run = risky(2.0, 4.5, seed=seed, n_trials=24)
    contenders = run.confirmation.contenders
    diverged = [each for each in contenders if each.status == "diverged"]

    assert diverged
    assert all(each.loss is None for each in diverged)
    for each in diverged[:3]:
        assert any(run.diverges(each.setting, replicate) for replicate in run.fresh)
    assert not any(run.diverges(run.result.best, replicate) for replicate in run.fresh)
    assert np.isfinite(run.confirmation.profile.mean[len(FACTORS) // 2])
    assert run.result.safe_range is not None
    assert run.result.safe_range[1] < 4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_if_everything_diverges_on_fresh_replicates_nothing_is_recommended(seed: int) -> None:
    with pytest.raises(NothingCompletedError, match=r"diverged on fresh .* search lower rates"):
        risky(4.0, 5.5, seed=seed, n_trials=16)


@pytest.mark.parametrize("seed", [0, pytest.param(7, marks=pytest.mark.slow)])
def test_if_whoever_survived_the_race_diverges_when_measured_the_rest_race(seed: int) -> None:
    run = risky(3.0, 5.0, seed=seed, n_trials=48)
    statuses = [each.status for each in run.confirmation.contenders]

    assert statuses.count("diverged") > FIELD[0]
    assert not any(run.diverges(run.result.best, replicate) for replicate in run.measuring)


def test_a_default_that_diverges_is_told_apart_from_one_with_a_loss() -> None:
    run = Run(options={"learning_rate_init": 1e6}, n_trials=4)

    assert run.confirmation.default == Estimate(None, None, diverged=True)
    assert run.confirmation.gain.loss is None
    assert run.result.default_loss is None
    assert json.dumps(run.result.to_dict(), allow_nan=False)


def test_rates_of_the_profile_may_lie_below_the_networks_floor() -> None:
    floor = {"max_iter": EPOCHS, "min_learning_rate": 0.05}
    run = Run(
        options=floor, space=Space.default(EPOCHS, learning_rate_init=(0.06, 0.3)), n_trials=4
    )

    assert run.confirmation.profile.rates[0] < 0.05
    assert np.isfinite(run.confirmation.profile.mean[0])


def test_further_parameters_are_confirmed_with_the_rate_and_the_default_keeps_its_own() -> None:
    others = (("batch_size", Dimension.of("batch_size", [8, 64])),)
    space = Space((0.01, 1.0), ("constant", "cosine"), (0.05, 0.5), others)
    run = Run(space=space)
    losses, _ = run.by_hand(run.measuring, run.result.best)

    assert run.result.best.others[0][1] in (8, 64)
    assert run.result.confirmed_loss == pytest.approx(losses.mean(), rel=1e-9)
    assert run.result.default_loss == pytest.approx(run.by_hand(run.measuring)[0].mean(), rel=1e-9)


# --- the budget ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_trials", [1, 5, 20, pytest.param(40, marks=pytest.mark.slow)])
def test_the_budget_is_kept_but_for_the_least_that_is_needed(n_trials: int) -> None:
    run = Run(n_trials=n_trials)
    trainings = share_of_search(len(run.fresh[0].validation)) * n_trials * N_REPLICATES
    budget = ConfirmationBudget.of(trainings)
    race = max(budget.race, FIELD[0] * ROUND)
    n_measured = len(FACTORS) + 1
    measurement = max(
        trainings / 3 + n_measured / 2, MEASUREMENT_REPLICATES[0] * n_measured
    )  # rounded to whole replicates
    confirmation = run.confirmation
    trained = sum(trial.user_attrs["epochs"] for trial in run.result.finished)

    assert confirmation.epochs <= EPOCHS * (race + measurement)
    assert confirmation.share == pytest.approx(confirmation.epochs / trained, abs=1e-3)
    assert len(confirmation.contenders) <= min(n_trials, FIELD[1])
