"""Numbers as reports print them."""

import math

import pytest

from lrtune.support.numbers import estimate, number


@pytest.mark.parametrize("value", [1e-9, 0.0123456, 1.5, 1234.5, 999999.0, 1e6, 3e20])
@pytest.mark.parametrize("digits", [2, 3, 4])
def test_a_number_keeps_its_significant_digits(value: float, digits: int) -> None:
    assert float(number(value, digits)) == pytest.approx(value, rel=0.5 * 10 ** (1 - digits))


@pytest.mark.parametrize("value", [1e-4, 0.1, 12.3, 1234.0, 987654.0])
def test_a_number_below_a_million_has_no_exponent(value: float) -> None:
    assert "e" not in number(value)


def test_numbers_that_are_not_finite_are_printed() -> None:
    assert number(math.inf) == "inf"
    assert number(math.nan) == "nan"


def test_an_estimate_has_its_error_if_there_is_one() -> None:
    assert estimate(12.3456, 0.789) == "12.35 ± 0.79"
    assert estimate(12.3456, None) == "12.35"
    assert estimate(None, 1.0) == "diverged"
