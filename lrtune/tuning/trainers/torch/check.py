"""The check before a search that settings can be stacked, and that this is faster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lrtune.exceptions import InvalidInputError
from lrtune.support.numbers import number
from lrtune.tuning.record.schema import LockstepChoice
from lrtune.tuning.trainers.torch.batches import Data
from lrtune.tuning.trainers.torch.recorded import REFUSALS
from lrtune.tuning.trainers.torch.single import Single, make_module, seeded_everywhere
from lrtune.tuning.trainers.torch.stack import Member, Stack, StackedModule
from lrtune.tuning.trainers.torch.steps import Tensors
from lrtune.tuning.trainers.torch.trainer import TorchTrainer

COMPARED_STEPS = 3
"""Steps of two settings that are made both ways."""
STEP_SIZES = (0.01, 0.003)
"""Lengths of their first steps, as shares of the parameters' norm: they must move, and not
diverge."""
TIMED = 8
"""Settings that are stacked to measure the time: those of a block."""
LEAST_GAIN = 1.2
"""Ratio of speeds that lockstep must reach in the timed steps: evaluating and recording come on
top, and a clear ratio gives the same choice when it is measured again."""
ROUNDS, ROUND_SECONDS = 5, 1.0
"""Rounds of timed steps, and seconds after which no further one begins."""
TF32_EPS = 2.0**-10
"""Rounding error of products in TF32, which torch lets convolutions take."""
DOUBLING = 1e-3
"""Relative change of a loss that is a mean, where each row is taken twice."""


def first_batch(data: Data, seed: int, batch_size: int) -> tuple[tuple[Tensor, ...], Tensor]:
    """Return the first batch of a seed's training."""
    order = torch.from_numpy(next(data.orders(seed))[:batch_size])
    return data.train.take(order.to(data.train.target.device))


def require_mean_loss(
    trainer: TorchTrainer, data: Data, seed: int, others: Mapping[str, Any]
) -> None:
    """Raise InvalidInputError unless the loss is a tensor of one number, the mean over the rows."""
    module = make_module(trainer, data, seed, others).eval()
    inputs, target = first_batch(data, seed, trainer.options(others).batch_size)
    with seeded_everywhere(seed, target.device), torch.no_grad():
        output = module(*inputs)
        loss = trainer.loss(output, target)
        if not isinstance(loss, Tensor) or loss.ndim:
            kind = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise InvalidInputError(
                f"`loss` must return a tensor of one number, the mean over the rows, but got {kind}"
                ": take the mean"
            )
        if not isinstance(output, Tensor) or output.shape[:1] != target.shape[:1]:
            return
        twice = trainer.loss(torch.cat([output, output]), torch.cat([target, target]))
    once, twice = float(loss), float(twice)
    if abs(twice - once) > DOUBLING * max(abs(once), abs(twice)):
        raise InvalidInputError(
            f"`loss` must be a mean over the rows, but was {number(once, 4)} for a batch and "
            f"{number(twice, 4)} with each of its rows twice: use `reduction='mean'`"
        )


def choose(stacked: StackedModule, seeds: Sequence[int]) -> LockstepChoice:
    """Return how settings train: as asked for, or else as can be and is faster.

    `seeds` are those of two replicates.

    Raises
    ------
    InvalidInputError
        If lockstep is asked for and impossible.
    """
    asked = stacked.trainer.lockstep
    if asked is False:
        return LockstepChoice(False, "asked for")
    choice = stackable(stacked, seeds)
    if not choice.lockstep and asked:
        raise InvalidInputError(
            f"`lockstep=True` needs a module whose settings can be stacked, but {choice.reason}: "
            "leave it out to train one by one"
        )
    if not choice.lockstep or asked:
        return choice
    with seeded_everywhere(seeds[0], stacked.data.train.target.device):
        together, alone = time_both(stacked, seeds[0])
    gain = alone / together
    reason = (
        f"{TIMED} settings in lockstep are {number(gain, 2)} times as fast as one by one, by a few "
        "timed steps"
    )
    is_faster = gain >= LEAST_GAIN
    if not is_faster:
        reason += f", which is below {LEAST_GAIN}"
    return LockstepChoice(is_faster, reason, choice.is_random)


