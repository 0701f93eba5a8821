"""The time that is left of a search, told in trainings."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

MARGIN = 1.2
"""Factor of the seconds of the trainings so far that further ones are taken to need."""


@dataclass
class Clock:
    """Tells how many trainings would end before a deadline, by the seconds that others took.

    Attributes
    ----------
    deadline : float
        Time of ``time.monotonic()``.
    least : float
        Seconds that a training is taken to need even if those that are counted took less.
    longest : float
        Seconds that the longest of them took, those that end together as one.
    has_refused : bool
        Whether trainings were refused, so that the time limit cut something short.
    """

    deadline: float = math.inf
    least: float = 0.0
    longest: float = 0.0
    has_refused: bool = False
    _seconds: float = 0.0
    _trainings: float = 0.0

    def count(self, trainings: float, seconds: float) -> None:
        """Count trainings that took so many seconds together; one that stopped early is a part."""
        self.longest = max(self.longest, seconds)
        self._trainings += trainings
        self._seconds += seconds

    @property
    def each(self) -> float:
        """Return the wall time of a training, in seconds; 0 if it is not known."""
        mean = self._seconds / self._trainings if self._trainings else 0.0
        return max(self.least, mean)

    def fitting(self) -> float:
        """Return how many trainings would end before the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return 0.0
        return left / (self.each * MARGIN) if self.each else math.inf

    def allows(self, trainings: float) -> bool:
        """Return whether so many trainings would end before the deadline; note a refusal."""
        if trainings <= self.fitting():
            return True
        self.has_refused = True
        return False
