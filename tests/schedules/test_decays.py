"""Every decay type is 1 at t = 0, never rises, and is right to the last digit."""

import math
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtune.schedules.decays import DECAYS

OPTIONS = {"step_size": 3.0, "power": 2.5}
FLAT = ["constant", "plateau"]
DECAYING = [name for name in DECAYS if name not in FLAT]
ENDING = ["linear", "polynomial", "cosine"]
DIGITS = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")

rates = st.floats(1e-4, 30)
times = st.floats(0, 300)


def shape(name: str, k: Any, t: Any, **options: float) -> Any:
    own = {} if DECAYS[name].feedback else {n: OPTIONS[n] for n in DECAYS[name].options}
    return DECAYS[name](k, t, **{**own, **options})


# --- every shape ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DECAYS)
def test_a_shape_is_one_at_the_start(name: str) -> None:
    k = np.array([0.0, 1e-9, 0.01, 1.0, 700.0, 1e300])

    assert shape(name, k, 0.0).tolist() == [1.0] * 6


@pytest.mark.parametrize("name", DECAYS)
@given(k=rates, t=st.lists(times, min_size=2, max_size=30).map(sorted))
@settings(deadline=None, max_examples=50)
def test_a_shape_never_rises(name: str, k: float, t: list[float]) -> None:
    values = shape(name, k, t)

    assert np.all(np.diff(values) <= 0)


@pytest.mark.parametrize("name", DECAYS)
@given(k=rates, t=times)
@settings(deadline=None, max_examples=50)
def test_a_shape_stays_between_zero_and_one(name: str, k: float, t: float) -> None:
    assert 0 <= shape(name, k, t) <= 1


@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_rate_of_zero_keeps_the_rate(name: str) -> None:
    assert shape(name, 0.0, [0.0, 0.3, 7.0, 5e4]).tolist() == [1.0] * 4


@pytest.mark.parametrize("name", DECAYING)
def test_more_decay_gives_a_lower_rate(name: str) -> None:
    assert np.all(np.diff(shape(name, [0.0, 0.01, 0.02, 0.04], 4.0)) < 0)


@pytest.mark.parametrize("name", FLAT)
def test_a_flat_shape_is_one_at_all_times(name: str) -> None:
    assert shape(name, 2.0, [0.0, 0.5, 1e300]).tolist() == [1.0] * 3


@pytest.mark.parametrize("name", DECAYING)
def test_a_huge_decay_rate_decays_to_zero_without_a_floating_point_error(name: str) -> None:
    with np.errstate(all="raise"):
        decayed = shape(name, 1e308, 1e3 if name == "compound" else 1e308)

    assert decayed < 2e-308


@pytest.mark.parametrize("name", DECAYS)
def test_settings_broadcast_against_times(name: str) -> None:
    k, t = np.array([0.0, 0.02, 0.3]), np.array([0.0, 0.5, 3.0, 7.25])
    alone = [[float(shape(name, one_k, one_t)) for one_k in k] for one_t in t]

    assert alone == shape(name, k, t[:, np.newaxis]).tolist()


@pytest.mark.parametrize("name", DECAYS)
def test_values_are_float64_for_input_of_any_precision(name: str) -> None:
    values = shape(name, np.float32(0.5), np.arange(3, dtype=np.float32))

    assert np.float64 == values.dtype


# --- the ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDING)
@given(k=rates, past=st.floats(1, 1e6))
@settings(deadline=None, max_examples=50)
def test_past_its_end_a_rate_is_exactly_zero(name: str, k: float, past: float) -> None:
    t = past / k
    if Fraction(k) * Fraction(t) < 1:
        t = math.nextafter(t, math.inf)

    assert shape(name, k, t) == 0


@pytest.mark.parametrize("name", ENDING)
@given(k=rates)
@settings(deadline=None, max_examples=50)
def test_just_before_its_end_a_rate_is_still_positive(name: str, k: float) -> None:
    assert shape(name, k, (1 - 2**-50) / k) > 0


@given(k=rates, n=st.integers(0, 200), step_size=st.sampled_from([0.25, 1.0, 2.5, 5.0, 7.0]))
@settings(deadline=None, max_examples=50)
def test_step_touches_exponential_at_every_drop(k: float, n: int, step_size: float) -> None:
    t = n * step_size

    assert shape("exponential", k, t) == shape("step", k, t, step_size=step_size)


@given(k=rates, n=st.integers(1, 200), step_size=st.sampled_from([1.0, 2.5, 5.0]))
@settings(deadline=None, max_examples=50)
def test_step_holds_the_rate_until_the_next_drop(k: float, n: int, step_size: float) -> None:
    before = math.nextafter(n * step_size, 0)

    held = shape("step", k, before, step_size=step_size)

    assert shape("exponential", k, (n - 1) * step_size) == held


@given(k=rates, t=times)
@settings(deadline=None, max_examples=50)
def test_polynomial_of_power_one_is_linear(k: float, t: float) -> None:
    assert shape("linear", k, t) == shape("polynomial", k, t, power=1.0)


