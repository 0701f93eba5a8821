"""The update rules of torch.optim for K stacked settings: pure functions of tensors.

Parameters and gradients are dicts of tensors with a leading K axis; rates and options are ``(K,)``.
Formulas, defaults and the order of operations are torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, zeros_like

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Options of Adam, as torch has them by default."""
CLIP_EPSILON = 1e-6
"""The number that ``clip_grad_norm_`` adds to a norm."""

Tensors = dict[str, Tensor]


@dataclass
class State:
    """Buffers by name and parameter, and the number of updates so far."""

    buffers: dict[str, Tensors] = field(default_factory=dict)
    updates: int = 0

    def of(self, name: str, params: Tensors) -> Tensors:
        """Return a buffer; it begins with zeros."""
        if name not in self.buffers:
            self.buffers[name] = {key: zeros_like(value) for key, value in params.items()}
        return self.buffers[name]

    def keep(self, index: Tensor) -> None:
        """Keep the settings of an index."""
        for buffer in self.buffers.values():
            for key, value in buffer.items():
                buffer[key] = value[index]


@dataclass(frozen=True)
class StackedOptions:
    """Options of K settings, ``(K,)`` each; None where no setting uses one."""

    momentum: Tensor
    weight_decay: Tensor | None
    clip_norm: Tensor | None

    def keep(self, index: Tensor) -> StackedOptions:
        """Return the options of the settings of an index."""
        decay, norm = self.weight_decay, self.clip_norm
        return StackedOptions(
            self.momentum[index],
            None if decay is None else decay[index],
            None if norm is None else norm[index],
        )


def along(values: Tensor, like: Tensor) -> Tensor:
    """Return ``(K,)`` values in a shape that multiplies a stacked tensor setting by setting."""
    return values.view(-1, *[1] * (like.ndim - 1))


def clip(grads: Tensors, norm: Tensor) -> Tensors:
    """Return gradients of at most this norm, over all parameters of a setting."""
    squares = [each.square().reshape(len(each), -1).sum(1) for each in grads.values()]
    total = sum(squares[1:], squares[0]).sqrt()
    factor = (norm / (total + CLIP_EPSILON)).clamp(max=1.0)
    return {key: each * along(factor, each) for key, each in grads.items()}


def _coupled(params: Tensors, grads: Tensors, options: StackedOptions) -> Tensors:
    """Return gradients with those of the L2 penalty."""
    decay = options.weight_decay
    if decay is None:
        return grads
    return {key: each + along(decay, each) * params[key] for key, each in grads.items()}


def sgd(
    params: Tensors, grads: Tensors, state: State, rates: Tensor, options: StackedOptions
) -> None:
    """Step by w ← w - α·g."""
    state.updates += 1
    for key, grad in _coupled(params, grads, options).items():
        params[key].sub_(along(rates, grad) * grad)


def momentum(
    params: Tensors, grads: Tensors, state: State, rates: Tensor, options: StackedOptions
) -> None:
    """Step by v ← μ·v + g; w ← w - α·v."""
    state.updates += 1
    velocity = state.of("velocity", params)
    for key, grad in _coupled(params, grads, options).items():
        velocity[key].mul_(along(options.momentum, grad)).add_(grad)
        params[key].sub_(along(rates, grad) * velocity[key])


def nesterov(
    params: Tensors, grads: Tensors, state: State, rates: Tensor, options: StackedOptions
) -> None:
    """Step by v ← μ·v + g; w ← w - α·(g + μ·v)."""
    state.updates += 1
    velocity = state.of("velocity", params)
    for key, grad in _coupled(params, grads, options).items():
        mu = along(options.momentum, grad)
        velocity[key].mul_(mu).add_(grad)
        params[key].sub_(along(rates, grad) * (grad + mu * velocity[key]))


def _adam(params: Tensors, grads: Tensors, state: State, rates: Tensor) -> None:
    """Step by Algorithm 1 of Kingma and Ba (2015)."""
    state.updates += 1
    first, second = state.of("first", params), state.of("second", params)
    first_bias, second_bias = 1 - BETA_1**state.updates, 1 - BETA_2**state.updates
    for key, grad in grads.items():
        first[key].lerp_(grad, 1 - BETA_1)
        second[key].mul_(BETA_2).addcmul_(grad, grad, value=1 - BETA_2)
        scale = (second[key].sqrt() / second_bias**0.5).add_(EPSILON)
        params[key].sub_(along(rates / first_bias, grad) * first[key] / scale)


def adam(
    params: Tensors, grads: Tensors, state: State, rates: Tensor, options: StackedOptions
) -> None:
    """Step by Adam, with an L2 penalty."""
    _adam(params, _coupled(params, grads, options), state, rates)


def adamw(
    params: Tensors, grads: Tensors, state: State, rates: Tensor, options: StackedOptions
) -> None:
    """Step by Adam after w ← (1 - α·λ)·w."""
    if options.weight_decay is not None:
        shrink = 1 - rates * options.weight_decay
        for each in params.values():
            each.mul_(along(shrink, each))
    _adam(params, grads, state, rates)


Rule = Callable[[Tensors, Tensors, State, Tensor, StackedOptions], None]
RULES: Mapping[str, Rule] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "adamw": adamw,
}
