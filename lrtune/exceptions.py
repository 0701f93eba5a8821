"""What lrtune raises and warns of, each derived from the built-in that a caller would expect."""

from __future__ import annotations

__all__ = [
    "DivergenceWarning",
    "InvalidInputError",
    "LrtuneError",
    "LrtuneWarning",
    "NothingCompletedError",
    "RecordConflictError",
    "RecordLostError",
    "RecordWarning",
]


class LrtuneError(Exception):
    """Base of everything that lrtune raises on purpose."""


class InvalidInputError(LrtuneError, ValueError):
    """A value from outside breaks a rule; the message names the value, the rule and the cure."""


class NothingCompletedError(LrtuneError, RuntimeError):
    """A search ended without one completed trial, so there is nothing to recommend."""


class RecordConflictError(LrtuneError, RuntimeError):
    """Another process wrote to the study that a search is writing to."""


class LrtuneWarning(UserWarning):
    """Base of everything that lrtune warns of."""


class DivergenceWarning(LrtuneWarning):
    """A training diverged; the message names the rate, the epoch and the cure."""


class RecordLostError(LrtuneError, RuntimeError):
    """The record can no longer be read or written: deleted, replaced, full, out of reach."""


class RecordWarning(LrtuneWarning):
    """A record was mended; the message says what was lost, and what was kept."""
