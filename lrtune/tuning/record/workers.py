"""Work that must happen once in a study that several worker processes share.

Workers need no coordinator. Each pulls the trials that the others finished, asks for its own block
(its worker id enters the seed) and pushes it. Work that must happen once is claimed by creating a
study of a reserved name, which every Optuna storage lets one process do.
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

POLL_SECONDS = 0.5
"""Seconds between checks of a process that waits for another."""
OF_TRIALS = "of_trials"
"""Key of the number of trials in the result of such work."""


def draw_worker() -> int:
    """Draw a random worker id, from a range so large that no two are the same."""
    return 1 + secrets.randbelow(2**62)


def patience(trials: Sequence[FrozenTrial]) -> float:
    """Return the seconds to wait for another process's confirmation before giving up on it.

    A confirmation trains at most about four times as much as its search.
    """
    return 60 + 6 * float(sum(TrialFacts.of(trial).seconds for trial in trials))


def once(
    record: Record, key: str, work: Callable[[], Mapping[str, Any]], *, n_trials: int, wait: float
) -> Mapping[str, Any]:
    """Do work in one of the processes that share a study, and return its result in all of them.

    The result, JSON values, is the study attribute `key`; a result for another number of trials
    does not count. After `wait` seconds another process takes over from the one that claimed it.
    """
    for attempt in itertools.count(1):
        claim = f"{record.name} ({key} of {n_trials} trials, attempt {attempt})"
        try:
            is_first = record.claim(claim)
        except KeyboardInterrupt:  # the claim may have been made before
            record.release(claim)
            raise
        if is_first:
            try:
                # a process that released its claim meanwhile may have written it
                result = _result(record, key, n_trials)
                if result is None:
                    result = {**work(), OF_TRIALS: n_trials}
                    record.write_json(key, result)
            finally:
                record.release(claim)
            return result
        deadline = time.monotonic() + wait
        while True:
            is_claimed = record.is_claimed(claim)  # first, as a result is written before a release
            result = _result(record, key, n_trials)
            if result is not None:
                return result
            if not is_claimed or time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
    raise AssertionError


def _result(record: Record, key: str, n_trials: int) -> Mapping[str, Any] | None:
    """Return the work's result; None if there is none for this number of trials."""
    result: Mapping[str, Any] | None = record.read_json(key)
    return result if result is not None and result.get(OF_TRIALS) == n_trials else None
