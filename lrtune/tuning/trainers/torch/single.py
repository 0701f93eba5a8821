"""One training by an ordinary torch loop: what settings go back to that cannot be stacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lrtune.exceptions import InvalidInputError
from lrtune.schedules.plateau import Plateau
from lrtune.schedules.schedule import Schedule, epoch_rates
from lrtune.tuning.trainers.torch.batches import EVALUATION_ROWS, Data, steps_per_epoch
from lrtune.tuning.trainers.torch.trainer import Options, TorchTrainer
from lrtune.tuning.trainers.training_run import function_name, seeded


@contextmanager
def seeded_everywhere(seed: int, device: torch.device) -> Iterator[None]:
    """Seed all random generators, those of the device too; restore them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), seeded(seed):
        yield


def make_module(trainer: TorchTrainer, data: Data, seed: int, others: Mapping[str, Any]) -> Any:
    """Return an untrained module with the initial weights of a seed, on the rows' device.

    Raises
    ------
    InvalidInputError
        If `make_module` returns no module, or one without parameters to train.
    """
    first = data.train.target
    with seeded_everywhere(seed, first.device):
        module = trainer.make_module(**trainer.module_parameters(others))
        if not isinstance(module, nn.Module):
            raise InvalidInputError(
                f"`make_module` must return a new torch.nn.Module, but got {type(module).__name__}"
            )
        module = module.to(first.device, precision(trainer))
        if any(is_lazy(each) for each in module.parameters()):
            inputs, _ = data.train.take(torch.arange(min(2, len(data.train)), device=first.device))
            with torch.no_grad():
                module.eval()(*inputs)  # lazy layers take their shapes, and draw their weights
    if not any(each.requires_grad for each in module.parameters()):
        raise InvalidInputError(
            "`make_module` must return a module with parameters to train, but all of "
            f"{type(module).__name__}'s are frozen, or it has none"
        )
    return module.train()


def precision(trainer: TorchTrainer) -> torch.dtype:
    """Return the precision of modules and rows."""
    dtype: torch.dtype = torch.get_default_dtype() if trainer.dtype is None else trainer.dtype
    return dtype


def make_optimizer(name: str, module: Any, options: Options) -> torch.optim.Optimizer:
    """Return the optimizer of torch; its rate is set at every step."""
    parameters = [each for each in module.parameters() if each.requires_grad]
    decay = options.weight_decay
    if name == "adam":
        return torch.optim.Adam(parameters, lr=0.0, weight_decay=decay)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=0.0, weight_decay=decay)
    has_velocity = name != "sgd"
    return torch.optim.SGD(
        parameters,
        lr=0.0,
        momentum=options.momentum if has_velocity else 0.0,
        nesterov=name == "nesterov" and options.momentum > 0,
        weight_decay=decay,
    )


class Single:
    """One module in training."""

    def __init__(
        self, trainer: TorchTrainer, data: Data, seed: int, others: Mapping[str, Any]
    ) -> None:
        self.trainer, self.data, self.seed = trainer, data, seed
        self.options = trainer.options(others)
        self.module = make_module(trainer, data, seed, others)
        self.optimizer = make_optimizer(trainer.optimizer, self.module, self.options)

    def step(self, inputs: tuple[Tensor, ...], target: Tensor, rate: float) -> Tensor:
        """Update the module on a batch; return its loss before."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss: Tensor = self.trainer.loss(self.module(*inputs), target)
        loss.backward()
        if self.options.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.options.clip_norm)
        self.optimizer.step()
        return loss

    def evaluate(self) -> float:
        """Return the mean loss over the validation rows."""
        held_out = self.data.held_out
        _, rows = self.data.split(self.seed)
        index = torch.from_numpy(rows).to(held_out.target.device)
        total = 0.0
        self.module.eval()
        with torch.no_grad():
            for part in index.split(max(EVALUATION_ROWS, self.options.batch_size)):
                inputs, target = held_out.take(part)
                total += float(self.trainer.loss(self.module(*inputs), target)) * len(part)
        self.module.train()
        return total / len(rows)

    def train(self, schedule: Schedule, epochs: int) -> Iterator[float]:
        """Train, and yield the validation loss after each epoch."""
        plateau = Plateau([schedule])
        n_steps = steps_per_epoch(self.data.n_train, self.options.batch_size)
        orders = self.data.orders(self.seed)
        device = self.data.train.target.device
        for table in epoch_rates([schedule], range(epochs), n_steps):
            rates = (plateau.apply(table) if plateau.active else table)[:, 0].tolist()
            order = torch.from_numpy(next(orders)).to(device)
            for rate, part in zip(rates, order.split(self.options.batch_size), strict=True):
                self.step(*self.data.train.take(part), rate)
            loss = self.evaluate()
            plateau.update(np.array([loss]))
            yield loss


@dataclass(frozen=True)
class SingleTraining:
    """A training as a function that yields the validation loss once per epoch."""

    trainer: TorchTrainer
    data: Data
    epochs: int

    @property
    def __name__(self) -> str:
        return function_name(self.trainer.make_module)

    def __call__(self, schedule: Schedule, seed: int, **others: Any) -> Iterator[float]:
        """Train a new module."""
        return Single(self.trainer, self.data, seed, others).train(schedule, self.epochs)
