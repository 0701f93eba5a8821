"""Exceptions and warnings of lrtune, each derived from the built-in that a caller would expect."""

from __future__ import annotations


class LrtuneError(Exception):
    """Base of all exceptions that lrtune raises on purpose."""


class InvalidInputError(LrtuneError, ValueError):
    """An input breaks a rule; the message names the value, the rule and the cure."""


class Halted(LrtuneError):  # noqa: N818 -- it is no error
    """Raised by `report` when a training is to stop: let it pass."""


class NothingCompletedError(LrtuneError, RuntimeError):
    """A search ended without a completed trial, so there is nothing to recommend."""


class RecordConflictError(LrtuneError, RuntimeError):
    """Another process wrote to the study that a search is writing to."""


class RecordLostError(LrtuneError, RuntimeError):
    """The record cannot be read or written: it was deleted or replaced, or is out of reach."""


class WorkersLostError(LrtuneError, RuntimeError):
    """A training ended all workers of a cluster that it was tried on; it counts as not done."""


class LrtuneWarning(UserWarning):
    """Base of all warnings that lrtune gives."""


class DivergenceWarning(LrtuneWarning):
    """A training diverged; the message names the rate, the epoch and the cure."""


class RecordWarning(LrtuneWarning):
    """A record was repaired; the message says what was lost and what was kept."""
