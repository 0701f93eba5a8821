"""Schedules as values and functions of t, their JSON, and the tables of their rates."""

import json
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.exceptions import InvalidInputError
from lrtune.schedules import schedule as module
from lrtune.schedules.decays import DECAYS
from lrtune.schedules.schedule import Schedule, epoch_rates, rate_table

PURE = [name for name, decay in DECAYS.items() if not decay.feedback]
FULL = Schedule(
    learning_rate_init=0.3,
    decay="polynomial",
    decay_rate=0.05,
    step_size=2.5,
    power=1.5,
    patience=1,
    warmup_epochs=1.5,
    cycle_epochs=8.0,
    min_learning_rate=0.01,
    update="batch",
)


def changed(schedule: Schedule, name: str) -> Schedule:
    other = {"decay": "linear", "update": "epoch", "patience": 5}.get(name)
    return replace(schedule, **{name: other or getattr(schedule, name) * 1.25})


@st.composite
def any_schedules(draw: st.DrawFn) -> Schedule:
    initial, warmup = draw(st.floats(1e-4, 10)), draw(st.sampled_from([0.0, 0.3, 1.0, 2.5]))
    return Schedule(
        learning_rate_init=initial,
        decay=draw(st.sampled_from(PURE)),
        decay_rate=draw(st.floats(0, 3)),
        step_size=draw(st.sampled_from([0.5, 1.0, 2.5, 3.0])),
        power=draw(st.sampled_from([0.5, 1.0, 2.0, 3.3])),
        warmup_epochs=warmup,
        cycle_epochs=draw(st.none() | st.sampled_from([warmup + 0.5, warmup + 3.0])),
        min_learning_rate=draw(st.sampled_from([0.0, 0.1, 1.0])) * initial,
        update=draw(st.sampled_from(["epoch", "batch"])),
    )


# --- a plain value --------------------------------------------------------------------------------


def test_a_schedule_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.decay_rate = 1.0


def test_schedules_of_equal_values_are_equal_and_hash_alike() -> None:
    copy = replace(FULL)

    assert (FULL, hash(FULL)) == (copy, hash(copy))


@pytest.mark.parametrize("name", [field.name for field in fields(Schedule)])
def test_schedules_differ_when_one_value_differs(name: str) -> None:
    assert changed(FULL, name) != FULL


def test_a_schedule_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(FULL)) == FULL  # noqa: S301


def test_evaluating_the_repr_gives_an_equal_schedule() -> None:
    assert eval(repr(FULL), {"Schedule": Schedule}) == FULL  # noqa: S307


def test_values_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Schedule(0.1)


# --- rates at t -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", PURE)
def test_training_starts_at_the_initial_rate(decay: str) -> None:
    assert Schedule(learning_rate_init=0.3, decay=decay, decay_rate=0.7)(0) == 0.3


def test_one_time_gives_a_float() -> None:
    assert isinstance(FULL(2), float)


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3)])
def test_an_array_of_times_gives_rates_of_its_shape(shape: tuple[int, ...]) -> None:
    assert shape == FULL(np.ones(shape)).shape


@given(schedule=any_schedules(), t=st.floats(0, 50))
@settings(deadline=None, max_examples=60)
def test_the_rate_lies_between_the_floor_and_the_initial_rate(schedule: Schedule, t: float) -> None:
    assert schedule.min_learning_rate <= schedule(t) <= schedule.learning_rate_init


@pytest.mark.parametrize("decay", PURE)
def test_updated_by_epoch_the_rate_is_constant_within_an_epoch(decay: str) -> None:
    schedule = Schedule(learning_rate_init=1.0, decay=decay, decay_rate=0.1)

    assert schedule([2, 2, 2]).tolist() == schedule([2, 2.5, 2.999]).tolist()


@pytest.mark.parametrize("decay", [name for name in PURE if name not in ("constant", "compound")])
def test_updated_by_batch_the_rate_follows_time(decay: str) -> None:
    held = Schedule(learning_rate_init=1.0, decay=decay, decay_rate=0.1, step_size=0.5)

    assert replace(held, update="batch")(2.5) < held(2.5)


def test_the_floor_holds_during_decay_and_warm_up() -> None:
    schedule = Schedule(
        learning_rate_init=1.0,
        decay="linear",
        decay_rate=0.5,
        warmup_epochs=2,
        min_learning_rate=0.25,
    )

    assert schedule([0, 1, 2, 3, 4, 9]).tolist() == [0.25, 0.5, 1.0, 0.5, 0.25, 0.25]


