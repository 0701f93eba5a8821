"""What a search notes in the record beside its configuration: its plan, and how it ended.

A resumed search must share the configuration of the first; these facts it may change, so they are
study attributes of their own. What is read back may have been written by an older release, or not
at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

import numpy as np

from lrtune.exceptions import NothingCompletedError
from lrtune.tuning.record.record import Record
from lrtune.tuning.trainers.network import Prepared

__all__ = ["ENDING", "ENVIRONMENT", "Ending", "PLAN", "Plan", "noting_failure"]

PLAN = "plan"
"""The study attribute that says what the search set out to do."""
ENDING = "ending"
"""The study attribute that says how it ended; missing while it runs, and if it was killed."""
ENVIRONMENT = "environment"
"""The study attribute that says by which command and versions the study was made."""


@dataclass(frozen=True)
class Plan:
    """What a search set out to do, known before its first trial.

    Attributes
    ----------
    n_trials : int
    confirm : bool
        Whether the best settings were to meet fresh replicates.
    n_validation : int or None
        Validation rows of a replicate.
    naive_loss : float or None
        Validation loss of a prediction that ignores the columns, mean over the replicates.
    default : mapping or None
        The untuned default's parameters as they are drawn; None if the space does not hold it.
    edges : tuple of tuple of (float or None), optional
        The divergence edges that the range was laid around, by replicate; a row for each end of
        what else was searched. None stands for an edge above the rates tested. Empty if the
        range of α₀ was given.
    loss : {"log_loss", "squared_error", ""}
        What is minimised; empty if not known.
    """

    n_trials: int = 0
    confirm: bool = False
    n_validation: int | None = None
    naive_loss: float | None = None
    default: Mapping[str, Any] | None = None
    edges: tuple[tuple[float | None, ...], ...] = ()
    loss: str = ""

    @classmethod
    def made(
        cls,
        prepared: Sequence[Prepared],
        n_trials: int,
        default: Mapping[str, Any] | None,
        edges: Sequence[Sequence[float]],
        *,
        confirm: bool,
    ) -> Self:
        """For a search on replicates made ready; `edges` has NaN for those not met."""
        first, naive = prepared[0], np.mean([replicate.naive_loss for replicate in prepared])
        return cls(
            n_trials=n_trials,
            confirm=confirm,
            n_validation=len(first.validation),
            naive_loss=_finite(float(naive)),
            default=default,
            edges=tuple(tuple(map(_finite, row)) for row in edges),
            loss=first.model._loss,
        )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From what was recorded.

        Examples
        --------
        >>> Plan.of({"n_trials": 64, "edges": [[0.5, None]]}).edges
        ((0.5, None),)
        """
        known = _known(cls, values)
        return cls(**{**known, "edges": tuple(map(tuple, known.get("edges", ())))})

    def keep(self, record: Record | None) -> None:
        """Write it to the study, if there is one."""
        if record is not None:
            record.note(PLAN, asdict(self))


@dataclass(frozen=True)
class Ending:
    """How a search ended.

    Attributes
    ----------
    n_trials : int
        Trials that the study held then.
    confirmed : bool
    warnings : tuple of str
        Of its result.
    seconds : mapping
        Wall time of this run: "search", "confirm" and "total".
    failure : str or None
        Why there is no result.
    """

    n_trials: int = 0
    confirmed: bool = False
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From what was recorded."""
        known = _known(cls, values)
        return cls(**{**known, "warnings": tuple(known.get("warnings", ()))})

    def keep(self, record: Record | None) -> None:
        """Write it to the study, if there is one."""
        if record is not None:
            record.note(ENDING, asdict(self))


@contextmanager
def noting_failure(record: Record | None, trials: Sized) -> Iterator[None]:
    """If nothing completes inside, keep why."""
    try:
        yield
    except NothingCompletedError as error:
        Ending(len(trials), failure=str(error)).keep(record)
        raise


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """What this release has a field for."""
    return {each.name: values[each.name] for each in fields(kind) if each.name in values}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
