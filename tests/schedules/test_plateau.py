"""The plateau decay, against its rule applied to one setting at a time."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.schedules.decays import DECAYS
from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule
from lrtune.training.loop import Epoch, train
from lrtune.training.network import Network
from lrtune.training.optimizers import SGD
from lrtune.training.population import Population
from lrtune.training.rows import Rows

plateaus = st.builds(
    Schedule,
    learning_rate_init=st.floats(0.1, 1),
    decay=st.just("plateau"),
    decay_rate=st.floats(0, 2),
    patience=st.integers(0, 3),
    min_learning_rate=st.sampled_from([0.0, 0.05]),
)
losses = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, math.inf])
histories = st.integers(1, 4).flatmap(
    lambda k: st.tuples(
        st.lists(plateaus, min_size=k, max_size=k),
        st.lists(st.lists(losses, min_size=k, max_size=k), max_size=12),
    )
)


def rates_by_hand(schedule: Schedule, history: list[float]) -> list[float]:
    """Rate of every epoch: × e^(-k) for every epoch beyond patience without a better loss."""
    rate, best, waited = schedule.learning_rate_init, math.inf, 0
    rates = [rate]
    for loss in history:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited > schedule.patience:
            rate *= math.exp(-schedule.decay_rate)
        rates.append(max(rate, schedule.min_learning_rate))
    return rates


def rates_of(schedules: list[Schedule], history: list[list[float]]) -> np.ndarray:
    plateau, table = Plateau(schedules), np.array([[s.learning_rate_init for s in schedules]])
    rates = [plateau.apply(table)[0]]
    for row in history:
        plateau.update(np.array(row))
        rates.append(plateau.apply(table)[0])
    return np.array(rates)


def fitted(schedules: list[Schedule], *, validate: bool) -> list[Epoch]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 3))
    y = np.eye(2)[rng.integers(0, 2, size=40)]  # nothing to learn: the loss rises and falls
    network = Network((3, 4, 2))
    initial = network.initial_parameters(rng, np.dtype("float64"))
    population = Population(network, SGD(), initial, n_settings=len(schedules), batch_size=4)
    rows, held_out = Rows(X[:30], y[:30]), Rows(X[30:], y[30:])
    validation = held_out if validate else None
    return list(
        train(population, schedules, rows, epochs=range(12), rng=rng, validation=validation)
    )


@given(case=histories)
@settings(deadline=None, max_examples=80)
def test_every_setting_follows_the_rule_for_its_own_losses(
    case: tuple[list[Schedule], list[list[float]]],
) -> None:
    schedules, history = case
    columns = [[row[i] for row in history] for i in range(len(schedules))]
    by_hand = [rates_by_hand(s, column) for s, column in zip(schedules, columns, strict=True)]
    expected = np.array(by_hand).T

    assert expected == pytest.approx(rates_of(schedules, history), rel=1e-12)


@given(history=st.lists(losses, max_size=12), patience=st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_feedback_never_raises_a_rate(history: list[float], patience: int) -> None:
    schedule = Schedule(learning_rate_init=1, decay="plateau", decay_rate=0.3, patience=patience)

    assert all(b <= a for a, b in pairwise(rates_of([schedule], [[h] for h in history])[:, 0]))


def test_an_equal_loss_is_not_a_better_one() -> None:
    schedule = Schedule(learning_rate_init=1.0, decay="plateau", decay_rate=1.0, patience=0)

    assert rates_of([schedule], [[2.0], [2.0]])[:, 0] == pytest.approx([1, 1, math.exp(-1)])


def test_feedback_lowers_a_warm_up_too() -> None:
    plateau = Plateau([Schedule(learning_rate_init=1, decay="plateau", decay_rate=1, patience=0)])
    for loss in [1.0, 2.0]:
        plateau.update(np.array([loss]))
    table = np.array([[0.0], [0.25], [0.5]])

    assert plateau.apply(table) == pytest.approx(table * math.exp(-1))


@pytest.mark.parametrize("decay", [name for name, decay in DECAYS.items() if not decay.feedback])
def test_settings_with_another_decay_type_keep_their_rates(decay: str) -> None:
    other = Schedule(learning_rate_init=0.3, decay=decay, decay_rate=0.2, patience=0)
    plateau = Schedule(learning_rate_init=0.3, decay="plateau", decay_rate=0.2, patience=0)
    feedback, table = Plateau([other, plateau]), np.random.default_rng(0).random((5, 2))
    for _ in range(4):
        feedback.update(np.array([1.0, 1.0]))

    assert np.array_equal(table[:, 0], feedback.apply(table)[:, 0])


@pytest.mark.parametrize("validate", [True, False], ids=["validation", "training"])
def test_a_training_follows_its_validation_loss_else_its_training_loss(validate: bool) -> None:
    schedule = Schedule(learning_rate_init=2.0, decay="plateau", decay_rate=0.2, patience=0)
    epochs = fitted([schedule], validate=validate)
    losses = [e.validation_loss if validate else e.training_loss for e in epochs]
    expected = rates_by_hand(schedule, [float(loss[0]) for loss in losses if loss is not None])

    assert expected[:-1] == pytest.approx([epoch.rates[0] for epoch in epochs], rel=1e-12)
    assert expected[-1] < schedule.learning_rate_init


def test_in_a_training_a_plateau_does_not_change_other_settings() -> None:
    fixed = Schedule(learning_rate_init=0.5)
    plateau = Schedule(learning_rate_init=0.5, decay="plateau", decay_rate=1.0, patience=0)
    alone = fitted([fixed], validate=True)
    beside = fitted([plateau, fixed], validate=True)

    assert [e.training_loss[0] for e in alone] == [e.training_loss[1] for e in beside]


def test_changed_schedules_go_on_with_the_losses_of_those_that_follow_them() -> None:
    options = {"learning_rate_init": 1.0, "decay": "plateau", "patience": 0}
    plateau = Plateau([Schedule(**options, decay_rate=0.5), Schedule(**options, decay_rate=0.5)])
    for loss in (1.0, 2.0):
        plateau.update(np.array([loss, loss]))

    changed = plateau.with_schedules(
        [Schedule(**options, decay_rate=0.25), Schedule(learning_rate_init=1.0)]
    )
    changed.update(np.array([2.0, 2.0]))

    assert changed.apply(np.ones((1, 2)))[0] == pytest.approx([np.exp(-0.75), 1.0])