# --- the same numbers? ----------------------------------------------------------------------------


def stackable(stacked: StackedModule, seeds: Sequence[int]) -> LockstepChoice:
    """Compare the first steps of two settings in lockstep with the same steps one by one.

    The two have different initial weights and batches, and take steps of plain gradient descent.
    Where the module draws random numbers, both ways draw the same ones here.
    """
    trainer, data, others = stacked.trainer, stacked.data, stacked.others
    modules = [make_module(trainer, data, seed, others) for seed in seeds]
    size = trainer.options(others).batch_size
    batches = [first_batch(data, seed, size) for seed in seeds]
    inputs = tuple(torch.stack(parts) for parts in zip(*(b[0] for b in batches), strict=True))
    target = torch.stack([batch[1] for batch in batches])
    is_random = False
    with seeded_everywhere(seeds[0], target.device):
        singles = [
            _descend(trainer, module, batch, share)
            for module, batch, share in zip(modules, batches, STEP_SIZES, strict=True)
        ]
        try:
            with stacked.batchable():
                is_random = _draws(stacked, seeds, inputs, target)
                together = _descend_together(stacked, seeds, inputs, target, singles)
        except REFUSALS as error:
            return LockstepChoice(False, f"torch cannot batch it ({_briefly(error)})", is_random)
    difference = _difference(singles, together)
    if difference:
        return LockstepChoice(False, difference, is_random)
    return LockstepChoice(True, "the same numbers as one by one", is_random)


@dataclass
class _Descent:
    """Losses and gradients of a few steps, the rate, and the buffers afterwards.

    The last loss is that of the module in evaluation mode.
    """

    losses: list[Tensor]
    gradients: list[Tensors]
    rate: float
    buffers: Tensors


def _descend(trainer: TorchTrainer, module: Any, batch: Any, share: float) -> _Descent:
    """Train a module by plain gradient descent on one batch; errors are the user's own."""
    inputs, target = batch
    found = _Descent([], [], 0.0, {})
    trained = {name: each for name, each in module.named_parameters() if each.requires_grad}
    for step in range(COMPARED_STEPS):
        torch.manual_seed(step)
        loss = trainer.loss(module(*inputs), target)
        grads = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        known = {
            name: torch.zeros_like(each) if grad is None else grad
            for (name, each), grad in zip(trained.items(), grads, strict=True)
        }
        if step == 0:
            norm = float(_norm({name: each.detach() for name, each in trained.items()}))
            found.rate = share * norm / max(float(_norm(known)), torch.finfo(loss.dtype).tiny)
        with torch.no_grad():
            for name, each in trained.items():
                each.sub_(found.rate * known[name])
        found.losses.append(loss.detach())
        found.gradients.append(known)
    found.buffers = {name: each.clone() for name, each in module.named_buffers()}
    torch.manual_seed(COMPARED_STEPS)
    with torch.no_grad():
        found.losses.append(trainer.loss(module.eval()(*inputs), target))
    return found


def _draws(
    stacked: StackedModule, seeds: Sequence[int], inputs: tuple[Tensor, ...], target: Tensor
) -> bool:
    """Return whether a training step draws random numbers."""
    params, buffers = stacked.initial_state(seeds)
    try:
        stacked.batched_gradient(False, "error")(params, buffers, inputs, target)
    except RuntimeError as error:
        if "randomness" not in str(error):
            raise
        return True
    return False


def _descend_together(
    stacked: StackedModule,
    seeds: Sequence[int],
    inputs: tuple[Tensor, ...],
    target: Tensor,
    singles: Sequence[_Descent],
) -> _Descent:
    """Make the same steps with both modules stacked."""
    stacked.template.train()
    params, buffers = stacked.initial_state(seeds)
    gradient = stacked.batched_gradient(False, "same")
    found = _Descent([], [], 0.0, buffers)
    for step in range(COMPARED_STEPS):
        torch.manual_seed(step)
        grads, losses = gradient(params, buffers, inputs, target)
        found.losses.append(losses)
        found.gradients.append(grads)
        with torch.no_grad():
            for name, each in params.items():
                for place, single in enumerate(singles):
                    each[place].sub_(single.rate * grads[name][place])
    stacked.template.eval()
    torch.manual_seed(COMPARED_STEPS)
    with torch.no_grad():
        found.losses.append(stacked.losses[False].function(params, buffers, inputs, target))
    return found


