"""A pruner that stops diverging trials, around any other pruner."""

from __future__ import annotations

import math
import sys
from numbers import Real
from typing import TYPE_CHECKING

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.study import StudyDirection

from lrtune.exceptions import InvalidInputError
from lrtune.training.divergence import DIVERGENCE_FACTOR, has_diverged

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class DivergencePruner(BasePruner):
    """Prune a trial as soon as its reported loss is not finite or has passed a threshold.

    Optuna's own pruners do not stop such trials: comparisons with NaN are false, and
    `MedianPruner` compares a trial's best value so far, which a late blow-up does not change.

    Parameters
    ----------
    wrapped_pruner : optuna.pruners.BasePruner, optional
        Decides on the trials that have not diverged; by default none of them is pruned.
    threshold : float, optional
        Loss above which a trial has diverged; by default ten times the trial's first
        reported loss.

    Raises
    ------
    InvalidInputError
        If `threshold` is not a positive finite number, or if the study maximises.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(pruner=DivergencePruner(optuna.pruners.MedianPruner()))
    >>> trial = study.ask()
    >>> trial.report(1.0, step=0)
    >>> trial.should_prune()
    False
    >>> trial.report(float("nan"), step=1)
    >>> trial.should_prune()
    True
    """

    def __init__(
        self, wrapped_pruner: BasePruner | None = None, *, threshold: float | None = None
    ) -> None:
        if threshold is not None and not (
            isinstance(threshold, Real) and math.isfinite(threshold) and threshold > 0
        ):
            raise InvalidInputError(
                f"`threshold` must be positive and finite, but got {threshold!r}: give the loss "
                "above which a trial has diverged, or leave it out"
            )
        self._wrapped_pruner = wrapped_pruner or NopPruner()
        self._threshold = threshold

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether to stop a trial.

        Parameters
        ----------
        study : optuna.Study
            Must minimise a loss.
        trial : optuna.trial.FrozenTrial
            With the losses reported so far.

        Returns
        -------
        bool

        Raises
        ------
        InvalidInputError
            If the study maximises.
        """
        if study.direction != StudyDirection.MINIMIZE:
            raise InvalidInputError(
                "DivergencePruner needs a study that minimises a loss, but got "
                "`direction='maximize'`: minimise the loss, or leave the pruner out"
            )
        values = trial.intermediate_values
        if values:
            first, last = values[min(values)], values[max(values)]
            if bool(has_diverged(last, self._limit(first))):
                return True
        return self._wrapped_pruner.prune(study, trial)

    def _limit(self, first: float) -> float:
        if self._threshold is not None:
            return self._threshold
        # a first loss that is not finite and positive gives no scale: any finite loss is accepted
        has_scale = math.isfinite(first) and first > 0
        return DIVERGENCE_FACTOR * first if has_scale else sys.float_info.max
