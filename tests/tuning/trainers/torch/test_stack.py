"""A stack keeps the state of each of its settings."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lrtune.tuning.trainers.torch.stack import (  # noqa: E402
    Member,
    Stack,
    StackedModule,
    padded,
)
from tests.tuning.trainers.torch.modules import cnn, lockstep, make_trainer  # noqa: E402

pytestmark = pytest.mark.torch


def make(n: int, seeds: tuple[int, ...] = (1,)) -> Stack:
    trainer = make_trainer(cnn)
    module = StackedModule(trainer, lockstep(trainer).data, {}, 1)
    options = trainer.options({})
    return Stack(module, [Member(seeds[k % len(seeds)], options) for k in range(n)])


def test_sizes_are_few() -> None:
    sizes = [padded(n) for n in range(1, 129)]

    assert all(n <= size <= 1.5 * n for n, size in enumerate(sizes, 1))
    assert len(set(sizes)) == 14


def test_settings_share_initial_weights_and_batches_and_differ_by_their_rates() -> None:
    stack = make(3)
    state = stack.state_dict(2)
    stack.train_epoch(np.tile([0.0, 0.1, 0.1], (3, 1)))

    assert torch.equal(stack.state_dict(0)["1.weight"], state["1.weight"])
    for name, each in stack.state_dict(1).items():
        assert torch.equal(each, stack.state_dict(2)[name])
    assert not torch.equal(stack.state_dict(1)["1.weight"], state["1.weight"])
    first, second, third = stack.evaluate()
    assert first > second == third


def test_a_state_loads_into_the_module_and_has_its_buffers() -> None:
    stack = make(2, seeds=(1, 2))
    stack.train_epoch(np.full((3, 2), 0.1))
    module = cnn().double()
    module.load_state_dict(stack.state_dict(1))
    data = stack.module.data
    _, held_out = data.split(2)
    X, y = data.train.take(torch.from_numpy(held_out))
    loss = stack.module.trainer.loss(module.eval()(*X), y)

    assert module[2].num_batches_tracked == 3
    assert float(loss.detach()) == pytest.approx(stack.evaluate()[1], rel=1e-12)


@pytest.mark.parametrize("kept", [[0, 2, 3, 4], [1, 4], [3], [4, 1]])
def test_those_that_stay_go_on_as_before(kept: list[int]) -> None:
    whole, smaller = make(5, seeds=(1, 2)), make(5, seeds=(1, 2))
    rates = np.tile([0.1, 0.2, 0.05, 0.01, 0.3], (3, 1))
    for stack in (whole, smaller):
        stack.train_epoch(rates)
    smaller.keep(kept)
    for stack in (whole, smaller):
        stack.train_epoch(rates)

    assert smaller.size == padded(len(kept))
    assert smaller.evaluate().tolist() == pytest.approx(whole.evaluate()[kept], rel=1e-12)
