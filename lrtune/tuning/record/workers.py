"""A study that several processes work on, and the work that one of them does for all.

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
from lrtune.tuning.record.schema import TrialFacts

__all__ = ["OF_TRIALS", "POLL_SECONDS", "draw_worker", "once", "patience"]

POLL_SECONDS = 0.5
"""How often a process that waits for another looks whether it is done."""
OF_TRIALS = "of_trials"
"""Key of the number of trials that the work was done on, beside its result."""


def draw_worker() -> int:
    """Draw a worker id: large and random, so that no two are alike."""
    return 1 + secrets.randbelow(2**62)


def patience(trials: Sequence[FrozenTrial]) -> float:
    """Return the seconds to wait for another process's confirmation before it is given up.

    Confirmation trains at most about four times as much as the search did.
    """
    return 60 + 6 * float(sum(TrialFacts.of(trial).seconds for trial in trials))


def once(
    record: Record, key: str, work: Callable[[], Mapping[str, Any]], *, n_trials: int, wait: float
) -> Mapping[str, Any]:
    """Do a piece of work in one of the processes that share a study; the others wait for it.

    `key` names the study attribute that holds the work's result, JSON values; a result of other
    than `n_trials` trials does not count. A process that has claimed the work is given up after
    `wait` seconds.
    """
    for attempt in itertools.count(1):
        claim = f"{record.name} ({key} of {n_trials} trials, attempt {attempt})"
        try:
            is_first = record.claim(claim)
        except KeyboardInterrupt:  # it may have been made
            record.release(claim)
            raise
        if is_first:
            try:
                result = _result(record, key, n_trials)  # of a process that released its claim
                if result is None:
                    result = {**work(), OF_TRIALS: n_trials}
                    record.write_json(key, result)
            finally:
                record.release(claim)
            return result
        deadline = time.monotonic() + wait
        while True:
            is_claimed = record.is_claimed(claim)  # first: a result is written before the release
            result = _result(record, key, n_trials)
            if result is not None:
                return result
            if not is_claimed or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    raise AssertionError


def _result(record: Record, key: str, n_trials: int) -> Mapping[str, Any] | None:
    """Return the work's result, if it was done on so many trials."""
    result: Mapping[str, Any] | None = record.read_json(key)
    return result if result is not None and result.get(OF_TRIALS) == n_trials else None
