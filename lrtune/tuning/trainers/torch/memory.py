"""The number of settings that fit into the memory at hand."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from lrtune.tuning.trainers.torch.stack import StackedModule

MOST_STACKED = 128
"""Most settings that are stacked, however much memory there is: beyond it little is gained."""
MEMORY_SHARE = 0.5
"""Share of the free memory that a stack may take."""
COPIES = 6
"""Copies of the parameters: themselves, gradients, the optimizer's two buffers, and two for what a
step computes on the way."""


def settings_at_once(module: StackedModule, batch_size: int) -> int:
    """Return how many settings of a module can be stacked, at least 1."""
    free = free_bytes(module.data.train.target.device)
    if free is None:
        return MOST_STACKED
    fitting = int(MEMORY_SHARE * free / bytes_of_setting(module, batch_size))
    return min(MOST_STACKED, max(1, fitting))


def bytes_of_setting(module: StackedModule, batch_size: int) -> int:
    """Return the memory of one setting: parameters, and what a step keeps for its gradient."""
    data = module.data
    n_rows = min(batch_size, data.n_train)
    inputs, target = data.train.take(torch.arange(n_rows, device=data.train.target.device))
    kept: dict[int, int] = {}
    own = {each.data_ptr() for each in module.template.parameters()}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = int(storage.nbytes())
        return tensor

    template: nn.Module = module.template
    before = {name: each.clone() for name, each in template.named_buffers()}
    with (
        torch.random.fork_rng(devices=[]),
        torch.autograd.graph.saved_tensors_hooks(count, lambda each: each),
    ):
        loss = module.trainer.loss(template(*inputs), target)
    with torch.no_grad():
        for name, each in template.named_buffers():
            each.copy_(before[name])
    del loss
    parameters = sum(int(each.nbytes) for each in template.parameters())
    rows = sum(int(each.nbytes) for each in (*inputs, target))
    return COPIES * parameters + 2 * sum(kept.values()) + rows


def free_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device; None where it cannot be told."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
    return 1024 * int(kilobytes[0]) if device.type == "cpu" and kilobytes else None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )
