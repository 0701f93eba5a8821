"""The network's trainer: the search sees what a user who pastes the setting will get."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lrtune.training.population
from lrtune import MLPClassifier, MLPRegressor
from lrtune.exceptions import InvalidInputError
from lrtune.training.optimizers import DEFAULT_RATES
from lrtune.tuning.setting import Setting
from lrtune.tuning.space import Space
from lrtune.tuning.trainers.network import NetworkTrainer
from lrtune.tuning.trainers.protocol import Control, Outcome, train_all
from lrtune.tuning.trainers.replicates import Replicate, draw_replicates, make_replicates

SPACE = Space.default(5, learning_rate_init=(0.01, 1.0))
SETTINGS = [
    Setting(0.1, "constant", 0.1),
    Setting(1e6, "constant", 0.1),
    Setting(0.5, "exponential", 0.2),
    Setting(0.3, "plateau", 0.5),
    Setting(8.0, "cosine", 0.1),
    Setting(0.2, "inverse_time", 0.3),
]


TABLES = {
    "classification": (load_iris(return_X_y=True), MLPClassifier),
    "regression": (load_diabetes(return_X_y=True), MLPRegressor),
}


def scaled(task: str = "classification", n_replicates: int = 3, **options: Any) -> NetworkTrainer:
    """Return a trainer of a network behind a scaler, on a bundled table."""
    (X, y), network = TABLES[task]
    model = network(**({"max_iter": 5} | options))
    return NetworkTrainer.on_random_splits(
        make_pipeline(StandardScaler(), model), X, y, n_replicates, seed=4
    )


@pytest.fixture(params=TABLES)
def trainer(request: pytest.FixtureRequest) -> NetworkTrainer:
    return scaled(request.param)


@pytest.mark.parametrize("task", TABLES)
def test_a_trials_loss_and_score_are_those_of_the_pasted_setting(task: str) -> None:
    (X, y), network = TABLES[task]
    replicates = make_replicates(y, 3, task=task, seed=4)
    outcomes = train_all(scaled(task), SETTINGS, range(3))
    for setting, outcome in zip(SETTINGS, outcomes, strict=True):
        if outcome.diverged:
            continue
        for index, replicate in enumerate(replicates):
            options = {"max_iter": 5, "random_state": replicate.seed, **setting.params}
            model = make_pipeline(StandardScaler(), network(**options))
            model.fit(X[replicate.train], y[replicate.train])
            held_out, truth = X[replicate.validation], y[replicate.validation]
            if task == "classification":
                loss = log_loss(truth, model.predict_proba(held_out))
            else:
                loss = mean_squared_error(truth, model.predict(held_out))

            assert loss == pytest.approx(outcome.validation_curves[index, -1], rel=1e-4)
            assert model.score(held_out, truth) == pytest.approx(outcome.scores[index], abs=1e-5)


def test_a_setting_that_diverges_on_one_replicate_is_stopped_on_all(
    trainer: NetworkTrainer,
) -> None:
    outcome = train_all(trainer, SETTINGS, range(3))[1]

    assert outcome.diverged is not None
    assert (outcome.diverged.replicate, outcome.diverged.epoch) == (1, 1)
    assert outcome.epochs < 1
    assert outcome.scores is None
    assert outcome.validation_curves.shape == (3, 0)


def test_the_loss_at_divergence_is_in_the_targets_own_unit() -> None:
    X, y = load_diabetes(return_X_y=True)
    estimator = make_pipeline(StandardScaler(), MLPRegressor(max_iter=2))
    losses = []
    for target in (y, y * 1000):
        trainer = NetworkTrainer.on_random_splits(estimator, X, target, 1)
        (outcome,) = train_all(trainer, [Setting(2.0, "constant", 0.1)], [0])
        assert outcome.diverged is not None
        assert outcome.diverged.loss is not None
        assert outcome.diverged.loss > trainer.scale(SPACE, [0]).cap / 2
        losses.append(outcome.diverged.loss)

    assert losses[1] == pytest.approx(losses[0] * 1000**2, rel=1e-3)


def assert_alike(left: list[Outcome], right: list[Outcome]) -> None:
    for one, other in zip(left, right, strict=True):
        assert np.array_equal(one.validation_curves, other.validation_curves)
        assert (one.setting, one.diverged, one.epochs) == (
            other.setting, other.diverged, other.epochs
        )  # fmt: skip
        assert np.array_equal(one.scores, other.scores) or one.scores is other.scores is None


def test_outcomes_do_not_depend_on_how_settings_are_dealt_to_populations(
    trainer: NetworkTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = train_all(trainer, SETTINGS, range(3))
    monkeypatch.setattr(lrtune.training.population, "CACHE_BYTES", 1)

    assert_alike(together, train_all(trainer, SETTINGS, range(3)))


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_outcomes_do_not_depend_on_the_number_of_processes(n_jobs: int) -> None:
    X, y = load_iris(return_X_y=True)
    # around the edge, some diverge on some replicates, early or late
    settings = [Setting(float(rate), "constant", 0.1) for rate in np.geomspace(0.1, 3, 40)]
    model = MLPClassifier((20,), max_iter=8, optimizer="momentum")
    alone, shared = (
        train_all(
            NetworkTrainer.on_random_splits(
                make_pipeline(StandardScaler(), model), X, y, 6, seed=3, n_jobs=jobs
            ),
            settings,
            range(6),
        )
        for jobs in (1, n_jobs)
    )

    assert_alike(alone, shared)


def test_a_full_training_counts_every_epoch_of_every_replicate(trainer: NetworkTrainer) -> None:
    (outcome,) = train_all(trainer, SETTINGS[:1], range(3))

    assert outcome.epochs == 15
    assert outcome.validation_curves.shape == (3, 5)


def test_an_estimator_without_a_pipeline_is_trained_too_and_left_unchanged() -> None:
    X, y = load_iris(return_X_y=True)
    estimator = MLPClassifier(max_iter=2)
    before = estimator.get_params()
    (outcome,) = train_all(NetworkTrainer.on_random_splits(estimator, X, y, 1), SETTINGS[:1], [0])

    assert outcome.validation_curves.shape == (1, 2)
    assert before == estimator.get_params()
    assert not hasattr(estimator, "coefs_")


def test_plateau_counts_the_epochs_of_the_rows_that_it_trains_on() -> None:
    X, y = load_iris(return_X_y=True)
    X = np.vstack([X, X])
    y = np.concatenate([y, y])
    (replicate,) = make_replicates(y, 1, task="classification")
    model = MLPClassifier(max_iter=3, batch_size=20, validation_fraction=0.5)
    trainer = NetworkTrainer(make_pipeline(StandardScaler(), model), X, y, [replicate])
    (outcome,) = train_all(trainer, [Setting(1e6, "plateau", 0.1)], [0])
    steps = -(-(len(replicate.train) // 2) // 20)

    assert outcome.diverged is not None
    assert outcome.epochs == outcome.diverged.step / steps


# --- pruning --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first_asked", "halted"), [(1, 4), (5, 5), (9, 12), (12, 12)])
def test_no_setting_is_pruned_during_its_warm_up_or_right_after_a_restart(
    first_asked: int, halted: int
) -> None:
    trainer = scaled(n_replicates=1, max_iter=14, warmup_epochs=3, cycle_epochs=8)
    (outcome,) = train_all(
        trainer,
        [Setting(0.1, "cosine", 0.1)],
        [0],
        Control(prune=lambda _, epoch, __: epoch >= first_asked),
    )

    assert outcome.pruned
    assert outcome.validation_curves.shape == (1, halted)


def test_the_pruner_is_asked_by_the_settings_index_with_its_mean_loss(
    trainer: NetworkTrainer,
) -> None:
    asked: dict[tuple[int, int], float] = {}

    def prune(index: int, epoch: int, loss: float) -> bool:
        asked[index, epoch] = loss
        return index == 2

    outcomes = train_all(trainer, SETTINGS, range(3), Control(prune=prune))

    assert [outcome.pruned for outcome in outcomes] == [False, False, True, False, False, False]
    assert outcomes[2].epochs == 3
    for (index, epoch), loss in asked.items():
        assert loss == pytest.approx(outcomes[index].validation_curves[:, epoch - 1].mean())


# --- replicates by number -------------------------------------------------------------------------


def test_a_replicate_number_means_the_same_whenever_it_is_trained() -> None:
    X, y = load_iris(return_X_y=True)
    trainer = scaled()
    fresh = train_all(trainer, SETTINGS[:1], [7, 3])[0]
    (seventh,) = itertools.islice(draw_replicates(y, task="classification", seed=4, first=7), 1)
    by_hand = train_all(NetworkTrainer(trainer.estimator, X, y, [seventh]), SETTINGS[:1], [0])[0]

    assert fresh.validation_curves[0].tolist() == by_hand.validation_curves[0].tolist()
    again = train_all(trainer, SETTINGS[:1], [3, 7])[0]
    assert again.validation_curves.tolist() == fresh.validation_curves[::-1].tolist()


def test_fresh_replicates_are_kept_until_two_further_calls_ask_for_others() -> None:
    X, y = load_iris(return_X_y=True)
    made = []

    def fresh(number: int) -> Replicate:
        made.append(number)
        return next(draw_replicates(y, task="classification", first=number))

    replicates = make_replicates(y, 2, task="classification")
    trainer = NetworkTrainer(MLPClassifier(max_iter=1), X, y, replicates, fresh=fresh)
    for numbers in ([0, 2], [2, 3], [0, 1], [3, 2], [4], [2], [5], [3]):
        trainer.prepared(numbers)

    assert made == [2, 3, 4, 5, 3]


# --- facts ----------------------------------------------------------------------------------------


def test_the_facts_hold_every_parameter_and_the_steps_before_the_network() -> None:
    X, y = load_iris(return_X_y=True)
    network = MLPClassifier((8, 4), alpha=0.5, class_weight={0: 2.0, 1: 1.0, 2: 1.0})
    model = make_pipeline(StandardScaler(with_mean=False), "passthrough", network)
    facts = NetworkTrainer.on_random_splits(model, X, y, 1).facts()
    (step,) = facts.steps

    assert (facts.estimator, facts.task, facts.loss) == (
        "MLPClassifier", "classification", "log_loss"
    )  # fmt: skip
    assert facts.parameters.keys() == network.get_params().keys()
    assert facts.parameters["class_weight"] == {0: 2.0, 1: 1.0, 2: 1.0}
    assert facts.changed == ("alpha", "class_weight", "hidden_layer_sizes")
    assert (step.kind, step.source, step.changed) == (
        "StandardScaler", "StandardScaler(with_mean=False)", True
    )  # fmt: skip


@pytest.mark.parametrize(("optimizer", "rate"), DEFAULT_RATES.items())
def test_the_facts_hold_the_rate_that_the_network_trains_at(optimizer: str, rate: float) -> None:
    X, y = load_iris(return_X_y=True)
    unset, given = (
        NetworkTrainer.on_random_splits(model, X, y, 1).facts()
        for model in (
            MLPClassifier(optimizer=optimizer),
            MLPClassifier(optimizer=optimizer, learning_rate_init=np.float64(rate)),
        )
    )

    assert unset.parameters == given.parameters
    assert unset.parameters["learning_rate_init"] == rate
    assert json.loads(json.dumps(given.to_json()["parameters"]))["learning_rate_init"] == rate
    assert "learning_rate_init" not in unset.changed


def test_a_floor_above_the_usual_rate_of_a_searched_optimizer_is_no_obstacle() -> None:
    trainer = scaled(min_learning_rate=0.01)
    setting = Setting(0.02, "constant", 0.0, (("optimizer", "adam"),))
    trainer.check(Space.of({"learning_rate_init": (0.01, 0.1), "optimizer": ["sgd", "adam"]}, 5))
    (outcome,) = train_all(trainer, [setting], [0])

    assert outcome.diverged is None


def test_the_hashes_tell_tables_and_splits_apart() -> None:
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier(max_iter=1)

    def hashes(X: Any, seed: int = 0) -> tuple[str, str]:
        return NetworkTrainer.on_random_splits(model, X, y, 2, seed=seed).hashes()

    changed = X.copy()
    changed[3, 1] += 1e-9

    assert hashes(X) == hashes(X.copy())
    assert hashes(changed)[0] != hashes(X)[0]
    assert hashes(X, seed=1)[0] == hashes(X)[0]
    assert hashes(X, seed=1)[1] != hashes(X)[1]


def test_the_losses_without_training_are_means_over_the_replicates(
    trainer: NetworkTrainer,
) -> None:
    for name in ("cap", "naive", "initial"):
        each = [getattr(trainer.scale(SPACE, [number]), name) for number in range(3)]

        assert len(set(each)) > 1 or name == "cap"
        assert getattr(trainer.scale(SPACE, range(3)), name) == pytest.approx(np.mean(each))


def test_the_floor_is_the_settings_own_where_it_is_searched() -> None:
    trainer = scaled(min_learning_rate=0.01)

    assert trainer.floor(Setting(0.1, "constant", 0.0)) == 0.01
    assert trainer.floor(Setting(0.1, "constant", 0.0, (("min_learning_rate", 0.05),))) == 0.05


def test_a_space_that_the_network_does_not_accept_is_refused() -> None:
    trainer = scaled()

    with pytest.raises(InvalidInputError, match="batch_size"):
        trainer.check(Space.of({"batch_size": [0, 16]}, 5))
