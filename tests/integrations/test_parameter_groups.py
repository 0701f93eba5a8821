"""The first parameter group follows the schedule; the others keep their ratio to it."""

from types import SimpleNamespace

import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.integrations.parameter_groups import rate_ratios, set_rates


def test_ratios_are_those_of_the_initial_rates() -> None:
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.0, "initial_lr": 0.4}, {"lr": 0.1}])

    assert rate_ratios(optimizer) == [1.0, 0.25]


def test_a_first_group_without_a_rate_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"must be positive, .* but got 0.0: make the opt"):
        rate_ratios(SimpleNamespace(param_groups=[{"lr": 0.0}, {"lr": 0.1}]))


def test_rates_are_set_in_place_of_tensors_too() -> None:
    filled: list[float] = []
    tensor = SimpleNamespace(fill_=filled.append)
    optimizer = SimpleNamespace(param_groups=[{"lr": 9.0}, {"lr": tensor}])

    set_rates(optimizer, 0.5, [1.0, 0.5])

    assert optimizer.param_groups == [{"lr": 0.5}, {"lr": tensor}]
    assert filled == [0.25]