# --- warm-up and cycles ---------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["epoch", "batch"])
@pytest.mark.parametrize("decay", PURE)
def test_a_warm_up_rises_step_by_step_from_zero(decay: str, update: Any) -> None:
    schedule = Schedule(
        learning_rate_init=0.8, decay=decay, decay_rate=0.1, warmup_epochs=2, update=update
    )

    assert schedule([0, 0.5, 1, 1.5, 2]).tolist() == [0, 0.2, 0.4, 0.6000000000000001, 0.8]


@pytest.mark.parametrize("update", ["epoch", "batch"])
@pytest.mark.parametrize("decay", PURE)
def test_decay_starts_after_the_warm_up(decay: str, update: Any) -> None:
    plain = Schedule(learning_rate_init=0.8, decay=decay, decay_rate=0.1, update=update)
    t = np.arange(0, 20, 0.25)

    assert plain(t).tolist() == replace(plain, warmup_epochs=3)(t + 3).tolist()


@given(schedule=any_schedules(), cycle=st.integers(3, 6), n=st.integers(0, 9), t=st.integers(0, 95))
@settings(deadline=None, max_examples=60)
def test_every_cycle_repeats_the_first_one(schedule: Schedule, cycle: int, n: int, t: int) -> None:
    once = replace(schedule, cycle_epochs=None)
    within = t / 32 % cycle

    assert once(within) == replace(once, cycle_epochs=cycle)(n * cycle + within)


def test_a_triangular_schedule_is_linear_with_warm_up_and_cycles() -> None:
    modifiers = {"warmup_epochs": 2, "cycle_epochs": 4, "update": "batch"}
    triangle = Schedule(learning_rate_init=1.0, decay="linear", decay_rate=0.5, **modifiers)

    expected = [0, 0.5, 1, 0.5, 0, 0.5, 1, 0.5, 0, 0.25]

    assert expected == triangle([0, 1, 2, 3, 4, 5, 6, 7, 8, 8.5]).tolist()


def test_warm_restarts_are_cosine_with_cycles() -> None:
    sgdr = Schedule(
        learning_rate_init=0.4, decay="cosine", decay_rate=0.25, cycle_epochs=4, update="batch"
    )
    t = np.arange(0, 12, 0.125)

    expected = 0.2 * (1 + np.cos(np.pi * (t % 4) / 4))

    assert expected == pytest.approx(sgdr(t), rel=1e-12)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["learning_rate_init", "step_size", "power", "cycle_epochs"])
def test_values_that_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"`{name}` must be positive .*, but got {value}"):
        replace(FULL, **{name: value})


