"""A stacked step as a recorded list of tensor operations, which spares the time of vmap itself.

``torch.func`` works out the batching of every operation anew at each call. For small models that
takes most of the time, so that a step with the same shapes is recorded once and then replayed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lrtune.tuning.trainers.torch.steps import Tensors

RECORD_AFTER = 50
"""Calls with the same shapes before they are recorded, which takes about as long as these."""
REFUSALS = (RuntimeError, TypeError, ValueError, AttributeError, KeyError, AssertionError)
"""Errors by which torch refuses to batch or to record an operation."""

StepFunction = Callable[[Tensors, Tensors, tuple[Tensor, ...], Tensor], Any]
"""Function of stacked parameters and buffers, which it updates in place, inputs and targets."""


class Recorded:
    """A function that is replayed once it has been called `RECORD_AFTER` times with a key.

    A recording that torch refuses, or that gives other numbers, is not used.
    """

    def __init__(self, function: StepFunction) -> None:
        self.function = function
        self._calls: Counter[Hashable] = Counter()
        self._replays: dict[Hashable, StepFunction | None] = {}

    def __call__(
        self,
        key: Hashable,
        params: Tensors,
        buffers: Tensors,
        inputs: tuple[Tensor, ...],
        target: Tensor,
    ) -> Any:
        """Call it; arguments with the same key have the same shapes."""
        self._calls[key] += 1
        if self._calls[key] > RECORD_AFTER:
            self.record(key, params, buffers, inputs, target)
        replay = self._replays.get(key)
        if replay is None:
            return self.function(params, buffers, inputs, target)
        with torch.no_grad():
            return replay(params, buffers, inputs, target)

    def record(
        self,
        key: Hashable,
        params: Tensors,
        buffers: Tensors,
        inputs: tuple[Tensor, ...],
        target: Tensor,
    ) -> bool:
        """Record the function with arguments that stay as they are; return whether it worked."""
        if key in self._replays:
            return self._replays[key] is not None
        devices = [target.device] if target.device.type == "cuda" else []
        found = []
        replay: StepFunction | None = None
        try:
            with torch.random.fork_rng(devices=devices):
                replay = make_fx(self.function)(params, _copy(buffers), inputs, target)
            for function in (self.function, replay):
                own = _copy(buffers)
                with torch.random.fork_rng(devices=devices), torch.no_grad():
                    found.append((function(params, own, inputs, target), own))
        except REFUSALS:
            replay = None
        if replay is not None and not _equal(*found):
            replay = None
        self._replays[key] = replay
        return replay is not None


def _copy(tensors: Tensors) -> Tensors:
    return {key: each.clone() for key, each in tensors.items()}


def _equal(first: Any, second: Any) -> bool:
    """Return whether nested results are the same, but for rounding."""
    if isinstance(first, Tensor):
        return bool(torch.allclose(first, second, equal_nan=True))
    if isinstance(first, dict):
        return all(_equal(first[key], second[key]) for key in first)
    return all(_equal(one, other) for one, other in zip(first, second, strict=True))
