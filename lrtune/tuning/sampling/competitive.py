"""Optuna's competitive pruners by name; Optuna is imported only when one is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

N_STARTUP_TRIALS = 16
"""Trials that run to their end before `median` and `percentile` compare others with them."""


def _median(epochs: int) -> BasePruner:
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=N_STARTUP_TRIALS, n_warmup_steps=epochs // 2)


def _percentile(epochs: int) -> BasePruner:
    from optuna.pruners import PercentilePruner

    return PercentilePruner(75.0, n_startup_trials=N_STARTUP_TRIALS, n_warmup_steps=epochs // 2)


def _successive_halving(epochs: int) -> BasePruner:  # noqa: ARG001
    from optuna.pruners import SuccessiveHalvingPruner

    return SuccessiveHalvingPruner()


def _hyperband(epochs: int) -> BasePruner:
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=1, max_resource=epochs)


PRUNERS: dict[str, Callable[[int], BasePruner | None]] = {
    "none": lambda _: None,
    "median": _median,
    "percentile": _percentile,
    "successive-halving": _successive_halving,
    "hyperband": _hyperband,
}
"""Factories by name; each takes the number of epochs of a trial. A schedule is judged where it
ends and high rates look bad early by design, so `median` and `percentile` wait for half of the
epochs, and `percentile` prunes only the worst quarter."""
