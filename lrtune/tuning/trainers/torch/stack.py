"""K settings of a module in training as one stacked model (`torch.func`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from lrtune.tuning.trainers.torch.batches import EVALUATION_ROWS, Data
from lrtune.tuning.trainers.torch.recorded import Recorded
from lrtune.tuning.trainers.torch.single import make_module
from lrtune.tuning.trainers.torch.steps import RULES, StackedOptions, State, Tensors, clip
from lrtune.tuning.trainers.torch.trainer import Options, TorchTrainer


@dataclass(frozen=True)
class Member:
    """One training of a stack: the seed of its replicate, and its options."""

    seed: int
    options: Options


class StackedModule:
    """The part that all stacks of a module share: it, and its batched loss and gradient.

    `others` are the further parameters of its settings.
    """

    def __init__(
        self, trainer: TorchTrainer, data: Data, others: Mapping[str, Any], seed: int
    ) -> None:
        self.trainer, self.data, self.others = trainer, data, others
        self.template = make_module(trainer, data, seed, others)
        self.has_recurrence = any(isinstance(each, nn.RNNBase) for each in self.template.modules())
        self.trained = {n for n, p in self.template.named_parameters() if p.requires_grad}
        self.gradients = {
            shared: Recorded(self.batched_gradient(shared, trainer.randomness))
            for shared in (True, False)
        }
        self.losses = {shared: Recorded(self._batched_loss(shared)) for shared in (True, False)}

    def _loss(
        self, params: Tensors, buffers: Tensors, inputs: tuple[Tensor, ...], target: Tensor
    ) -> Tensor:
        output = functional_call(self.template, (params, buffers), inputs)
        loss: Tensor = self.trainer.loss(output, target)
        return loss

    def batched_gradient(self, shared: bool, randomness: str) -> Any:
        """Return the function of K settings' gradients and losses.

        `shared` is true if all have one batch, and false if the batches have a leading K axis.
        """
        rows = None if shared else 0
        return vmap(grad_and_value(self._loss), in_dims=(0, 0, rows, rows), randomness=randomness)

    def _batched_loss(self, shared: bool) -> Any:
        rows = None if shared else 0
        loss = self._loss_in_parts if self.has_recurrence else self._loss
        return vmap(loss, in_dims=(0, 0, rows, rows), randomness=self.trainer.randomness)

    def _loss_in_parts(
        self, params: Tensors, buffers: Tensors, inputs: tuple[Tensor, ...], target: Tensor
    ) -> Tensor:
        """Return the loss by operations that can be batched, which a whole LSTM cannot.

        torch takes an operation apart where a gradient is asked for, here that of a zero.
        """

        def plus(zero: Tensor) -> Tensor:
            return self._loss(params, buffers, inputs, target) + zero

        _, loss = grad_and_value(plus)(torch.zeros((), device=target.device))
        return torch.as_tensor(loss)

    def initial_state(self, seeds: Sequence[int]) -> tuple[Tensors, Tensors]:
        """Return stacked parameters to train, and buffers with the frozen parameters."""
        modules = {
            seed: make_module(self.trainer, self.data, seed, self.others)
            for seed in dict.fromkeys(seeds)
        }
        params, buffers = stack_module_state([modules[seed] for seed in seeds])
        own = {name: each.detach() for name, each in params.items()}
        frozen = {name: each for name, each in own.items() if name not in self.trained}
        return {n: own[n] for n in own if n in self.trained}, {**buffers, **frozen}

    @contextmanager
    def batchable(self) -> Iterator[None]:
        """Let torch take the ways that can be batched, where it has several to one result."""
        fast = torch.backends.mha.get_fastpath_enabled()
        with ExitStack() as until, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")  # it is measured
            if self.data.train.target.device.type == "cpu":
                until.enter_context(sdpa_kernel(SDPBackend.MATH))
            if self.has_recurrence:
                warnings.filterwarnings("ignore", "TF32 acceleration")  # of setting the flags
                until.enter_context(torch.backends.mkldnn.flags(enabled=False))
            torch.backends.mha.set_fastpath_enabled(False)
            try:
                yield
            finally:
                torch.backends.mha.set_fastpath_enabled(fast)


def padded(n: int) -> int:
    """Return the size of a stack of n settings: a power of 2, or three quarters of one.

    So few different sizes have to be recorded as settings leave.

    >>> [padded(n) for n in (1, 3, 5, 7, 9, 13)]
    [1, 3, 6, 8, 12, 16]
    """
    power = 1 << (n - 1).bit_length()
    return 3 * power // 4 if n <= 3 * power // 4 else power


class Stack:
    """Settings in training together; `rows` are the members that its first places hold.

    Places beyond them repeat a member, and are ignored.
    """

    def __init__(self, module: StackedModule, members: Sequence[Member]) -> None:
        self.module, self.members = module, members
        data, trainer = module.data, module.trainer
        self.device = data.train.target.device
        self.rows = list(range(len(members)))
        places = self._places(range(len(members)))
        own = [members[place] for place in places]
        self.params, self.buffers = module.initial_state([each.seed for each in own])
        self.state = State()
        self.shared = len({each.seed for each in members}) == 1
        self.options = self._stacked_options([each.options for each in own])
        self._rule = RULES[trainer.optimizer]
        self.batch_size = members[0].options.batch_size
        self._orders = {each.seed: data.orders(each.seed) for each in members}
        held = [data.split(each.seed)[1] for each in (own[:1] if self.shared else own)]
        self._held_out = torch.from_numpy(np.stack(held)).to(self.device)

    def _places(self, rows: Sequence[int]) -> list[int]:
        return [*rows, *[rows[0]] * (padded(len(rows)) - len(rows))]

    def _stacked_options(self, options: Sequence[Options]) -> StackedOptions:
        like = next(iter(self.params.values()))

        def stacked(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=like.dtype, device=self.device)

        decays = [each.weight_decay for each in options]
        norms = [np.inf if each.clip_norm is None else each.clip_norm for each in options]
        return StackedOptions(
            stacked([each.momentum for each in options]),
            stacked(decays) if any(decays) else None,
            stacked(norms) if min(norms) < np.inf else None,
        )

    @property
    def size(self) -> int:
        """Return the number of places."""
        return int(self.options.momentum.shape[0])

    def keep(self, rows: Sequence[int]) -> None:
        """Drop the members that are not among these; their places go once enough are free."""
        where = {row: place for place, row in enumerate(self.rows)}
        if padded(len(rows)) < self.size or self.rows[: len(rows)] != list(rows):
            index = torch.tensor([where[row] for row in self._places(rows)], device=self.device)
            self.params = {key: each[index] for key, each in self.params.items()}
            self.buffers = {key: each[index] for key, each in self.buffers.items()}
            self.state.keep(index)
            self.options = self.options.keep(index)
            if not self.shared:
                self._held_out = self._held_out[index]
        self.rows = list(rows)

    def train_epoch(self, rates: np.ndarray[Any, Any]) -> None:
        """Train for an epoch at rates ``(steps, members)``."""
        drawn = {seed: next(orders) for seed, orders in self._orders.items()}
        places = self._places(self.rows)
        if self.shared:
            (order,) = drawn.values()
        else:
            order = np.stack([drawn[self.members[place].seed] for place in places])
        index = torch.from_numpy(order).to(self.device)
        like = next(iter(self.params.values()))
        table = torch.from_numpy(rates[:, places]).to(self.device, like.dtype)
        self.module.template.train()
        with self.module.batchable():
            batches = index.split(self.batch_size, dim=-1)
            for rate, batch in zip(table, batches, strict=True):
                self.step(*self.module.data.train.take(batch), rate)

    def step(self, inputs: tuple[Tensor, ...], target: Tensor, rates: Tensor) -> Tensor:
        """Update all settings on a batch at rates ``(size,)``; return their losses before."""
        key = (self.size, *target.shape)
        gradient = self.module.gradients[self.shared]
        grads, losses = gradient(key, self.params, self.buffers, inputs, target)
        with torch.no_grad():
            if self.options.clip_norm is not None:
                grads = clip(grads, self.options.clip_norm)
            self._rule(self.params, grads, self.state, rates, self.options)
        return torch.as_tensor(losses)

    def evaluate(self) -> np.ndarray[Any, Any]:
        """Return the mean losses over the validation rows, by member of `rows`."""
        held_out = self.module.data.held_out
        total = np.zeros(self.size)
        index = self._held_out[0] if self.shared else self._held_out
        batched = self.module.losses[self.shared]
        self.module.template.eval()
        with torch.no_grad(), self.module.batchable():
            for part in index.split(max(EVALUATION_ROWS, self.batch_size), dim=-1):
                inputs, target = held_out.take(part)
                key = (self.size, *target.shape)
                losses = batched(key, self.params, self.buffers, inputs, target)
                total += losses.cpu().double().numpy() * part.shape[-1]
        self.module.template.train()
        return np.asarray(total[: len(self.rows)] / index.shape[-1])

    def state_dict(self, row: int) -> Tensors:
        """Return the state of a member that is in training, as its module would have it."""
        place = self.rows.index(row)
        state = {**self.params, **self.buffers}
        known = self.module.template.state_dict()
        return {name: state[name][place].clone() for name in known if name in state}
