"""The update rules are torch's, for every setting of a stack."""

from typing import get_args

import pytest

torch = pytest.importorskip("torch")

from lrtune.tuning.trainers.torch.steps import RULES, StackedOptions, State, clip  # noqa: E402
from lrtune.tuning.trainers.torch.trainer import StackedOptimizer  # noqa: E402
from tests.tuning.trainers.torch.modules import OPTIMIZERS  # noqa: E402

pytestmark = pytest.mark.torch
RATES = torch.tensor([0.1, 0.003, 0.02], dtype=torch.float64)
DECAYS = torch.tensor([0.0, 0.01, 0.3], dtype=torch.float64)
NORMS = torch.tensor([0.5, 3.0, torch.inf], dtype=torch.float64)
SHAPES = {"weight": (4, 3), "bias": (4,), "scale": ()}


def draw(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(3, *shape, generator=generator, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


@pytest.mark.parametrize("name", RULES)
def test_stacked_updates_are_those_of_torch_optim_on_each_setting(name: str) -> None:
    params, state = draw(0), State()
    alone = [
        {key: each[k].clone().requires_grad_() for key, each in params.items()} for k in range(3)
    ]
    optimizers = [
        OPTIMIZERS[name](list(own.values()), weight_decay=float(decay))
        for own, decay in zip(alone, DECAYS, strict=True)
    ]
    options = StackedOptions(torch.full((3,), 0.9, dtype=torch.float64), DECAYS, NORMS)
    for step in range(5):
        grads = draw(step + 1)
        for k, (own, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
            for key, each in own.items():
                each.grad = grads[key][k].clone()
            torch.nn.utils.clip_grad_norm_(own.values(), float(NORMS[k]))
            optimizer.param_groups[0]["lr"] = float(RATES[k])
            optimizer.step()
        RULES[name](params, clip(grads, NORMS), state, RATES, options)

    for k, own in enumerate(alone):
        for key, each in own.items():
            torch.testing.assert_close(params[key][k], each.detach(), rtol=1e-12, atol=1e-12)


def test_the_names_for_type_checkers_are_those_of_the_rules() -> None:
    assert get_args(StackedOptimizer) == tuple(RULES)


def test_a_state_keeps_the_settings_that_go_on() -> None:
    params, grads, state = draw(0), draw(1), State()
    options = StackedOptions(torch.full((3,), 0.9, dtype=torch.float64), DECAYS, None)
    RULES["momentum"](params, grads, state, RATES, options)
    before = state.buffers["velocity"]["weight"].clone()
    index = torch.tensor([2, 0])

    state.keep(index)
    kept = options.keep(index)

    assert torch.equal(state.buffers["velocity"]["weight"], before[[2, 0]])
    assert kept.weight_decay.tolist() == [0.3, 0.0]
    assert kept.clip_norm is None