def _difference(singles: Sequence[_Descent], together: _Descent) -> str:
    """Return how the numbers differ by more than rounding, in words; "" if they do not."""
    tolerance = _rounding(together.losses[0]) ** 0.5
    for step in range(COMPARED_STEPS):
        for place, single in enumerate(singles):
            own = {name: each[place] for name, each in together.gradients[step].items()}
            far = _distance(single.gradients[step], own)
            if not far <= tolerance:
                return (
                    f"in lockstep the gradient of step {step + 1} differs from that of one by one "
                    f"by {far:.1e} of its size"
                )
    for losses, *alone in zip(together.losses, *(each.losses for each in singles), strict=True):
        for loss, own_loss in zip(losses, alone, strict=True):
            far = _distance({"": own_loss}, {"": loss})
            if not far <= tolerance:
                return (
                    f"in lockstep a loss differs from that of one by one by {far:.1e} of its size"
                )
    for name in singles[0].buffers:
        for place, single in enumerate(singles):
            one, other = single.buffers[name], together.buffers[name][place]
            if not torch.allclose(one.double(), other.double(), rtol=tolerance, atol=tolerance):
                return f"in lockstep the buffer {name!r} differs from that of one by one"
    return ""


def _rounding(loss: Tensor) -> float:
    """Return the relative rounding error of a step's numbers, which on a GPU may be TF32's."""
    eps = float(torch.finfo(loss.dtype).eps)
    is_rough = loss.device.type == "cuda" and loss.dtype == torch.float32
    return max(eps, TF32_EPS) if is_rough else eps


def _distance(one: Tensors, other: Tensors) -> float:
    """Return the norm of a difference, as a share of the first one's."""
    gap = {key: each - other[key] for key, each in one.items()}
    return float(_norm(gap)) / max(float(_norm(one)), _smallest(one))


def _smallest(tensors: Tensors) -> float:
    """Return a size below which differences are rounding."""
    return max(float(torch.finfo(each.dtype).eps) for each in tensors.values())


def _norm(tensors: Tensors) -> Tensor:
    return torch.stack([each.double().square().sum() for each in tensors.values()]).sum().sqrt()


def _briefly(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 120 else f"{text[:120]}…"


# --- faster? --------------------------------------------------------------------------------------


def time_both(stacked: StackedModule, seed: int) -> tuple[float, float]:
    """Return the seconds of a step of one setting in lockstep with others, and alone.

    The steps are recorded first, as those of a search soon are.
    """
    trainer, data, others = stacked.trainer, stacked.data, stacked.others
    options = trainer.options(others)
    single = Single(trainer, data, seed, others)
    stack = Stack(stacked, [Member(seed, options)] * TIMED)
    batch = first_batch(data, seed, options.batch_size)
    rates = torch.zeros(TIMED, dtype=next(iter(stack.params.values())).dtype).to(stack.device)
    stacked.template.train()
    with stacked.batchable():
        key = (stack.size, *batch[1].shape)
        stacked.gradients[True].record(key, stack.params, stack.buffers, *batch)

        def together() -> None:
            stack.step(*batch, rates)

        def alone() -> None:
            for _ in range(TIMED):
                single.step(*batch, 0.0)

        spent: dict[Any, list[float]] = {together: [], alone: []}
        begun = time.perf_counter()
        for number_of_round in range(ROUNDS + 1):
            for run, seconds in spent.items():
                seconds.append(_seconds(run, stack.device))
            if number_of_round and time.perf_counter() - begun > ROUND_SECONDS:
                break
    return min(spent[together][1:]) / TIMED, min(spent[alone][1:]) / TIMED


def _seconds(run: Any, device: torch.device) -> float:
    begun = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
