"""The scheduler of torch gives the schedule's rates at every step, and resumes."""

import doctest
import io
from typing import Any

import pytest

from lrtune import Schedule
from lrtune.exceptions import InvalidInputError
from lrtune.schedules.schedule import rate_table
from tests.integrations.frameworks import COSINE, PLATEAU, SCHEDULES

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
hooks = pytest.importorskip("lrtune.integrations.torch")
STEPS, EPOCHS = 3, 6


def make_optimizer(*rates: float) -> Any:
    weights = [torch.zeros(1, requires_grad=True) for _ in rates]
    groups = [{"params": [w], "lr": rate} for w, rate in zip(weights, rates, strict=True)]
    return torch.optim.SGD(groups, lr=9.0)


def trained(optimizer: Any, scheduler: Any, n: int) -> list[list[float]]:
    """Return the rates of all groups at n steps."""
    rates = []
    for _ in range(n):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return rates


def expected(schedule: Schedule, *ratios: float, epochs: int = EPOCHS) -> Any:
    return rate_table([schedule], epochs, STEPS) * ratios


def test_the_examples_run() -> None:
    assert doctest.testmod(hooks).failed == 0


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("initial", [0.3, 7.0])
def test_every_step_has_the_schedules_rate(schedule: Schedule, initial: float) -> None:
    optimizer = make_optimizer(initial, initial / 10, initial * 2)
    scheduler = hooks.follow_schedule(optimizer, schedule, STEPS)
    rates = trained(optimizer, scheduler, STEPS * EPOCHS)

    assert [row[0] for row in rates] == pytest.approx(
        [schedule(step / STEPS) for step in range(STEPS * EPOCHS)], rel=1e-15
    )
    assert rates == pytest.approx(expected(schedule, 1, 0.1, 2), rel=1e-12)


def test_a_rate_in_a_tensor_is_followed_too() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=torch.tensor(5.0))
    tensor = optimizer.param_groups[0]["lr"]
    scheduler = hooks.follow_schedule(optimizer, SCHEDULES["all"], STEPS)
    rates = trained(optimizer, scheduler, STEPS * EPOCHS)

    assert rates == pytest.approx(expected(SCHEDULES["all"], 1), rel=1e-6)
    assert optimizer.param_groups[0]["lr"] is tensor


def test_a_second_schedule_keeps_the_ratios_where_the_first_ended_at_rate_zero() -> None:
    optimizer = make_optimizer(1.0, 0.1)
    hooks.follow_schedule(optimizer, SCHEDULES["warm-up"], STEPS)
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    scheduler = hooks.follow_schedule(optimizer, SCHEDULES["floor"], STEPS)

    rates = trained(optimizer, scheduler, STEPS)

    assert rates == pytest.approx(expected(SCHEDULES["floor"], 1, 0.1, epochs=1))


@pytest.mark.parametrize("optimizer_first", [False, True])
@pytest.mark.parametrize("steps", [4, 9])
def test_a_resumed_training_goes_on_with_the_schedule_it_was_saved_with(
    steps: int, optimizer_first: bool
) -> None:
    schedule, other = SCHEDULES["all"], Schedule(learning_rate_init=0.9)
    optimizer = make_optimizer(5.0, 0.5)
    scheduler = hooks.follow_schedule(optimizer, schedule, STEPS)
    trained(optimizer, scheduler, steps)
    file = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    states = torch.load(file, weights_only=True)

    again = make_optimizer(1.0, 1.0)
    resumed = hooks.follow_schedule(again, other, 1)
    pairs = list(zip([again, resumed], states, strict=True))
    for each, state in pairs if optimizer_first else reversed(pairs):
        each.load_state_dict(state)

    rates = trained(again, resumed, STEPS * EPOCHS - steps)
    assert rates == pytest.approx(expected(schedule, 1, 0.1)[steps:], rel=1e-12)


@pytest.mark.parametrize("steps", [0, -1, 2.5])
def test_steps_per_epoch_must_be_whole_and_positive(steps: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"positive whole number, but got {steps}"):
        hooks.follow_schedule(make_optimizer(0.1), Schedule(**COSINE), steps)


def test_a_schedule_that_follows_losses_is_refused_and_the_optimizer_left_alone() -> None:
    optimizer = make_optimizer(0.1)
    with pytest.raises(InvalidInputError, match="follows the validation loss"):
        hooks.follow_schedule(optimizer, PLATEAU, STEPS)
    assert "initial_lr" not in optimizer.param_groups[0]