@pytest.mark.parametrize("value", [-1e-9, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["decay_rate", "patience", "warmup_epochs", "min_learning_rate"])
def test_values_that_must_not_be_negative(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"`{name}` must be at least 0 .*, but got {value}"):
        replace(FULL, **{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"decay": "lineal"}, "`decay` must be one of constant, .*, plateau, but got 'lineal'"),
        ({"update": "step"}, "`update` must be 'epoch' or 'batch', but got 'step'"),
        (
            {"min_learning_rate": 0.31},
            r"`min_learning_rate` must be at most `learning_rate_init` \(0.3\), but got 0.31",
        ),
        ({"cycle_epochs": 1.5}, r"`cycle_epochs` must be greater than `warmup_epochs` \(1.5\)"),
        (
            {"decay": "plateau"},
            "`cycle_epochs` must be left out with `decay='plateau'`.* but got 8.0",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(FULL, **values)


@pytest.mark.parametrize("t", [-1e-9, float("nan"), float("inf"), [0.0, -1.0]])
def test_a_time_that_is_negative_or_not_finite_is_refused(t: Any) -> None:
    with pytest.raises(InvalidInputError, match="t must be at least 0 and finite, but got"):
        FULL(t)


def test_a_schedule_that_follows_losses_has_no_rate_at_t() -> None:
    plateau = Schedule(learning_rate_init=0.1, decay="plateau", decay_rate=0.5)

    with pytest.raises(InvalidInputError, match="follows the validation loss"):
        plateau(1)


# --- the table ------------------------------------------------------------------------------------

populations = st.lists(any_schedules(), min_size=1, max_size=8)


@given(population=populations, epochs=st.integers(0, 6), steps=st.integers(1, 7))
@settings(deadline=None, max_examples=80)
def test_each_column_of_the_table_holds_the_rates_of_its_schedule(
    population: list[Schedule], epochs: int, steps: int
) -> None:
    t = np.arange(epochs * steps) / steps
    expected = np.stack([schedule(t) for schedule in population], axis=1)

    assert np.array_equal(expected, rate_table(population, epochs, steps))


@pytest.mark.parametrize("name", [field.name for field in fields(Schedule)])
@pytest.mark.parametrize("decay", PURE)
def test_schedules_that_differ_by_one_value_keep_their_own_columns(decay: str, name: str) -> None:
    pair = [replace(FULL, decay=decay), changed(replace(FULL, decay=decay), name)]
    expected = np.stack([schedule(np.arange(60) / 3) for schedule in pair], axis=1)

    assert np.array_equal(expected, rate_table(pair, 20, 3))


@given(population=populations, first=st.integers(0, 9), steps=st.integers(1, 7))
@settings(deadline=None, max_examples=40)
def test_a_table_may_start_at_a_later_epoch(
    population: list[Schedule], first: int, steps: int
) -> None:
    whole = rate_table(population, first + 2, steps)

    assert np.array_equal(
        whole[first * steps :], rate_table(population, 2, steps, first_epoch=first)
    )


@given(
    population=populations,
    epochs=st.integers(1, 9),
    steps=st.integers(1, 5),
    elements=st.integers(1, 120),
)
@settings(deadline=None, max_examples=80)
def test_rates_by_epoch_are_the_table_whatever_the_size_of_its_pieces(
    population: list[Schedule], epochs: int, steps: int, elements: int
) -> None:
    whole = rate_table(population, epochs, steps).reshape(epochs, steps, -1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TABLE_ELEMENTS", elements)
        pieces = list(epoch_rates(population, range(epochs), steps))

    assert np.array_equal(whole, pieces)


def test_a_schedule_that_follows_losses_enters_the_table_without_its_feedback() -> None:
    plateau = Schedule(learning_rate_init=0.4, decay="plateau", decay_rate=0.5, warmup_epochs=1)

    assert rate_table([plateau], 2, 2)[:, 0].tolist() == [0.0, 0.2, 0.4, 0.4]


# --- comparable epochs ----------------------------------------------------------------------------


def test_every_epoch_of_a_plain_schedule_is_comparable() -> None:
    assert all(Schedule(learning_rate_init=0.1).is_comparable(epoch) for epoch in range(1, 50))


@pytest.mark.parametrize("warmup", [1, 2.5, 7])
def test_no_epoch_of_a_warm_up_is_comparable(warmup: float) -> None:
    schedule = Schedule(learning_rate_init=0.1, warmup_epochs=warmup)

    assert [e for e in range(1, 12) if schedule.is_comparable(e)] == [
        e for e in range(1, 12) if e > warmup
    ]


def test_after_a_restart_the_second_half_of_a_cycle_is_comparable() -> None:
    schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.2, cycle_epochs=5)

    assert [e for e in range(1, 16) if schedule.is_comparable(e)] == [
        *range(1, 6), *range(8, 11), *range(13, 16),
    ]  # fmt: skip


# --- JSON -----------------------------------------------------------------------------------------


def test_a_schedule_survives_its_dictionary_and_its_json() -> None:
    assert Schedule.from_dict(FULL.to_dict()) == FULL
    assert Schedule.from_json(FULL.to_json()) == FULL


def test_the_dictionary_names_every_field() -> None:
    assert list(FULL.to_dict()) == [field.name for field in fields(Schedule)]


def test_missing_fields_get_their_defaults() -> None:
    assert Schedule.from_json('{"learning_rate_init": 0.1}') == Schedule(learning_rate_init=0.1)


def test_an_exported_schedule_may_say_what_it_is_about() -> None:
    exported = json.dumps(FULL.to_dict() | {"about": {"study": "iris"}})

    assert Schedule.from_json(exported) == FULL


def test_numbers_of_numpy_become_numbers_of_json() -> None:
    schedule = Schedule(
        learning_rate_init=np.float32(0.1), patience=np.int64(3), decay_rate=np.float64(0.5)
    )

    assert Schedule.from_json(schedule.to_json()) == schedule
    assert type(schedule.to_dict()["learning_rate_init"]) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[1]", "must be a JSON object, but got '[1]'"),
        ("{}", "must have `learning_rate_init`"),
        ('{"learning_rate_init": 0.1, "rate": 1}', "but got 'rate'"),
        ('{"learning_rate_init": "0.1"}', "must be a number, but got '0.1'"),
        ('{"learning_rate_init": NaN}', "positive and finite, but got nan"),
        ('{"learning_rate_init": 0.1, "decay": ["step"]}', "must be one of constant"),
        ('{"learning_rate_init": 0.1, "cycle_epochs": "5"}', "must be a number, but got '5'"),
        ('{"learning_rate_init": 0.1, "patience": null}', "must be a number, but got None"),
        ('{"learning_rate_init": 0.1, "patience": 1.5}', "must be a whole number, but got 1.5"),
        ('{"learning_rate_init": 0.1, "update": {}}', "'epoch' or 'batch'"),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        Schedule.from_json(text)

    assert message in str(error.value)
