"""A study that several processes work on: who joins, and what is done by one of them alone.

Workers need no coordinator. Each pulls what the others finished, asks for a block of its own (its
number enters the seed) and pushes it; what must happen once is claimed by making a study of a
reserved name, which every Optuna storage does for one process only.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from lrtune.tuning.record.record import Record
from lrtune.tuning.record.trials import SECONDS

__all__ = ["OF_TRIALS", "POLL_SECONDS", "draw_worker", "once", "patience"]

POLL_SECONDS = 0.5
"""How often a process that waits for another looks whether it is done."""


OF_TRIALS = "of_trials"
"""Of how many trials work was done, beside what it gave."""


def draw_worker() -> int:
    """A worker's number: large and random, so that no two are alike."""
    return 1 + secrets.randbelow(2**62)


def patience(trials: Sequence[FrozenTrial]) -> float:
    """Seconds to wait for another process's confirmation before one takes it for dead.

    Confirmation trains at most about four times as much as the search did.
    """
    return 60 + 6 * float(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in trials))


def once(
    record: Record, key: str, work: Callable[[], Mapping[str, Any]], *, of: int, wait: float
) -> Mapping[str, Any]:
    """Do a piece of work in one of the processes that share a study; the others wait for it.

    Parameters
    ----------
    record : Record
    key : str
        The study attribute that holds what the work gives.
    work : callable
        Gives JSON values.
    of : int
        Of how many trials; what was done of fewer of them does not count.
    wait : float
        Seconds after which a process that has claimed the work is taken for dead.

    Returns
    -------
    mapping
        What the work gave, here or elsewhere.

    Raises
    ------
    RecordLostError
        If the record can no longer be used.
    """
    for attempt in itertools.count(1):
        claim = f"{record.name} ({key} of {of} trials, attempt {attempt})"
        try:
            is_first = record.claim(claim)
        except KeyboardInterrupt:  # it may have been made
            record.release(claim)
            raise
        if is_first:
            try:
                done = _done(record, key, of)  # by one that had released its claim already
                if done is None:
                    done = {**work(), OF_TRIALS: of}
                    record.note(key, done)
            finally:
                record.release(claim)
            return done
        deadline = time.monotonic() + wait
        while True:
            is_at_work = record.is_claimed(claim)  # looked at first: what is noted is noted before
            done = _done(record, key, of)
            if done is not None:
                return done
            if not is_at_work or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    raise AssertionError


def _done(record: Record, key: str, of: int) -> Mapping[str, Any] | None:
    """What the work gave, if it was done of so many trials."""
    found: Mapping[str, Any] | None = record.noted(key)
    return found if found is not None and found.get(OF_TRIALS) == of else None
