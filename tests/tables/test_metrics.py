"""Metrics by name: one of another task, or of none, is refused."""

import pytest

from lrtune.exceptions import InvalidInputError
from lrtune.tables.metrics import METRICS, require_metric


@pytest.mark.parametrize("name", ["loss", *METRICS])
def test_a_metric_is_of_its_task(name: str) -> None:
    for task in ("classification", "regression"):
        if name == "loss" or METRICS[name].task == task:
            require_metric(name, task)
            continue
        with pytest.raises(
            InvalidInputError,
            match=f"one of a {task}, but got '{name}', which is for a {METRICS[name].task}: choose",
        ):
            require_metric(name, task)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match="but got 'hits': choose among loss, r2, mae"):
        require_metric("hits", "regression")
