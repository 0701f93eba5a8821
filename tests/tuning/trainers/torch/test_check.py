"""What cannot be stacked is found out by the first steps, and so is what is faster."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from lrtune.exceptions import InvalidInputError  # noqa: E402
from lrtune.tuning.record.schema import LockstepChoice  # noqa: E402
from lrtune.tuning.trainers.torch import check  # noqa: E402
from lrtune.tuning.trainers.torch.check import (  # noqa: E402
    choose,
    require_mean_loss,
    stackable,
)
from lrtune.tuning.trainers.torch.stack import StackedModule  # noqa: E402
from tests.tuning.trainers.torch.modules import (  # noqa: E402
    MODULES,
    Branching,
    Forgetful,
    cross_entropy,
    dropping,
    lockstep,
    make_trainer,
    mlp,
    nn,
)

pytestmark = pytest.mark.torch
SEEDS = [1, 2]


def stacked(make: Any, **options: Any) -> StackedModule:
    trainer = make_trainer(make, **options)
    return StackedModule(trainer, lockstep(trainer).data, {}, SEEDS[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "name", ["mlp", *(pytest.param(n, marks=pytest.mark.slow) for n in MODULES if n != "mlp")]
)
def test_these_can_be_stacked(name: str, dtype: Any) -> None:
    assert stackable(stacked(MODULES[name], dtype=dtype), SEEDS) == LockstepChoice(
        True, "the same numbers as one by one"
    )


def test_what_draws_random_numbers_is_compared_with_the_same_draws() -> None:
    choice = stackable(stacked(dropping), SEEDS)

    assert choice.lockstep
    assert choice.is_random


def apart() -> Any:
    """Return a module with a tensor of its own that is no buffer, and random."""
    model = mlp()
    offset = torch.randn(3, dtype=torch.float64)
    model.register_forward_hook(lambda _module, _inputs, output: output + offset)
    return model


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Branching, "torch cannot batch it"),
        (Forgetful, "differs from that of one by one by"),
        (apart, "differs from that of one by one by"),
        (lambda: nn.Sequential(mlp(), nn.RReLU()), "rrelu"),
    ],
)
def test_these_cannot(make: Any, reason: str) -> None:
    choice = stackable(stacked(make), SEEDS)

    assert not choice.lockstep
    assert reason in choice.reason


def test_an_error_of_the_users_own_is_raised_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        stackable(stacked(lambda: nn.Linear(5, 3)), SEEDS)


@pytest.mark.parametrize(("together", "faster"), [(0.5, True), (1.0, False)])
def test_the_faster_way_is_taken(
    together: float, faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "time_both", lambda *_: (together, 1.0))
    choice = choose(stacked(mlp, lockstep=None), SEEDS)

    assert choice.lockstep is faster
    assert choice.reason == (
        f"8 settings in lockstep are {1 / together:g} times as fast as one by one, by a few timed "
        f"steps{'' if faster else ', which is below 1.2'}"
    )
    assert choose(stacked(mlp, lockstep=True), SEEDS).lockstep


def test_both_ways_are_timed() -> None:
    together, alone = check.time_both(stacked(mlp), 1)

    assert together > 0
    assert alone > 0


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda o, y: cross_entropy(o, y, reduction="sum"),
            "must be a mean over the rows, but was",
        ),
        (lambda o, y: cross_entropy(o, y, reduction="none"), r"of one number.*but got \(32,\)"),
        (lambda _, y: len(y) / 2.0, "of one number.*but got float"),
    ],
)
def test_the_loss_must_be_a_mean_over_the_rows(loss: Any, message: str) -> None:
    trainer = make_trainer(loss=loss)
    with pytest.raises(InvalidInputError, match=message):
        require_mean_loss(trainer, lockstep(trainer).data, 1, {})
