"""Budgets: what is spent on exploring, on the race and on the measurement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtune.exceptions import InvalidInputError
from lrtune.tuning.confirm.budget import (
    FIELD,
    MEASUREMENT_REPLICATES,
    MIN_TRAININGS,
    ROUND,
    ConfirmationBudget,
    confirmation_beside,
    confirmation_within,
    share_of_search,
    split_trainings,
)


@given(st.floats(0, 1e5))
def test_a_budget_pays_for_two_rounds_and_the_measurement(trainings: float) -> None:
    budget = ConfirmationBudget.of(trainings)
    more = ConfirmationBudget.of(trainings * 1.1)

    assert FIELD[0] <= budget.field[1] <= FIELD[1]
    assert budget.field[1] == FIELD[0] or budget.field[1] * 2 * ROUND <= budget.race
    assert MEASUREMENT_REPLICATES[0] <= budget.measurement_replicates <= MEASUREMENT_REPLICATES[1]
    assert budget.field[1] <= more.field[1]
    assert budget.measurement_replicates <= more.measurement_replicates


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_fewer_rows_validate_the_more_is_confirmed(one: int, other: int) -> None:
    few, many = sorted((one, other))

    assert share_of_search(few) >= share_of_search(many) > 0


@given(st.integers(MIN_TRAININGS, 5000), st.integers(0, 2), st.sampled_from([None, 1, 2]))
def test_a_split_spends_no_more_than_the_trainings_and_keeps_few_back(
    trainings: int, n_others: int, replicates: int | None
) -> None:
    split = split_trainings(trainings, replicates=replicates, n_others=n_others)
    budget = split.confirmation
    assert budget is not None
    each = replicates or 1
    exploring = split.n_trials * each
    n_rates = len(budget.factors) or 3  # the rate, and the ends of the predicted safe range
    measuring = budget.measurement_replicates * (n_rates + n_others)

    assert trainings - each < exploring + budget.limit <= trainings
    assert budget.race + measuring == budget.limit
    assert budget.measurement_replicates >= 2
    assert not budget.factors or budget.factors[len(budget.factors) // 2] == 1
    assert exploring > trainings / 3 - each


@given(st.integers(2, 2000), st.integers(0, 2))
def test_a_confirmation_beside_a_search_takes_about_as_many_trainings(
    exploring: int, n_others: int
) -> None:
    limit = confirmation_beside(exploring, n_others=n_others).limit

    assert limit <= max(1.5 * exploring + 1, MIN_TRAININGS)


def test_without_confirmation_all_trainings_explore() -> None:
    assert split_trainings(10, confirm=False).n_trials == 10


@pytest.mark.parametrize(("trainings", "replicates"), [(11, None), (12, 6)])
def test_too_few_trainings_are_refused(trainings: int, replicates: int | None) -> None:
    with pytest.raises(InvalidInputError, match=rf"`trainings`.*{trainings}.*give more"):
        split_trainings(trainings, replicates=replicates)


@given(st.integers(0, 3000), st.integers(0, 2))
def test_a_confirmation_within_a_limit_keeps_it_and_uses_most_of_it(
    limit: int, n_others: int
) -> None:
    budget = confirmation_within(limit, n_others=n_others)
    least = 2 * (1 + n_others)

    assert budget.trainings(n_others) == budget.limit
    assert 0.6 * limit - 4 <= budget.limit <= max(limit, least)


@given(st.floats(0, 1e5), st.integers(0, 2))
def test_a_confirmation_of_a_table_takes_at_least_its_first_round_and_the_measurement(
    trainings: float, n_others: int
) -> None:
    budget = ConfirmationBudget.of(trainings)
    first_round = budget.field[1] * ROUND if trainings else 0

    assert budget.trainings(n_others) >= first_round + budget.measurement(n_others)
