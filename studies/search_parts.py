"""What a search is made of, and how fast it could be if training took its products alone.

The search runs once with a watch around its functions; then its training steps are made again:
their matrix products alone, and all of their NumPy calls (`step_parts`).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from step_parts import seconds, train_again
from stopwatch import Stopwatch, watch_search


@dataclass(frozen=True)
class SearchParts:
    """Seconds of a search and of its parts.

    Attributes
    ----------
    total, asking, training, evaluating : float
        As they were when it ran.
    calls, products : float
        What the NumPy calls of training take alone, and its matrix products alone.
    steps : int
        Training steps.
    """

    total: float
    asking: float
    training: float
    evaluating: float
    calls: float
    products: float
    steps: int

    @property
    def least(self) -> float:
        """What the search would take if training took its products alone."""
        return self.total - self.training + self.products


def parts_of(search: Callable[[], Any], rounds: int = 5) -> SearchParts:
    """Watch a search, and make its steps again."""
    watch, trained = Stopwatch(), Counter[tuple[Any, ...]]()
    watch_search(watch, trained)
    try:
        total = seconds(search)
    finally:
        watch.stop()
        watch.restore()
    spent = Counter[str]()
    for (_, part), took in watch.seconds.items():
        spent[part.partition(":")[0]] += took
    again = train_again(trained, rounds)
    return SearchParts(
        total,
        spent["ask"],
        spent["train"],
        spent["evaluate"],
        again.calls,
        again.products,
        sum(trained.values()),
    )