def test_polynomial_takes_a_power_below_one() -> None:
    assert math.sqrt(0.75) == shape("polynomial", 0.25, 1.0, power=0.5)


# --- known answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inverse_time", 0.5),
        ("exponential", math.exp(-1)),
        ("step", math.exp(-0.75)),
        ("inverse_sqrt", math.sqrt(0.5)),
        ("compound", 1 / (1.25 * 1.5 * 1.75 * 2)),
        ("linear", 0.0),
        ("polynomial", 0.0),
        ("cosine", 0.0),
    ],
)
def test_after_one_over_k_epochs(name: str, expected: float) -> None:
    assert expected == pytest.approx(shape(name, 0.25, 4.0), rel=1e-15, abs=0)


def test_half_way_cosine_is_a_half() -> None:
    assert shape("cosine", 0.25, 2.0) == 0.5


def test_inverse_time_decays_slower_than_the_recursion_it_is_confused_with() -> None:
    rates = 0.2 * shape("inverse_time", 0.01, np.arange(1, 6))

    assert rates.round(3).tolist() == [0.198, 0.196, 0.194, 0.192, 0.190]


@given(k=st.floats(0, 3), epochs=st.integers(1, 100))
@settings(deadline=None, max_examples=50)
def test_compound_is_the_recursion(k: float, epochs: int) -> None:
    rate, rates = 0.2, []
    for t in range(1, epochs + 1):
        rate /= 1 + k * t
        rates.append(rate)

    assert rates == pytest.approx(0.2 * shape("compound", k, np.arange(1, epochs + 1)), rel=1e-13)


def test_compound_rates_cut_to_three_decimals_give_the_published_table() -> None:
    rate, rates = Decimal("0.2"), []
    for t in range(1, 6):
        factor = shape("compound", 0.01, t) / shape("compound", 0.01, t - 1)
        rate = (rate * Decimal(float(factor))).quantize(Decimal("0.001"), rounding=ROUND_FLOOR)
        rates.append(float(rate))

    assert rates == [0.198, 0.194, 0.188, 0.180, 0.171]


# --- to the last digit ----------------------------------------------------------------------------


def decimal_cos(x: Decimal) -> Decimal:
    total, term, n = Decimal(1), Decimal(1), 0
    while abs(term) > Decimal(10) ** -DIGITS:
        n += 2
        term *= -x * x / (n * (n - 1))
        total += term
    return total


def decimal_compound(k: Decimal, t: Decimal) -> Decimal:
    product = Decimal(1)
    for i in range(1, int(t) + 1):
        product *= 1 + k * i
    return 1 / product


def decimal_drops(t: Decimal) -> Decimal:
    step_size = Fraction(OPTIONS["step_size"])
    return Decimal(float(step_size)) * math.floor(Fraction(t) / step_size)


REFERENCES: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "constant": lambda *_: Decimal(1),
    "inverse_time": lambda k, t: 1 / (1 + k * t),
    "compound": decimal_compound,
    "exponential": lambda k, t: (-k * t).exp(),
    "step": lambda k, t: (-k * decimal_drops(t)).exp(),
    "inverse_sqrt": lambda k, t: 1 / (1 + k * t).sqrt(),
    "linear": lambda k, t: max(Decimal(0), 1 - k * t),
    "polynomial": lambda k, t: max(Decimal(0), 1 - k * t) ** Decimal(OPTIONS["power"]),
    "cosine": lambda k, t: (1 + decimal_cos(PI * min(Decimal(1), k * t))) / 2,
    "plateau": lambda *_: Decimal(1),
}
precise = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant <= 52, reason="longdouble is no wider than float64 here"
)


def is_right_to_the_last_digit(name: str, k: float, t: float) -> bool:
    with localcontext(prec=DIGITS):
        exact = REFERENCES[name](Decimal(k), Decimal(t))
        error = abs(Decimal(float(shape(name, k, t))) - exact)
        return error <= Decimal(max(math.ulp(float(exact)), 2**-62))


def test_every_decay_type_has_an_exact_reference() -> None:
    assert list(DECAYS) == list(REFERENCES)


@precise
@pytest.mark.parametrize("name", DECAYS)
@given(k=rates, t=times)
@settings(deadline=None, max_examples=80)
def test_a_value_is_right_to_the_last_digit(name: str, k: float, t: float) -> None:
    assert is_right_to_the_last_digit(name, k, t)


@precise
@pytest.mark.parametrize("name", DECAYS)
@given(k=rates, offset=st.integers(-(2**30), 2**30), scale=st.integers(10, 52))
@settings(deadline=None, max_examples=80)
def test_a_value_is_right_to_the_last_digit_around_its_end(
    name: str, k: float, offset: int, scale: int
) -> None:
    t = max(0.0, min(300.0, (1 + offset * 2.0**-30 * 2.0**-scale) / k))

    assert is_right_to_the_last_digit(name, k, t)
