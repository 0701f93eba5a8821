"""A torch module to be tuned, and how it is trained: `TorchTrainer`. torch itself is not loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, Literal, get_args

from lrtune.exceptions import InvalidInputError

StackedOptimizer = Literal["sgd", "momentum", "nesterov", "adam", "adamw"]
"""Optimizers of a `TorchTrainer`."""
OPTIONS = ("batch_size", "momentum", "weight_decay", "clip_norm")
"""Options that a space may name, beside the parameters of `make_module`."""
DECOUPLED = 0.01
"""Weight decay of AdamW if none is given, as in torch."""


@dataclass(frozen=True)
class Options:
    """The options of a training, as a setting has them."""

    batch_size: int
    momentum: float
    weight_decay: float
    clip_norm: float | None


@dataclass(frozen=True)
class TorchTrainer:
    """A torch module whose settings `lrtune.search` trains many at once, in lockstep.

    All settings of a block train as one stacked model (``torch.func``): on a CPU or a GPU that one
    small training leaves idle, each then takes a fraction of its time. Before the search a few
    steps are made both ways. If they differ by more than rounding, if the module cannot be
    stacked, or if stacking is hardly faster, settings train one by one, with a warning that says
    why.

    Parameters
    ----------
    make_module : callable
        Function that returns a new, untrained ``torch.nn.Module``; a class of modules will do.
        torch, NumPy and Python's ``random`` are seeded when it is called. Parameters that the
        space names arrive by name; settings with equal ones are stacked together.
    loss : callable
        Function of the module's output and the targets that returns their mean loss over the rows,
        a tensor of one number, such as ``torch.nn.functional.cross_entropy``.
    train : (X, y) or Dataset
        Training rows: tensors or arrays of n rows each, or a map-style dataset of pairs, which is
        read once. X may be a tuple of inputs. They are kept on the device. Integer targets become
        int64; floating-point numbers get `dtype`.
    validation : (X, y) or Dataset, optional
        Rows to take the validation loss of. By default each replicate holds out a quarter of
        `train`, drawn at random.
    batch_size : int, default=32
        Rows of a step; the last batch of an epoch may have fewer.
    optimizer : {"sgd", "momentum", "nesterov", "adam", "adamw"}, default="sgd"
        The updates are those of ``torch.optim``.
    momentum : float, default=0.9
        Of "momentum" and "nesterov".
    weight_decay : float, optional
        As in ``torch.optim``; 0.01 for "adamw" and 0 for the others if it is not given.
    clip_norm : float, optional
        Largest norm of a setting's gradient (``clip_grad_norm_``).
    device : str or torch.device, optional
        By default the CPU.
    dtype : torch.dtype, optional
        Of the module and of floating-point rows; torch's default if it is not given.
    lockstep : bool, optional
        True to raise an error where settings cannot be stacked, and not to ask what is faster;
        False to train one by one. By default it is found out.
    max_stacked : int, optional
        Most settings that are stacked at once. By default as many as about half of the free memory
        holds, and at most 128; fewer are tried where memory runs out.
    randomness : {"same", "different"}, default="same"
        Whether dropout, and what else the module draws, is the same for all settings on a
        replicate, as initial weights and batches are and as it is one by one; or different for
        each stacked setting, whose losses then differ from those of one by one.

    Raises
    ------
    InvalidInputError
        If an argument breaks a rule; what can only be seen in the data or by a step is checked when
        a search begins.

    See Also
    --------
    search : Takes it as `train`. A space may name `batch_size`, `momentum`, `weight_decay`,
        `clip_norm` and parameters of `make_module`. The result's ``module()`` returns a trained
        module.

    Notes
    -----
    A seed decides all that is random about a training: the split, the initial weights, the order
    of the rows and what the module draws. The numbers of both ways are equal up to rounding, but
    not to the last bit, and the choice is by measured time: it is recorded, a resumed search keeps
    it, and `lockstep` fixes it where a search must give the same trials to the last bit.

    What settings share as one Python object, such as a counter that ``forward`` increments, is
    told apart only if it shows in the first steps.

    Examples
    --------
    >>> import torch, lrtune
    >>> X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> y = (X[:, 0] > X[:, 1]).long()
    >>> def network():
    ...     return torch.nn.Sequential(
    ...         torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.ReLU(),
    ...         torch.nn.Linear(16, 2),
    ...     )
    >>> trainer = lrtune.TorchTrainer(network, torch.nn.functional.cross_entropy, train=(X, y))
    >>> result = lrtune.search(trainer, epochs=3, trainings=12, storage=None)
    >>> module = result.module()
    >>> torch.nn.functional.cross_entropy(module(X), y).item() < 0.4
    True
    """

    make_module: Callable[..., Any]
    loss: Callable[[Any, Any], Any]
    train: Any
    validation: Any = None
    batch_size: int = 32
    optimizer: StackedOptimizer = "sgd"
    momentum: float = 0.9
    weight_decay: float | None = None
    clip_norm: float | None = None
    device: Any = None
    dtype: Any = None
    lockstep: bool | None = None
    max_stacked: int | None = None
    randomness: Literal["same", "different"] = "same"

    def __post_init__(self) -> None:
        for name in ("make_module", "loss"):
            if not callable(getattr(self, name)):
                raise InvalidInputError(
                    f"`{name}` must be a function, but got {getattr(self, name)!r}"
                    + (": wrap the module's making in a `def`" if name == "make_module" else "")
                )
        if self.optimizer not in get_args(StackedOptimizer):
            raise InvalidInputError(
                f"`optimizer` must be one of {', '.join(get_args(StackedOptimizer))}, but got "
                f"{self.optimizer!r}"
            )
        if self.randomness not in ("same", "different"):
            raise InvalidInputError(
                f"`randomness` must be 'same' or 'different', but got {self.randomness!r}"
            )
        if self.lockstep not in (None, True, False):
            raise InvalidInputError(
                f"`lockstep` must be True, False or None, but got {self.lockstep!r}"
            )
        if self.max_stacked is not None:
            require_whole("max_stacked", self.max_stacked)
        self.options({})

    def options(self, others: Mapping[str, Any]) -> Options:
        """Return the options of a setting with these further parameters."""
        own = {name: others.get(name, getattr(self, name)) for name in OPTIONS}
        require_whole("batch_size", own["batch_size"])
        if own["weight_decay"] is None:
            own["weight_decay"] = DECOUPLED if self.optimizer == "adamw" else 0.0
        _require_number("weight_decay", own["weight_decay"], at_most=math.inf)
        _require_number("momentum", own["momentum"], at_most=1.0)
        if own["clip_norm"] is not None:
            _require_number("clip_norm", own["clip_norm"], at_most=math.inf)
            if own["clip_norm"] == 0:
                raise InvalidInputError(
                    "`clip_norm` must be above 0, but got 0: leave it out to clip nothing"
                )
        return Options(**own)

    def module_parameters(self, others: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of a setting's further parameters that `make_module` gets."""
        return {name: value for name, value in others.items() if name not in OPTIONS}

    def defaults(self) -> dict[str, Any]:
        """Return the values of parameters that have one: the options', and `make_module`'s own."""
        own = {
            name: each.default
            for name, each in signature(self.make_module).parameters.items()
            if each.default is not Parameter.empty
        }
        options = self.options({})
        return {**own, **{each.name: getattr(options, each.name) for each in fields(options)}}

    def require_parameters(self, names: list[str]) -> None:
        """Raise InvalidInputError unless `make_module` takes the parameters with these names."""
        own = [name for name in names if name not in OPTIONS]
        if "momentum" in names and self.optimizer not in ("momentum", "nesterov"):
            raise InvalidInputError(
                "`space` may name 'momentum' with the optimizers momentum and nesterov, but got "
                f"{self.optimizer!r}, which has none: leave it out"
            )
        try:
            signature(self.make_module).bind(**dict.fromkeys(own))
        except TypeError as error:
            raise InvalidInputError(
                f"`make_module` must take ({', '.join(own)}), but got "
                f"{self.make_module!r} ({error}): change its parameters, or name in `space` those "
                f"that it has, or {', '.join(OPTIONS)}"
            ) from error

    def alone(self) -> TorchTrainer:
        """Return a trainer that trains one setting after the other."""
        return replace(self, lockstep=False)


def require_whole(name: str, value: Any) -> None:
    """Raise InvalidInputError unless a parameter is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InvalidInputError(f"`{name}` must be a whole number of at least 1, but got {value!r}")


def _require_number(name: str, value: Any, *, at_most: float) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value < at_most:
        rule = "at least 0 and finite" if math.isinf(at_most) else f"in [0, {at_most:g})"
        raise InvalidInputError(f"`{name}` must be a number {rule}, but got {value!r}")
