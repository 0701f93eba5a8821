"""The parts of exported source: constants, comments, and the body of a function."""

from typing import Any

import pytest

from lrtune import Schedule
from lrtune.export.formulas import Formula
from lrtune.export.source import assemble, changed, function_body, header, rates


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"learning_rate_init": 0.1}),
        ({"decay_rate": 0.5}, {"learning_rate_init": 0.1}),
        (
            {"decay": "step", "decay_rate": 0.5, "step_size": 3},
            {"learning_rate_init": 0.1, "decay": "step", "decay_rate": 0.5, "step_size": 3},
        ),
    ],
)
def test_the_changed_fields_make_the_same_schedule(
    options: dict[str, Any], expected: dict[str, Any]
) -> None:
    schedule = Schedule(learning_rate_init=0.1, **options)

    assert changed(schedule) == expected
    assert [Schedule(**changed(schedule))(t) for t in range(5)] == [schedule(t) for t in range(5)]


def test_constants_are_those_that_the_schedule_needs() -> None:
    plain = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.1)
    floored = Schedule(learning_rate_init=0.1, min_learning_rate=0.01)

    assert rates(plain) == ["LEARNING_RATE_INIT = 0.1"]
    assert rates(floored, 7) == [
        "LEARNING_RATE_INIT = 0.1",
        "MIN_LEARNING_RATE = 0.01",
        "STEPS_PER_EPOCH = 7",
    ]


def test_a_body_multiplies_factors_under_the_floor() -> None:
    formula = Formula((), ("decay = 0.5 * epoch",), ("decay",))
    floor = "max(MIN, {})"
    plain = Schedule(learning_rate_init=0.1)
    floored = Schedule(learning_rate_init=0.1, min_learning_rate=0.01)

    assert function_body(formula, plain, floor).splitlines() == [
        "    decay = 0.5 * epoch",
        "    return decay",
    ]
    assert function_body(formula, floored, floor, "RATE").splitlines()[-1] == (
        "    return max(MIN, RATE * decay)"
    )
    assert function_body(Formula((), (), ()), plain, floor) == "    return 1.0"


def test_math_is_imported_where_it_is_used() -> None:
    schedule = Schedule(learning_rate_init=0.1)

    assert "import math" in assemble(schedule, None, "import torch", [], "x = math.pi").splitlines()
    assert "import math" not in assemble(schedule, None, "import torch", [], "x = 1").splitlines()


def test_the_header_holds_the_schedule() -> None:
    schedule = Schedule(learning_rate_init=0.1, decay="cosine", decay_rate=0.05)
    last = [line for line in header(schedule, None) if line][-1]

    assert eval(last.removeprefix("# "), {"Schedule": Schedule}) == schedule  # noqa: S307
