"""The objective of a search: what it optimises in place of the loss, and by what name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Scorers = Callable[[Any, Any, Any], Mapping[str, float]]
"""Function of a fitted estimator, X and y that returns scores by name; higher is better."""

LOSS = "score"
"""Name of the default metric in ``cv_results_``: minus the validation loss."""


@dataclass(frozen=True)
class Objective:
    """Scorers, and the score that is optimised: a trial's value is minus its mean.

    Attributes
    ----------
    scorers : callable
    metric : str
        Name of the score among those that `scorers` returns.
    name : str
        Name that the user knows it by.
    best : float or None
        Its best possible value, if that is known.
    """

    scorers: Scorers
    metric: str
    name: str
    best: float | None = None


def metric_name(metric: str, scoring: Any) -> str:
    """Return the name that the user knows a metric by; `scoring` is from `describe_scoring`.

    >>> metric_name("score", "accuracy"), metric_name("f1", ["f1", "accuracy"])
    ('accuracy', 'f1')
    >>> metric_name("score", "hits d41d8cd98f00b204e9800998ecf8427e")
    'hits'
    """
    return re.sub(r" [0-9a-f]{32}$", "", str(scoring)) if metric == LOSS else metric
