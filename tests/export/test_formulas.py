"""Formulas: every decay as an expression that gives the schedule's rates."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.export.formulas import (
    ARRAY_DECAYS,
    JAX,
    KERAS,
    PYTHON_DECAYS,
    Formula,
    array_formula,
    number,
    python_formula,
)
from lrtune.schedules.decays import DECAYS

PURE = [name for name, decay in DECAYS.items() if not decay.feedback and name != "constant"]


def test_every_decay_has_both_forms() -> None:
    assert set(PYTHON_DECAYS) == set(ARRAY_DECAYS) == set(PURE)


def evaluate(formula: Formula, **names: Any) -> Any:
    namespace = {"math": math, "jnp": np, **names}
    for line in (*formula.constants, *formula.lines):
        exec(line, namespace)  # noqa: S102
    product = " * ".join(formula.factors) or "1.0"
    return eval(product, namespace)  # noqa: S307


@pytest.mark.parametrize("decay", PURE)
@given(decay_rate=st.floats(1e-3, 2), epoch=st.integers(0, 30))
def test_a_python_formula_gives_the_schedules_rate(
    decay: str, decay_rate: float, epoch: int
) -> None:
    schedule = Schedule(learning_rate_init=0.5, decay=decay, decay_rate=decay_rate, step_size=3)
    factor = evaluate(python_formula(schedule, "epoch"), epoch=epoch)

    assert 0.5 * factor == pytest.approx(schedule(epoch), rel=1e-12)


@pytest.mark.parametrize("decay", [name for name in PURE if name != "compound"])
@given(decay_rate=st.floats(1e-3, 2), step=st.integers(0, 200))
def test_an_array_formula_gives_the_schedules_rate(
    decay: str, decay_rate: float, step: int
) -> None:
    schedule = Schedule(
        learning_rate_init=0.5, decay=decay, decay_rate=decay_rate, warmup_epochs=2, step_size=3
    )
    formula = array_formula(schedule, JAX, 7)
    namespace: dict[str, Any] = {"STEPS_PER_EPOCH": 7, "step": step}
    warmup = min(1.0, step / 14)

    shape = schedule(step // 7) if step // 7 >= 2 else 0.5
    assert 0.5 * evaluate(formula, **namespace) == pytest.approx(warmup * shape, rel=1e-9)


def test_libraries_spell_the_same_formula() -> None:
    schedule = Schedule(learning_rate_init=0.5, decay="exponential", decay_rate=0.1)

    assert array_formula(schedule, KERAS, 7).lines == (
        't = ops.cast(step // STEPS_PER_EPOCH, "float32")',
        "decay = ops.exp(-0.1 * t)",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": "cosine", "decay_rate": 1e-31}, "`decay_rate` must lie between"),
        ({"decay": "compound", "decay_rate": 1e-8}, "`decay_rate` must be at least 1e-07"),
        ({"decay": "linear", "decay_rate": 1e-9}, "a schedule must fit into 2147483647 steps"),
        ({"cycle_epochs": 2.5}, "`cycle_epochs` must be a whole number of epochs"),
        ({"decay": "step", "decay_rate": 0.1, "step_size": 0.5}, "`step_size` must be a whole"),
    ],
)
def test_what_float32_cannot_represent_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        array_formula(Schedule(learning_rate_init=0.5, **options), JAX, 100)


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (2.5, "2.5"), (np.float64(3), "3")])
def test_a_number_of_epochs_is_written_exactly(value: float, text: str) -> None:
    assert number(value) == text
